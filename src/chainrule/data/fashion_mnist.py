"""Fashion-MNIST: articles of clothing."""

from __future__ import annotations

from chainrule.data._idx_pair import idx_images
from chainrule.data.images import LabeledImages

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def fashion_mnist() -> LabeledImages:
    """Return 60,000 training and 10,000 test images of clothing, 28x28, grey, in 10 classes.

    Raises:
        DataError: A file is missing and cannot be fetched, or is damaged.

    Source:
        Xiao, Rasul, Vollgraf: Fashion-MNIST, a novel image dataset for benchmarking machine learning algorithms (2017).
    """
    return idx_images("fashion-mnist", CLASSES, "Fashion-MNIST (Zalando Research)")
