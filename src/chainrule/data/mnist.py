"""MNIST: handwritten digits."""

from __future__ import annotations

from chainrule.data._idx_pair import idx_images
from chainrule.data.images import LabeledImages


def mnist() -> LabeledImages:
    """Return 60,000 training and 10,000 test images of handwritten digits, 28x28, grey.

    Raises:
        DataError: A file is missing and cannot be fetched, or is damaged.

    Source:
        LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition (1998).
    """
    return idx_images("mnist", [str(digit) for digit in range(10)], "MNIST (LeCun, Cortes, Burges)")
