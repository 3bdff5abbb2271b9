"""Published weights: the names in the files that differ from ours, and loading them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from chainrule.core.errors import WeightsError
from chainrule.core.paths import shown
from chainrule.models._densenet import DenseNet
from chainrule.runtime.weights import Matched, load_weights, read_weights

_LAYER = r"(features\.denseblock\d+\.denselayer\d+)"
OLDER_NAMES: Mapping[type[nn.Module], tuple[tuple[str, str], ...]] = {
    DenseNet: (
        (rf"{_LAYER}\.norm\.1\.(weight|bias|running_mean|running_var|num_batches_tracked)", r"\1.norm1.\2"),
        (rf"{_LAYER}\.norm\.2\.(weight|bias|running_mean|running_var|num_batches_tracked)", r"\1.norm2.\2"),
        (rf"{_LAYER}\.conv\.1\.weight", r"\1.conv1.weight"),
        (rf"{_LAYER}\.conv\.2\.weight", r"\1.conv2.weight"),
    ),
}
"""Kind of network -> (whole name in older files, name now). All other networks' files have our names."""
_COUNTER = ".num_batches_tracked"


def load_published(model: nn.Module, path: str | os.PathLike[str], *, key: str | None = None) -> Matched:
    """Load a published file of weights into a network: every name and shape must fit, or nothing is loaded.

    AlexNet (version torchvision), VGG, ResNet, SqueezeNet and DenseNet have torchvision's names. Of its files, those of
    DenseNet have older names, which a table translates. Older files have no counters of batches in their norms; where
    a file has none at all, the network's own stay as they are.

    Args:
        model: The network.
        path: A safetensors file or a `.pth` archive; no code runs that it brings.
        key: The table of tensors in a `.pth` file that holds more than one thing.

    Returns:
        The names that were loaded.

    Raises:
        WeightsError: The file cannot be read safely, or does not fit: how many and which names are missing, additional
            or of another shape. The network is as it was.
        StorageError: The file may not be read.

    Example:
        >>> import pathlib, tempfile
        >>> from chainrule.models import squeezenet
        >>> from chainrule.runtime.weights import write_weights
        >>> path = pathlib.Path(tempfile.mkdtemp(), "squeezenet1_1.safetensors")
        >>> write_weights(path, squeezenet((3, 224, 224), 1000, version=1.1).state_dict())
        >>> len(load_published(squeezenet((3, 32, 32), 1000, version=1.1), path).loaded)
        52

    Source:
        LECTURES D5, D6; torchvision's `models`.
    """
    tensors = _with_counters(model, _renamed(model, read_weights(path, key=key), path))
    try:
        return load_weights(model, tensors)
    except WeightsError as error:
        what = error.what.replace("the weights do", f"the weights of {shown(path)} do", 1)
        raise WeightsError(what, expected=error.expected, got=error.got, remedy=error.remedy) from None


def _renamed(model: nn.Module, tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for older, newer in OLDER_NAMES.get(type(model), ()):
            if match := re.fullmatch(older, name):
                name = match.expand(newer)
                break
        if name in found:
            raise WeightsError(f"{shown(path)} has {shown(name)} twice, under an older name too")
        found[name] = tensor
    return found


def _with_counters(model: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Complete a file that has no counter at all by the network's own counters."""
    if any(name.endswith(_COUNTER) for name in tensors):
        return tensors
    own = {name: value for name, value in model.state_dict().items() if name.endswith(_COUNTER)}
    normed = {name for name in own if name.removesuffix(_COUNTER) + ".running_mean" in tensors}
    return {**tensors, **{name: torch.clone(own[name]) for name in normed}}
