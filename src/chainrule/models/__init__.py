"""Networks by name."""

from __future__ import annotations

from chainrule.core.registry import Entry, Registry

_HERE = "chainrule.models"

MODELS = Registry(
    "model",
    [
        (
            "layers",
            Entry(
                f"{_HERE}._layers:layers", 'any network in the layer notation: --model.spec "CONV3-32 | RELU | FC-10"'
            ),
        ),
        ("linear", Entry(f"{_HERE}._dense:linear", "scores = W x + b", {"source": "LECTURES A3"})),
        ("mlp", Entry(f"{_HERE}._dense:mlp", "fully connected layers", {"source": "LECTURES C4, C7"})),
        (
            "lenet",
            Entry(
                f"{_HERE}._lenet:lenet",
                "LeNet-5",
                {"paper": "LeCun et al. 1998", "input": "28x28 or 32x32", "source": "LECTURES D5"},
            ),
        ),
        ("cnn", Entry(f"{_HERE}._cnn:cnn", "a small convolutional network with batch normalization")),
    ],
    group="chainrule.models",
)
