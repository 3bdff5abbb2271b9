"""A space of settings to search: each axis is a setting of the recipe and the values that it may take, as plain data.

```yaml
format: 1
about: one line for readers
optim.lr: {low: 1e-4, high: 1e-1, scale: log}
model.dropout: {low: 0.0, high: 0.5}
train.batch: {low: 16, high: 128, step: 16}     # whole numbers at both ends: whole numbers
model.hidden: {choices: [[64], [128, 128]]}
```

Whether a recipe has these settings, and takes such values, is looked up later (`tuning`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.paths import shown
from chainrule.core.recipe import fields_of, require_format

KEYS: Final = ("low", "high", "scale", "step", "choices")
MOST: Final = 12
"""Axes of a space: random search says little about more."""
MOST_CHOICES: Final = 50


@dataclass(frozen=True)
class Axis:
    """The values that one setting may take: from `low` to `high`, or one of `choices`.

    Args:
        low: Smallest value.
        high: Largest value.
        scale: "log": log(value) is drawn evenly, so each factor of ten is as likely as the next.
        step: Values are low, low + step, low + 2 step ...; of a linear scale only.
        choices: What may be chosen, of any kind; then there is no range.

    Source:
        LECTURES B12.
    """

    low: float = 0.0
    high: float = 0.0
    scale: Literal["linear", "log"] = "linear"
    step: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers: both ends are."""
        return not self.choices and isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values by which to see whether a recipe takes them: both ends, or all choices."""
        return self.choices or (self.low, self.high)

    def between(self, low: float, high: float) -> Axis:
        """Return the part of a range that lies between two values; the axis itself where that is nothing.

        Example:
            >>> Axis(1e-5, 1.0, "log").between(1e-3, 5.0)
            Axis(low=0.001, high=1.0, scale='log', step=None, choices=())
        """
        least, most = max(self.low, low), min(self.high, high)
        if self.whole:
            least, most = math.ceil(least), math.floor(most)
        if self.step is not None:  # values stay on the steps
            least = self.low + self.step * math.ceil((least - self.low) / self.step - 1e-9)
        return self if self.choices or least >= most else replace(self, low=least, high=most)

    def around(self, value: Any, *, factor: float = 3.0, share: float = 0.15) -> Axis:
        """Return the neighborhood of a value: a factor up and down on a log scale, else a share of the range.

        Example:
            >>> Axis(1e-5, 1.0, "log").around(0.01, factor=4.0).high
            0.04
        """
        if self.choices:
            return replace(self, choices=(value,))
        if self.scale == "log":
            return self.between(value / factor, value * factor)
        room = max(share * (self.high - self.low), self.step or 0.0, 1.0 if self.whole else 0.0)
        return self.between(value - room, value + room)

    def to_data(self) -> dict[str, Any]:
        """The axis as a file has it."""
        if self.choices:
            return {"choices": list(self.choices)}
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high, "scale": self.scale, **step}


Space = Mapping[str, Axis]
"""Setting, such as `optim.lr` -> its values."""


def space_from_data(data: Any, *, source: str = "the space") -> dict[str, Axis]:
    """Check plain data and return the space.

    Args:
        data: As in a file of a space.
        source: What errors call it.

    Raises:
        RecipeError: No axis, too many, a name that is no setting, a key that no axis has, a range without values, a
            value twice.

    Example:
        >>> space_from_data({"optim.lr": {"low": 1e-4, "high": 0.1, "scale": "log"}})["optim.lr"].scale
        'log'
    """
    if not isinstance(data, Mapping):
        raise RecipeError(f"{source} is no space", expected="settings such as `optim.lr: {low: 1e-4, high: 1e-1}`")
    require_format(data, source)
    if not isinstance(data.get("about", ""), str):
        raise RecipeError(f"{source}: about is one line of text", got=_show(data["about"]))
    axes = {key: value for key, value in data.items() if key not in ("format", "about")}
    if not 1 <= len(axes) <= MOST:
        raise RecipeError(f"{source} has too {'many' if axes else 'few'} axes", expected=f"1 to {MOST}", got=len(axes))
    return {str(name): _axis(value, _place(str(name), source)) for name, value in axes.items()}


def space_to_data(space: Space) -> dict[str, Any]:
    """Return a space as plain data; `space_from_data` gives it back."""
    return {name: axis.to_data() for name, axis in space.items()}


def _place(name: str, source: str) -> str:
    section, dot, key = name.partition(".")
    if not dot or not key or "." in key:
        raise RecipeError(
            f"{source}: {shown(name[:60])} is no setting of a recipe",
            expected="section.key, such as optim.lr",
            remedy=unknown("section", section, fields_of(None)),
        )
    return f"{source}: {name}"


def _axis(value: Any, place: str) -> Axis:
    if not isinstance(value, Mapping):
        remedy = f"write {{choices: {_show(value)}}}" if isinstance(value, list) else "a fixed value is a setting"
        expected = "{low: A, high: B} or {choices: [...]}"
        raise RecipeError(f"{place} is no axis", expected=expected, got=_show(value), remedy=remedy)
    for key in value:
        if key not in KEYS:
            remedy = unknown("key", str(key), KEYS)
            raise RecipeError(f"{place}: there is no key {shown(str(key)[:60])} of an axis", remedy=remedy)
    if "choices" in value:
        return _chosen(value, place)
    return _range(value, place)


def _chosen(value: Mapping[str, Any], place: str) -> Axis:
    choices = value["choices"]
    if len(value) > 1:
        raise RecipeError(f"{place} has choices and a range as well", remedy="keep one of them")
    if not isinstance(choices, (list, tuple)) or not 1 <= len(choices) <= MOST_CHOICES:
        expected = f"a list of 1 to {MOST_CHOICES} values"
        raise RecipeError(f"{place}: choices are none", expected=expected, got=_show(choices))
    labels = [label(choice) for choice in choices]
    if twice := [one for number, one in enumerate(labels) if one in labels[:number]]:
        raise RecipeError(f"{place}: a choice is there twice", got=twice[0])
    return Axis(choices=tuple(choices))


def _range(value: Mapping[str, Any], place: str) -> Axis:
    for key in ("low", "high"):
        if key not in value:
            raise RecipeError(f"{place}: {key} is missing", expected="{low: A, high: B} or {choices: [...]}")
    low, high, step, scale = value["low"], value["high"], value.get("step"), value.get("scale", "linear")
    for key, number in (("low", low), ("high", high), ("step", step)):
        if key == "step" and step is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise RecipeError(f"{place}: {key} is no number", got=_show(number))
    if scale not in ("linear", "log"):
        raise RecipeError(f"{place}: there is no scale {shown(str(scale)[:40])}", expected="linear or log")
    if not low < high:
        raise RecipeError(f"{place}: the range has no values", expected="low below high", got=f"{low} and {high}")
    if scale == "log" and low <= 0:
        raise RecipeError(
            f"{place}: a log scale begins above 0", got=low, remedy="a small low, such as 1e-6, or scale: linear"
        )
    if step is not None and (scale == "log" or not 0 < step <= high - low):
        expected = "a step of a linear scale, above 0 and at most high - low"
        raise RecipeError(f"{place}: such a step cannot be taken", expected=expected, got=step)
    if step is not None and isinstance(low, int) and isinstance(high, int) and not isinstance(step, int):
        raise RecipeError(f"{place}: whole numbers have a whole step", got=step)
    return Axis(low, high, scale, step)


def label(choice: Any) -> str:
    """Return a choice as text that tells it from every other one, and that `json.loads` reads back.

    Example:
        >>> label([64, 32]), label("sgd")
        ('[64, 32]', '"sgd"')
    """
    return json.dumps(choice)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
