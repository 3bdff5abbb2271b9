"""Registered networks as people name them: `resnet50`, `vgg16`, `squeezenet1.1`, `resnet`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from chainrule.analysis.design.bare import without_data
from chainrule.core.errors import UsageError
from chainrule.models import MODELS


class Known(NamedTuple):
    """A registered network without data, and the input (C, H, W) that its card names."""

    name: str
    network: nn.Module
    shape: tuple[int, ...]


def known_network(
    name: str, shape: tuple[int, ...] | None = None, options: Mapping[str, Any] | None = None, *, bare: bool = True
) -> Known:
    """Build a registered network.

    Args:
        name: A registered name, or one with a depth or version behind it.
        shape: (C, H, W) of one input, or (D,); that of its card when left out.
        options: Of the builder, such as `{"depth": 50}`; `classes` too.
        bare: Build it without data.

    Raises:
        UsageError: There is no such network, or it does not take these options or this input.

    Example:
        >>> known_network("resnet50").shape
        (3, 224, 224)
    """
    base, chosen = split_name(name)
    card = MODELS.entry(base).card
    if card.get("fitted"):
        raise UsageError(f'"{base}" takes its whole training set at once and has no layers', remedy="name a network")
    forms = card.get("forms", ())
    wanted = {**chosen, **(options or {})}
    form = next((f for f in forms if all(f["options"].get(k) == v for k, v in wanted.items())), None)
    form = form or (forms[0] if forms else {"options": {}, "input": (3, 224, 224), "classes": 1000})
    laid = {**(form["options"] if not wanted or form["options"].items() >= wanted.items() else {}), **wanted}
    classes = laid.pop("classes", form["classes"])
    size = tuple(shape) if shape is not None else tuple(form["input"])
    build = MODELS.resolve(base)
    try:
        if not bare:
            return Known(name, build(size, classes, **laid), size)
        with without_data():
            return Known(name, build(size, classes, **laid), size)
    except TypeError as error:
        raise UsageError(f'"{base}" cannot be built so: {error}', remedy=f"chainrule models {base}") from error


def split_name(name: str) -> tuple[str, dict[str, Any]]:
    """`resnet50` -> ("resnet", {"depth": 50}), if the card of the first part has a form with this number."""
    if name in MODELS:
        return name, {}
    match = re.fullmatch(r"([a-z_]+?)[-_]?(\d+(?:[._]\d+)?)(_bn)?", name)
    if match is None or match[1] not in MODELS:
        return name, {}
    number = float(match[2].replace("_", "."))
    numbers = set()
    for form in MODELS.entry(match[1]).card.get("forms", ()):
        for key in ("depth", "version"):
            value = form["options"].get(key)
            if isinstance(value, (int, float)):
                numbers.add(value)
                if value == number:
                    return match[1], {key: value, **({"batch_norm": True} if match[3] else {})}
    if not numbers:
        return name, {}
    raise UsageError(
        f"there is no {match[1]} of {match[2]}", expected=", ".join(f"{n:g}" for n in sorted(numbers)), got=match[2]
    )
