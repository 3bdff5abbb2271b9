"""Published weights: where their files are, the names in them that differ from ours, and loading them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, WeightsError, nearest
from chainrule.core.log import warn
from chainrule.core.paths import shown
from chainrule.data.fetch import find_known, places, verify
from chainrule.data.known import Known
from chainrule.models._densenet import DenseNet
from chainrule.models.sequence._gpt import GPT
from chainrule.models.sequence._gpt2 import check_gpt2_form, from_gpt2, is_gpt2
from chainrule.models.sequence._masked_transformer import classifier_from_masked, is_masked_transformer
from chainrule.models.sequence._text_transformer import TextTransformer
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
SUFFIXES = (".safetensors", ".pth", ".pt")
"""How the path of a weights file ends; anything else is the name of published weights."""


def weights_card(card: Mapping[str, Any], weights: str) -> Mapping[str, Any] | None:
    """Return what the card of a network says about weights by their name; None where it is the path of a file.

    Raises:
        RecipeError: The card has no weights of this name.

    Example:
        >>> from chainrule.models import MODELS
        >>> weights_card(MODELS.entry("squeezenet").card, "squeezenet1_0")["classes"]
        1000
        >>> weights_card({}, "mine/best.safetensors")
    """
    if PurePath(weights).suffix in SUFFIXES or PurePath(weights).name != weights:
        return None
    known = {entry["name"]: entry for entry in card.get("weights", ())}
    if weights not in known:
        a_path = f"a path that ends in {' or '.join(SUFFIXES[:2])}"
        raise RecipeError(
            f"model.weights: the network has no published weights {shown(weights)}",
            expected=f"{', '.join(known)}, or {a_path}" if known else f"{a_path}; none are known by name",
            remedy=f'did you mean "{guess}"' if (guess := nearest(weights, known)) else None,
        )
    return known[weights]


def weights_file(card: Mapping[str, Any], weights: str) -> Path:
    """Return the file of weights: a path as it is, or that of published weights after every byte of it was checked.

    Args:
        card: Of the network.
        weights: The name of published weights on the card, or a path.

    Raises:
        RecipeError: The card has no weights of this name.
        WeightsError: Their file is in none of the places, or its bytes are not the published ones.
    """
    entry = weights_card(card, weights)
    if entry is None:
        return Path(weights).expanduser()
    name, file = entry["name"], Known(entry["file"], entry["bytes"], entry["sha256"])
    path = find_known(name, file)
    if path is None:
        where = " or ".join(shown(place / file.name) for place in places(name))
        raise WeightsError(
            f"the published weights {name} are not there",
            expected=f"{file.name} ({file.size:,} bytes, sha256 {file.sha256[:16]}...) at {where}",
            remedy=f"put the file there, or set CHAINRULE_DATA to the folder that holds {name}/{file.name}",
        )
    if wrong := verify(path, file):
        raise WeightsError(f"the published weights {shown(path)} are damaged: {wrong}", remedy="get the file again")
    return path


def load_published(model: nn.Module, path: str | os.PathLike[str], *, key: str | None = None) -> Matched:
    """Load a published file of weights into a network: every name and shape must fit, or nothing is loaded.

    AlexNet (version torchvision), VGG, ResNet, SqueezeNet and DenseNet have torchvision's names. Of its files, those of
    DenseNet have older names, which a table translates. Older files have no counters of batches in their norms; where
    a file has none at all, the network's own stay as they are. `gpt` takes GPT-2's layout as well as its own;
    the network must compute what GPT-2 does, whose number of heads no file says: 64 numbers each in the published ones.
    `text_transformer` takes the encoder of a `masked_transformer`, beside which its own head stays as it was drawn.

    Args:
        model: The network.
        path: A safetensors file or a `.pth` archive; no code runs that it brings.
        key: The table of tensors in a `.pth` file that holds more than one thing.

    Returns:
        The names that were loaded.

    Raises:
        WeightsError: The file cannot be read safely, or does not fit: how many and which names are missing, additional
            or of another shape; or the weights are GPT-2's, and the network has another form. It is as it was.
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
    tensors = read_weights(path, key=key)
    if isinstance(model, GPT) and is_gpt2(tensors):
        check_gpt2_form(model)
        tensors = from_gpt2(tensors)
    if isinstance(model, TextTransformer) and is_masked_transformer(tensors):
        tensors = classifier_from_masked(model, tensors)
        warn(f"{shown(path)} holds no classes: the encoder begins with its weights, the head as it was drawn")
    tensors = _with_counters(model, _renamed(model, tensors, path))
    try:
        return load_weights(model, tensors)
    except WeightsError as error:
        if ends := _other_ends(model.state_dict(), tensors, path):
            raise ends from None
        what = error.what.replace("the weights do", f"the weights of {shown(path)} do", 1)
        raise WeightsError(what, expected=error.expected, got=error.got, remedy=error.remedy) from None


def _other_ends(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Any) -> WeightsError | None:
    """The error for weights that fit in all but the number of classes, the channels of the image, or both."""
    unlike = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    pairs = {name: (own[name].shape, tensors[name].shape) for name in unlike}
    last = [name for name, (here, there) in pairs.items() if here[1:] == there[1:] and len(here) == len(there)]
    first = [name for name in unlike if name not in last]
    if own.keys() != tensors.keys() or not unlike or not _at_the_ends(own, pairs, first, last):
        return None
    said, remedies = [], []
    if last:
        counts = [shape[0] for shape in pairs[last[0]]]
        said.append([f"{count:,} classes" for count in counts])
        keys = " and ".join(shown(name) for name in last)
        remedies.append(
            f"take data with {said[-1][1]}; in Python, `chainrule.runtime.weights.load_weights(network, tensors, "
            f"strict=False)` loads all but {keys}"
        )
    if first:
        counts = [shape[1] for shape in pairs[first[0]]]
        said.append([f"images of {count} channel{'' if count == 1 else 's'}" for count in counts])
        if counts[1] in (1, 3):
            remedies.append(f"a folder of pictures has {counts[1]} with --data.channels {counts[1]}")
    here, there = (" and ".join(texts) for texts in zip(*said))
    return WeightsError(
        f"the weights of {shown(path)} are for {there}",
        expected=f"{here}, as the network has them",
        got=", ".join(f"{shown(name)} {tuple(pairs[name][1])}" for name in [*first, *last]),
        remedy="; ".join(remedies) or None,
    )


def _at_the_ends(
    own: Mapping[str, Tensor], pairs: Mapping[str, tuple[torch.Size, torch.Size]], first: list[str], last: list[str]
) -> bool:
    """Whether only the first convolution has other inputs, and only what gives scores other outputs."""
    tensors = [name for name, value in own.items() if value.ndim]
    images = [name for name in tensors if own[name].ndim == 4][:1]
    same = all(here[0] == there[0] and here[2:] == there[2:] for here, there in (pairs[name] for name in first))
    scores = {(pairs[name][0][0], pairs[name][1][0]) for name in last}
    return same and first in ([], images) and len(scores) == bool(last) and (not last or tensors[-1] in last)


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
