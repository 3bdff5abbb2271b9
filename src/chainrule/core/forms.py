"""What the JSON files of a run folder must hold before anything else of the program takes it for granted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from chainrule.core.errors import CheckpointError
from chainrule.core.paths import shown

_ENTRIES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "name": (str,),
    "status": (str,),
    "id": (str, type(None)),
    "created": (str, type(None)),
    "command": (str, type(None)),
    "environment": (dict, type(None)),
    "parameters": (int, type(None)),
    "resumed": (int, type(None)),
    "result": (dict, type(None)),
    "program": (dict, type(None)),
}
"""Entries of `run.json` -> what they may hold; the first three must be there."""


def require_info(path: Path, info: dict[str, Any]) -> None:
    """Refuse a `run.json` that lacks what the rest of the program takes for granted.

    Raises:
        CheckpointError: An entry is missing or of another type; it is named.

    Example:
        >>> require_info(Path("run.json"), {"kind": "recipe", "name": "one", "status": 3})
        Traceback (most recent call last):
        chainrule.core.errors.CheckpointError: "run.json" is damaged: expected an entry "status" (str), got 3
    """
    for number, (name, kinds) in enumerate(_ENTRIES.items()):
        if (name not in info and number < 3) or (name in info and not isinstance(info[name], kinds)):
            words = " or ".join({"NoneType": "null"}.get(kind.__name__, kind.__name__) for kind in kinds)
            got = repr(info[name])[:40] if name in info else "none"
            raise CheckpointError(f"{shown(path)} is damaged", expected=f'an entry "{name}" ({words})', got=got)
    result = info.get("result") or {}
    odd = [part for part in ("valid", "test") if not isinstance(result.get(part), (dict, type(None)))]
    if odd:
        raise CheckpointError(f"{shown(path)} is damaged", expected=f'numbers by name in "{odd[0]}" of "result"')
    kind, count, members = (info.get(name) for name in ("kind", "count", "members"))
    if (kind in ("repeats", "ensemble") or count is not None) and not isinstance(count, int):
        raise CheckpointError(f"{shown(path)} is damaged", expected='an entry "count" (int)', got=count)
    if kind == "study" and not _is_commands(members):
        raise CheckpointError(f"{shown(path)} is damaged", expected='commands by label as "members"')


def _is_commands(members: Any) -> bool:
    return isinstance(members, dict) and len(members) > 0 and all(isinstance(text, str) for text in members.values())


def require_processing(path: Path, data: dict[str, Any]) -> None:
    """Refuse a `processing.json` with an entry that cannot be; that one is missing is said where it is needed.

    Raises:
        CheckpointError: An entry is of another type or size; it is named.

    Example:
        >>> require_processing(Path("processing.json"), {"shape": [8, 8]})
        Traceback (most recent call last):
        chainrule.core.errors.CheckpointError: "processing.json" is damaged: expected three sizes as "shape", got [8, 8]
    """
    shape, classes, normalization = (data.get(name) for name in ("shape", "classes", "normalization"))
    features = data.get("features")
    if features and not (isinstance(features, list) and all(_is_named(part) for part in features)):
        raise CheckpointError(f"{shown(path)} is damaged", expected='names as "features"', got=repr(features)[:40])
    sides = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and 0 < n <= 1 << 16 for n in shape)
    if shape and not sides:
        raise CheckpointError(f"{shown(path)} is damaged", expected='three sizes as "shape"', got=repr(shape)[:40])
    resize = data.get("resize")
    if resize is not None and not (type(resize) is int and sides and max((shape or [0])[1:]) <= resize <= 8192):
        raise CheckpointError(
            f"{shown(path)} is damaged",
            expected='what the shorter side is scaled to as "resize"',
            got=repr(resize)[:40],
        )
    if classes and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise CheckpointError(f"{shown(path)} is damaged", expected='names as "classes"', got=repr(classes)[:40])
    whole = _is_of_features if features else _is_normalization
    if normalization and not (isinstance(normalization, dict) and shape and whole(normalization, shape)):
        raise CheckpointError(
            f"{shown(path)} is damaged",
            expected="mean and deviation of "
            + ("each number" if features else f"{shape[0] if isinstance(shape, list) and shape else 'the'} channels")
            + ' as "normalization"',
            got=repr(normalization)[:40],
        )


def _is_named(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("name"), str)


def _is_of_features(data: dict[str, Any], shape: list[int]) -> bool:
    """Whether mean and deviation are as many numbers; how many there are, the features say."""
    try:
        mean, deviation = data["mean"], data["deviation"]
        return len(mean) == len(deviation) and all(map(math.isfinite, [*mean, *deviation])) and min(deviation) > 0
    except (KeyError, TypeError, ValueError):
        return False


def _is_normalization(data: dict[str, Any], shape: list[int]) -> bool:
    """Whether mean and deviation are numbers, (C, 1, 1) or (C, H, W)."""
    sizes = [(shape[0], 1, 1), tuple(shape)]
    try:
        for name in ("mean", "deviation"):
            planes = data[name]
            rows = [row for plane in planes for row in plane]
            values = [value for row in rows for value in row]
            size = (len(planes), len(planes[0]), len(planes[0][0]))
            regular = {len(plane) for plane in planes} == {size[1]} and {len(row) for row in rows} == {size[2]}
            if size not in sizes or not regular or not all(math.isfinite(value) for value in values):
                return False
            if name == "deviation" and min(values) <= 0:
                return False
    except (KeyError, IndexError, TypeError):
        return False
    return True
