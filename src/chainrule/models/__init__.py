"""Networks by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.models._cnn import cnn as cnn
    from chainrule.models._dense import linear as linear
    from chainrule.models._dense import mlp as mlp
    from chainrule.models._layers import layers as layers
    from chainrule.models._lenet import lenet as lenet
    from chainrule.models._resnet import resnet as resnet
    from chainrule.models._resnet import resnet_cifar as resnet_cifar
    from chainrule.models._vgg import vgg as vgg

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "cnn": "_cnn",
        "layers": "_layers",
        "lenet": "_lenet",
        "linear": "_dense",
        "mlp": "_dense",
        "resnet": "_resnet",
        "resnet_cifar": "_resnet",
        "vgg": "_vgg",
    },
)

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
        (
            "vgg",
            Entry(
                f"{_HERE}._vgg:vgg",
                "VGG-11, 13, 16, 19, with or without batch normalization",
                {
                    "paper": "Simonyan and Zisserman 2015",
                    "input": "224x224x3; at least 32x32",
                    "parameters": "132,863,336 (11) to 143,667,240 (19) for 1000 classes",
                    "source": "LECTURES D5",
                },
            ),
        ),
        (
            "resnet",
            Entry(
                f"{_HERE}._resnet:resnet",
                "ResNet-18, 34, 50, 101, 152",
                {
                    "paper": "He et al. 2016",
                    "input": "224x224x3; at least 32x32",
                    "parameters": "11,689,512 (18) to 60,192,808 (152) for 1000 classes",
                    "source": "LECTURES C8, D5",
                },
            ),
        ),
        (
            "resnet_cifar",
            Entry(
                f"{_HERE}._resnet:resnet_cifar",
                "thin ResNets for small images: 20, 32, 44, 56, 110 layers",
                {
                    "paper": "He et al. 2016, section 4.2",
                    "input": "32x32x3; at least 4x4",
                    "parameters": "269,722 (20) to 1,727,962 (110) for 10 classes",
                    "source": "LECTURES C8, D5",
                },
            ),
        ),
        ("cnn", Entry(f"{_HERE}._cnn:cnn", "a small convolutional network with batch normalization")),
    ],
    group="chainrule.models",
)
