"""What every layer of the notation is: how it is read, how it is written, and what it does to a shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import ClassVar, Self

from chainrule.core.errors import NotationError
from chainrule.notation import limits
from chainrule.notation.field import POINT, Reach
from chainrule.notation.shapes import Shape, Vector, Volume
from chainrule.notation.source import Span
from chainrule.notation.windows import Unread


@dataclass(frozen=True)
class Options:
    """What stands after an item, by spaces. None: not given."""

    stride: int | None = None
    pad: int | None = None
    dil: int | None = None
    groups: int | None = None
    avg: bool = False
    ceil: bool = False
    nobias: bool = False
    keep: bool = False

    def given(self) -> list[str]:
        """The names of those that were given."""
        return [f.name for f in fields(self) if getattr(self, f.name) not in (None, False)]


@dataclass(frozen=True)
class Word:
    """A layer as the parser found it: its name in capitals, the numbers in the name's place, and the options."""

    name: str
    numbers: tuple[str, ...] = ()
    options: Options = Options()


@dataclass(frozen=True)
class Effect:
    """What a layer does to a shape: one value, so that its rules stand together.

    Args:
        after: The shape behind it.
        parameters: Learnable numbers.
        multiply_adds: Multiplications with an addition, for one example; biases are not counted.
        reach: What one output position reads of the layer before.
        unread: Rows and columns of the input that are never read because the size does not divide.
        remark: Anything else that the designer should know.
    """

    after: Shape
    parameters: int = 0
    multiply_adds: int = 0
    reach: Reach = POINT
    unread: Unread | None = None
    remark: str | None = None


@dataclass(frozen=True)
class Layer(ABC):
    """One layer of the notation. Its kinds are in `spatial.py` and `pointwise.py`, and `layers.py` lists them by name.

    Class attributes: `FORM` (how it is written), `NUMBERS` (pattern of what follows the name), `TAKES` (its options),
    `EXAMPLE`, `ABOUT` (one line).
    """

    span: Span = field(default=(0, 0), compare=False, repr=False, kw_only=True)

    FORM: ClassVar[str]
    EXAMPLE: ClassVar[str]
    ABOUT: ClassVar[str]
    NUMBERS: ClassVar[str] = ""
    TAKES: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @abstractmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""

    @abstractmethod
    def effect(self, before: Shape) -> Effect:
        """What the layer does to this shape, and what that costs.

        Raises:
            NotationError: The shape does not suit the layer.
        """

    @abstractmethod
    def __str__(self) -> str:
        """The layer in the notation, defaults left out."""


def whole(text: str, what: str, *, least: int = 1) -> int:
    """Read a whole number within the limits.

    Args:
        text: Digits.
        what: What the number is, for the error.
        least: The smallest that is allowed.

    Raises:
        NotationError: It is too small or too large.

    Example:
        >>> whole("64", "filters")
        64
    """
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limits.NUMBER)) or not least <= int(digits) <= limits.NUMBER:
        shown = text if len(text) <= 12 else f"{text[:9]}..."
        raise NotationError(
            f"the number of {what} is out of range", expected=f"{least} to {limits.NUMBER:,}", got=shown
        )
    return int(digits)


def probability(text: str, name: str, *, keep: bool = False) -> float:
    """Read a probability of dropping, at least 0 and below 1; or of keeping, above 0 and at most 1.

    Example:
        >>> probability("0.5", "DROPOUT")
        0.5
    """
    value = float(text)
    if not (0 < value <= 1 if keep else 0 <= value < 1):
        raise NotationError(
            f"{name} takes the probability of {'keeping' if keep else 'dropping'}",
            expected="above 0 and at most 1" if keep else "at least 0 and below 1",
            got=text[:12],
            remedy=f"write {name}0.5 to drop half",
        )
    return value


def decimal(value: float) -> str:
    """A probability in digits, never with an exponent.

    Example:
        >>> decimal(0.5), decimal(1e-05), decimal(0.0)
        ('0.5', '0.00001', '0.0')
    """
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    digits = mantissa.replace(".", "")
    return "0." + "0" * (-int(exponent) - 1) + digits


def need_volume(layer: Layer, before: Shape) -> Volume:
    """The shape as a volume.

    Raises:
        NotationError: It is a vector.
    """
    if isinstance(before, Vector):
        raise NotationError(
            f"{layer} works on a volume HxWxC, and a vector of {before} reaches it",
            remedy="move it before the first FC or GAP, or give an INPUT like 32x32x3",
        )
    return before


def number(key: str, value: int | None, default: int | None = None) -> str:
    """An option with its number, or nothing when it is the default.

    Example:
        >>> number("/", 2, 1), number("pad", 1, 1)
        (' /2', '')
    """
    return "" if value is None or value == default else f" {key}{value}"
