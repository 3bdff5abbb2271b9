"""Layers that keep the shape, and maxout: activations, the norms, dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from chainrule.core.errors import NotationError
from chainrule.notation.field import Everything
from chainrule.notation.layer import Effect, Layer, Word, decimal, need_volume, probability, whole
from chainrule.notation.shapes import Shape, Vector, Volume, channels_of
from chainrule.notation.source import Span

_PROBABILITY = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each number by itself: RELU, LRELU (slope 0.1), ELU, GELU (tanh form), SIGMOID or TANH.

    Source: LECTURES C4.

    Example:
        >>> Activation("RELU").effect(Volume(8, 8, 4)).parameters
        0
    """

    name: str

    FORM: ClassVar[str] = "RELU LRELU ELU GELU SIGMOID TANH"
    EXAMPLE: ClassVar[str] = "INPUT 784 | FC-100 | LRELU | FC-10"
    ABOUT: ClassVar[str] = "activations; LRELU has slope 0.1, GELU is the tanh form"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(word.name, span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        return Effect(before)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Maxout(Layer):
    """The maximum over k consecutive channels or features.

    Source: LECTURES C4.

    Example:
        >>> str(Maxout(2).effect(Vector(200)).after)
        '100'
    """

    pieces: int

    FORM: ClassVar[str] = "MAXOUTk"
    NUMBERS: ClassVar[str] = r"([0-9]+)"
    EXAMPLE: ClassVar[str] = "INPUT 784 | FC-200 | MAXOUT2"
    ABOUT: ClassVar[str] = "maximum over k consecutive channels or features"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(whole(word.numbers[0], "pieces"), span=span)

    def effect(self, before: Shape) -> Effect:
        """A k-th of the channels."""
        channels = channels_of(before)
        if channels % self.pieces:
            raise NotationError(
                f"{self} needs a multiple of {self.pieces} channels",
                got=channels,
                remedy=f"give the layer before it {channels - channels % self.pieces + self.pieces} channels",
            )
        kept = channels // self.pieces
        if isinstance(before, Vector):
            return Effect(Vector(kept))
        return Effect(Volume(before.height, before.width, kept))

    def __str__(self) -> str:
        return f"MAXOUT{self.pieces}"


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation per channel or feature: gamma and beta of C.

    Source: LECTURES C6.

    Example:
        >>> BatchNorm().effect(Volume(8, 8, 16)).parameters
        32
    """

    FORM: ClassVar[str] = "BN"
    EXAMPLE: ClassVar[str] = "INPUT 32x32x3 | CONV3-16 nobias | BN | RELU"
    ABOUT: ClassVar[str] = "batch normalization, gamma and beta of C"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape. Statistics over the batch are no path from one pixel to another of the same example."""
        return Effect(before, parameters=2 * channels_of(before))

    def __str__(self) -> str:
        return "BN"


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation over C*H*W (or the features): gamma and beta of that size.

    Source: LECTURES C6.

    Example:
        >>> LayerNorm().effect(Volume(8, 8, 16)).parameters
        2048
    """

    FORM: ClassVar[str] = "LN"
    EXAMPLE: ClassVar[str] = "INPUT 8x8x3 | CONV3-16 | LN | RELU"
    ABOUT: ClassVar[str] = "layer normalization over C*H*W, gamma and beta of C*H*W"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        return Effect(before, parameters=2 * before.elements, reach=Everything(keeps=True))

    def __str__(self) -> str:
        return "LN"


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalisation in g groups of channels: gamma and beta of C.

    Source: LECTURES C6.

    Example:
        >>> GroupNorm(4).effect(Volume(8, 8, 16)).parameters
        32
    """

    groups: int

    FORM: ClassVar[str] = "GNg"
    NUMBERS: ClassVar[str] = r"([0-9]+)"
    EXAMPLE: ClassVar[str] = "INPUT 8x8x3 | CONV3-16 | GN4 | RELU"
    ABOUT: ClassVar[str] = "group normalization in g groups of channels, gamma and beta of C"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(whole(word.numbers[0], "groups"), span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        channels = channels_of(before)
        if channels % self.groups:
            fits = [n for n in range(1, min(channels, self.groups) + 1) if channels % n == 0]
            raise NotationError(
                f"{self} needs a number of channels that {self.groups} divides",
                got=channels,
                remedy=f"use GN{fits[-1]}",
            )
        if before.elements == self.groups:
            raise NotationError(
                f"{self} has one number in each group, and normalizing one number leaves only beta",
                remedy="use fewer groups",
            )
        return Effect(before, parameters=2 * channels, reach=Everything(keeps=True))

    def __str__(self) -> str:
        return f"GN{self.groups}"


@dataclass(frozen=True)
class InstanceNorm(Layer):
    """Instance normalisation, per example and channel: gamma and beta of C.

    Source: LECTURES C6.

    Example:
        >>> InstanceNorm().effect(Volume(8, 8, 16)).parameters
        32
    """

    FORM: ClassVar[str] = "IN"
    EXAMPLE: ClassVar[str] = "INPUT 8x8x3 | CONV3-16 | IN | RELU"
    ABOUT: ClassVar[str] = "instance normalization per channel, gamma and beta of C"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        before = need_volume(self, before)
        if before.height * before.width == 1:
            raise NotationError(
                "IN over one position leaves only beta",
                got=str(before),
                remedy="use LN or BN, or fewer strides before it",
            )
        return Effect(before, parameters=2 * before.channels, reach=Everything(keeps=True))

    def __str__(self) -> str:
        return "IN"


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """AlexNet's local response normalisation: b_i = a_i / (k + alpha sum of a_j^2)^beta over n = 5 channels around i.

    k = 2, alpha = 1e-4, beta = 0.75.

    Source: LECTURES C6, D5; Krizhevsky, Sutskever, Hinton 2012, section 3.3.

    Example:
        >>> LocalResponseNorm().effect(Volume(8, 8, 16)).parameters
        0
    """

    FORM: ClassVar[str] = "LRN"
    EXAMPLE: ClassVar[str] = "INPUT 27x27x96 | LRN"
    ABOUT: ClassVar[str] = "local response normalization as in AlexNet: n 5, k 2, alpha 1e-4, beta 0.75"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        return Effect(need_volume(self, before))

    def __str__(self) -> str:
        return "LRN"


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout: p is the probability of dropping; what is kept is divided by 1 - p while training.

    With the option `keep` p is the probability of keeping, as 003 has it.

    Source: LECTURES C7.

    Example:
        >>> str(Dropout(0.5).effect(Vector(100)).after)
        '100'
        >>> Dropout(0.75, keep=True).drop
        0.25
    """

    p: float
    keep: bool = False

    FORM: ClassVar[str] = "DROPOUTp"
    NUMBERS: ClassVar[str] = _PROBABILITY
    TAKES: ClassVar[frozenset[str]] = frozenset({"keep"})
    EXAMPLE: ClassVar[str] = "INPUT 784 | FC-100 | RELU | DROPOUT0.5 | FC-10"
    ABOUT: ClassVar[str] = "dropout, p the probability of dropping (keep: of keeping)"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        keep = word.options.keep
        return cls(probability(word.numbers[0], "DROPOUT", keep=keep), keep, span=span)

    @property
    def drop(self) -> float:
        """The probability of dropping."""
        return 1 - self.p if self.keep else self.p

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        return Effect(before)

    def __str__(self) -> str:
        return f"DROPOUT{decimal(self.p)}{' keep' if self.keep else ''}"


@dataclass(frozen=True)
class DropPath(Layer):
    """Stochastic depth, last in a RES body: zeroes the body for whole examples with probability p while training.

    Source: LECTURES D6.

    Example:
        >>> str(DropPath(0.1).effect(Volume(8, 8, 16)).after)
        '8x8x16'
    """

    p: float

    FORM: ClassVar[str] = "DROPPATHp"
    NUMBERS: ClassVar[str] = _PROBABILITY
    EXAMPLE: ClassVar[str] = "INPUT 8x8x16 | RES[CONV3-16 | DROPPATH0.1] | RELU"
    ABOUT: ClassVar[str] = "stochastic depth: last in a RES body, drops it for whole examples"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(probability(word.numbers[0], "DROPPATH"), span=span)

    def effect(self, before: Shape) -> Effect:
        """The same shape."""
        return Effect(before)

    def __str__(self) -> str:
        return f"DROPPATH{decimal(self.p)}"
