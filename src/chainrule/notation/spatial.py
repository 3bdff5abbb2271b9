"""Layers that work on rows and columns: convolution, transposed convolution, pooling; and FC, which ends them."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import ClassVar, Self

from chainrule.core.errors import NotationError
from chainrule.notation.field import Everything, Spread, Window
from chainrule.notation.layer import Effect, Layer, Word, need_volume, number, whole
from chainrule.notation.shapes import Shape, Vector, Volume
from chainrule.notation.source import Span
from chainrule.notation.windows import no_room, outputs, unread


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution: K filters of F x F x C/groups; F*F*C/groups*K + K parameters.

    Example:
        >>> effect = Conv(5, 10, padding=2).effect(Volume(32, 32, 1))
        >>> str(effect.after), effect.parameters, effect.multiply_adds
        ('32x32x10', 260, 256000)
    """

    size: int
    filters: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True

    FORM: ClassVar[str] = "CONVf-k"
    NUMBERS: ClassVar[str] = r"([0-9]+)-([0-9]+)"
    TAKES: ClassVar[frozenset[str]] = frozenset({"stride", "pad", "dil", "groups", "nobias"})
    EXAMPLE: ClassVar[str] = "INPUT 32x32x3 | CONV3-64 /2"
    ABOUT: ClassVar[str] = "convolution: k filters of f x f, padding d(f-1)/2, stride 1"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word; an even filter must say its padding."""
        options = word.options
        size, filters = whole(word.numbers[0], "rows of the filter"), whole(word.numbers[1], "filters")
        dilation = options.dil or 1
        if options.pad is None and size % 2 == 0:
            half = dilation * (size - 1) // 2
            raise NotationError(
                f"CONV{size} has an even filter, so no padding keeps the size",
                remedy=f"state the padding: CONV{size}-{filters} pad0, or pad{max(1, half)}",
            )
        padding = dilation * (size - 1) // 2 if options.pad is None else options.pad
        return cls(
            size, filters, options.stride or 1, padding, dilation, options.groups or 1, not options.nobias, span=span
        )

    def effect(self, before: Shape) -> Effect:
        """K maps of floor((W - F + 2P)/S) + 1 positions."""
        before = need_volume(self, before)
        check_groups(self, before.channels, self.filters, self.groups)
        window = Window(self.size, self.stride, self.padding, self.dilation)
        height, width = (outputs(n, window) for n in (before.height, before.width))
        if height < 1 or width < 1:
            raise no_room(str(self), before, window)
        weights = self.size**2 * (before.channels // self.groups) * self.filters
        return Effect(
            Volume(height, width, self.filters),
            parameters=weights + self.bias * self.filters,
            multiply_adds=weights * height * width,
            reach=window,
            unread=unread(str(self), before, window),
        )

    def __str__(self) -> str:
        default = None if self.size % 2 == 0 else self.dilation * (self.size - 1) // 2
        return (
            f"CONV{self.size}-{self.filters}"
            + number("/", self.stride, 1)
            + number("pad", self.padding, default)
            + number("dil", self.dilation, 1)
            + number("groups", self.groups, 1)
            + ("" if self.bias else " nobias")
        )


def check_groups(layer: Layer, channels: int, filters: int, groups: int) -> None:
    """Refuse groups that do not divide the channels on both sides."""
    if channels % groups or filters % groups:
        common = gcd(channels, filters)
        fits = [n for n in range(1, min(common, groups) + 1) if common % n == 0]
        raise NotationError(
            f"groups{groups} must divide the {channels} channels that reach {layer} and its {filters} filters",
            remedy=f"use groups{fits[-1]}" if fits[-1] > 1 else "leave groups out",
        )


@dataclass(frozen=True)
class UpConv(Layer):
    """Transposed convolution: each input pixel adds its filter to f x f outputs; output (W - 1)s - 2p + f.

    Example:
        >>> effect = UpConv(2, 8, stride=2).effect(Volume(7, 7, 16))
        >>> str(effect.after), effect.parameters, effect.multiply_adds
        ('14x14x8', 520, 25088)
    """

    size: int
    filters: int
    stride: int
    padding: int = 0
    groups: int = 1
    bias: bool = True

    FORM: ClassVar[str] = "UPCONVf-k"
    NUMBERS: ClassVar[str] = r"([0-9]+)-([0-9]+)"
    TAKES: ClassVar[frozenset[str]] = frozenset({"stride", "pad", "groups", "nobias"})
    EXAMPLE: ClassVar[str] = "INPUT 8x8x16 | UPCONV2-8"
    ABOUT: ClassVar[str] = "transposed convolution: k filters of f x f, stride f, padding 0"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word; the stride is f unless given."""
        options = word.options
        size, filters = whole(word.numbers[0], "rows of the filter"), whole(word.numbers[1], "filters")
        padding = options.pad or 0
        if padding >= size:
            raise NotationError(
                f"UPCONV{size} with pad{padding} cuts off all that the first pixels give",
                expected=f"a padding below {size}",
                got=padding,
                remedy="leave the padding out, or use a larger filter",
            )
        return cls(size, filters, options.stride or size, padding, options.groups or 1, not options.nobias, span=span)

    def effect(self, before: Shape) -> Effect:
        """K maps of (W - 1)s - 2p + f positions."""
        before = need_volume(self, before)
        check_groups(self, before.channels, self.filters, self.groups)
        height, width = ((n - 1) * self.stride - 2 * self.padding + self.size for n in (before.height, before.width))
        if height < 1 or width < 1:
            raise NotationError(
                f"{self} leaves nothing of its {before} input: (W - 1)s - 2p + f is {min(height, width)}",
                remedy="use a smaller padding",
            )
        weights = self.size**2 * before.channels * (self.filters // self.groups)
        holes = f"{self}: the stride is larger than the filter, so some outputs hold nothing but the bias"
        return Effect(
            Volume(height, width, self.filters),
            parameters=weights + self.bias * self.filters,
            multiply_adds=weights * before.height * before.width,
            reach=Spread(self.size, self.stride, self.padding),
            remark=holes if self.stride > self.size else None,
        )

    def __str__(self) -> str:
        return (
            f"UPCONV{self.size}-{self.filters}"
            + number("/", self.stride, self.size)
            + number("pad", self.padding, 0)
            + number("groups", self.groups, 1)
            + ("" if self.bias else " nobias")
        )


@dataclass(frozen=True)
class Pool(Layer):
    """Pooling: the maximum or the mean of each window; no parameters.

    Example:
        >>> str(Pool(2, stride=2).effect(Volume(32, 32, 10)).after)
        '16x16x10'
    """

    size: int
    stride: int
    padding: int = 0
    dilation: int = 1
    average: bool = False
    ceil: bool = False

    FORM: ClassVar[str] = "POOLf"
    NUMBERS: ClassVar[str] = r"([0-9]+)"
    TAKES: ClassVar[frozenset[str]] = frozenset({"stride", "pad", "dil", "avg", "ceil"})
    EXAMPLE: ClassVar[str] = "INPUT 32x32x3 | POOL3 /2 pad1"
    ABOUT: ClassVar[str] = "max pooling over f x f, stride f, padding 0; avg: the mean, padding counted"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word; the stride is f unless given."""
        options = word.options
        size, padding, dilation = whole(word.numbers[0], "rows of the window"), options.pad or 0, options.dil or 1
        if options.avg and dilation > 1:
            raise NotationError("avg pooling has no dilation", remedy="leave dil out, or avg")
        half = size // 2  # torch's rule, dilated or not
        if padding > half:
            raise NotationError(
                f"POOL{size} can be padded by half its window at most",
                expected=f"pad{half} or less",
                got=f"pad{padding}",
            )
        return cls(size, options.stride or size, padding, dilation, options.avg, options.ceil, span=span)

    def effect(self, before: Shape) -> Effect:
        """The same channels, floor((W - F + 2P)/S) + 1 positions (with `ceil` rounded up)."""
        before = need_volume(self, before)
        window = Window(self.size, self.stride, self.padding, self.dilation)
        height, width = (outputs(n, window, ceil=self.ceil) for n in (before.height, before.width))
        if height < 1 or width < 1:
            raise no_room(str(self), before, window)
        if not self.average and any(_only_padding(n, window) for n in (before.height, before.width)):
            raise NotationError(f"{self} has windows that hold only padding", remedy="use a smaller padding")
        return Effect(
            Volume(height, width, before.channels),
            reach=window,
            unread=unread(str(self), before, window, ceil=self.ceil, may_ceil=True),
        )

    def __str__(self) -> str:
        return (
            f"POOL{self.size}"
            + number("/", self.stride, self.size)
            + number("pad", self.padding, 0)
            + number("dil", self.dilation, 1)
            + (" avg" if self.average else "")
            + (" ceil" if self.ceil else "")
        )


def _only_padding(size: int, window: Window) -> bool:
    """Whether some window of a padded, dilated pooling reads no pixel: its taps step over a narrow input."""
    starts = range(-window.padding, min(0, size), window.stride)
    return any(first % window.dilation >= size for first in starts)


@dataclass(frozen=True)
class GlobalPool(Layer):
    """Global average pooling: the mean of each channel, a vector of C.

    Example:
        >>> str(GlobalPool().effect(Volume(7, 7, 512)).after)
        '512'
    """

    FORM: ClassVar[str] = "GAP"
    EXAMPLE: ClassVar[str] = "INPUT 8x8x64 | GAP"
    ABOUT: ClassVar[str] = "global average pooling: a vector of C"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(span=span)

    def effect(self, before: Shape) -> Effect:
        """A vector of the channels."""
        return Effect(Vector(need_volume(self, before).channels), reach=Everything())

    def __str__(self) -> str:
        return "GAP"


@dataclass(frozen=True)
class FullyConnected(Layer):
    """Fully connected layer: flattens what reaches it (channels outermost, as tensors lie); D*K + K parameters.

    Example:
        >>> effect = FullyConnected(10).effect(Volume(8, 8, 10))
        >>> str(effect.after), effect.parameters
        ('10', 6410)
    """

    features: int
    bias: bool = True

    FORM: ClassVar[str] = "FC-k"
    NUMBERS: ClassVar[str] = r"-([0-9]+)"
    TAKES: ClassVar[frozenset[str]] = frozenset({"nobias"})
    EXAMPLE: ClassVar[str] = "INPUT 8x8x10 | FC-10"
    ABOUT: ClassVar[str] = "fully connected layer with k outputs; flattens a volume"

    @classmethod
    def read(cls, word: Word, span: Span) -> Self:
        """Make the layer from its word."""
        return cls(whole(word.numbers[0], "outputs"), not word.options.nobias, span=span)

    def effect(self, before: Shape) -> Effect:
        """A vector of K."""
        weights = before.elements * self.features
        return Effect(
            Vector(self.features),
            parameters=weights + self.bias * self.features,
            multiply_adds=weights,
            reach=Everything(),
        )

    def __str__(self) -> str:
        return f"FC-{self.features}" + ("" if self.bias else " nobias")
