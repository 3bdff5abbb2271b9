"""AlexNet: the network of 2012 in two parts, and its one-part successor of 2014."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import nn

from chainrule.core.errors import RecipeError
from chainrule.models._checks import check_image, check_share
from chainrule.models._pooled import PooledNet
from chainrule.nn import alexnet_response_norm


class Plan(NamedTuple):
    """Numbers of one version: channels of its five convolutions, padding of the first, norms, the two parts."""

    widths: tuple[int, int, int, int, int]
    padding: int
    norms: bool
    split: bool
    least: int


VERSIONS = {
    "note": Plan((96, 256, 384, 384, 256), 0, norms=True, split=True, least=67),
    "torchvision": Plan((64, 192, 384, 256, 256), 2, norms=False, split=False, least=63),
}
_KERNELS = (11, 5, 3, 3, 3)
_NORMED, _SPLIT, _POOLED = (1, 2), (2, 4, 5), (1, 2, 5)  # numbers of convolutions


def alexnet(
    shape: tuple[int, ...],
    classes: int,
    *,
    version: Literal["note", "torchvision"] = "note",
    split: bool | None = None,
    head: Literal["original", "linear"] = "original",
    dropout: float = 0.5,
) -> nn.Module:
    """Return AlexNet: CONV11 /4, CONV5, CONV3, CONV3, CONV3, each with ReLU, pooling after 1, 2 and 5, the head.

    Args:
        shape: (C, H, W). "note": at least 67x67, its own is (3, 227, 227); "torchvision": at least 63x63, its own is
            (3, 224, 224).
        classes: Number of scores.
        version: "note": 96-256-384-384-256 channels, no padding in the first convolution, local response
            normalization after the first two; "torchvision": 64-192-384-256-256, padding 2, no normalization.
        split: Convolutions 2, 4 and 5 see only half of the channels each (groups 2), as on the two GPUs of 2012.
            Left out: true for "note"; "torchvision" has never been split.
        head: "original": features averaged to 6x6, dropout, FC-4096, ReLU, twice, and FC-K (about 58 million
            parameters); "linear": global average pooling, dropout and FC-K, for small images.
        dropout: Probability of dropping in the head, at least 0 and below 1.

    Raises:
        RecipeError: Another version, head or probability, a split of torchvision's, or images that are too small.

    Example:
        >>> import torch
        >>> network = alexnet((3, 67, 67), 10, head="linear")
        >>> network(torch.zeros(2, 3, 67, 67)).shape
        torch.Size([2, 10])

    Source:
        LECTURES D5; Krizhevsky, Sutskever, Hinton 2012 (note); Krizhevsky 2014, One weird trick (torchvision).
        Initialization: convolutions from N(0, 2 / fan in) (He et al. 2015, Delving deep into rectifiers), fully
        connected layers from N(0, 0.01^2) as in the paper, biases 0.

    Departures:
        The paper says 224x224, and its numbers need 227x227 (or 224x224 with padding 2, by rounding down). It draws
        the convolutions from N(0, 0.01^2) too, and starts some biases at 1; torchvision leaves torch's defaults. Names
        of modules are torchvision's in both versions, so its weights fit "torchvision"; as there, the features of any
        image are averaged to 6x6 (at the version's own size they are 6x6).
    """
    plan = VERSIONS.get(version)
    if plan is None:
        raise RecipeError("there is no such AlexNet", expected="version note or torchvision", got=version)
    if split and not plan.split:
        raise RecipeError("torchvision's AlexNet has never been split", got="split true", remedy="--model.version note")
    if head not in ("original", "linear"):
        raise RecipeError("AlexNet has two heads", expected="original or linear", got=head)
    check_share(dropout)
    small = "--model.name vgg or resnet_cifar takes small images"
    check_image(shape, plan.least, "AlexNet shrinks its images 32 times, without padding", remedy=small)
    features = _features(shape[0], plan, plan.split if split is None else split)
    size = 6 if head == "original" else 1
    network = PooledNet(features, _head(head, plan.widths[-1] * size * size, classes, dropout), size)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    return network


def _features(channels: int, plan: Plan, split: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (width, kernel) in enumerate(zip(plan.widths, _KERNELS), 1):
        stride, padding = (4, plan.padding) if number == 1 else (1, kernel // 2)
        groups = 2 if split and number in _SPLIT else 1
        layers += [nn.Conv2d(channels, width, kernel, stride, padding, groups=groups), nn.ReLU()]
        if plan.norms and number in _NORMED:
            layers.append(alexnet_response_norm())
        if number in _POOLED:
            layers.append(nn.MaxPool2d(3, stride=2))
        channels = width
    return nn.Sequential(*layers)


def _head(head: str, features: int, classes: int, dropout: float) -> nn.Sequential:
    if head == "linear":
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(features, classes))
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(features, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, classes),
    )
