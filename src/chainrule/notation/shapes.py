"""What flows between layers: a volume of height x width x channels, or a vector of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.core.errors import NotationError


@dataclass(frozen=True)
class Volume:
    """An activation volume of one example, written HxWxC as the lectures write it.

    Example:
        >>> v = Volume(32, 24, 3)
        >>> str(v), v.elements, v.sizes, v.torch_shape
        ('32x24x3', 2304, (32, 24, 3), (3, 32, 24))
    """

    height: int
    width: int
    channels: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return self.height * self.width * self.channels

    @property
    def sizes(self) -> tuple[int, ...]:
        """(H, W, C), the order of the notation."""
        return (self.height, self.width, self.channels)

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """(C, H, W), the order of the tensors."""
        return (self.channels, self.height, self.width)


@dataclass(frozen=True)
class Vector:
    """The features of one example, without rows and columns.

    Example:
        >>> v = Vector(784)
        >>> str(v), v.elements, v.sizes, v.torch_shape
        ('784', 784, (784,), (784,))
    """

    features: int

    def __str__(self) -> str:
        return str(self.features)

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return self.features

    @property
    def sizes(self) -> tuple[int, ...]:
        """(D,), the order of the notation."""
        return (self.features,)

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """(D,), the order of the tensors."""
        return (self.features,)


Shape: TypeAlias = Volume | Vector


def channels_of(shape: Shape) -> int:
    """Channels of a volume, features of a vector: the axis that norms and maxout work along.

    Example:
        >>> channels_of(Volume(8, 8, 16)), channels_of(Vector(10))
        (16, 10)
    """
    return shape.channels if isinstance(shape, Volume) else shape.features


def from_torch_shape(shape: Sequence[int]) -> Shape:
    """The shape of one example as a tensor has it: (C, H, W) for images, (D,) for vectors.

    Raises:
        NotationError: It has neither one nor three sizes, or one of them is below 1.

    Example:
        >>> from_torch_shape((3, 32, 32)), from_torch_shape([784])
        (Volume(height=32, width=32, channels=3), Vector(features=784))
    """
    sizes = [int(size) for size in shape]
    if len(sizes) not in (1, 3) or min(sizes) < 1:
        raise NotationError(
            "this is no shape of one example",
            expected="(C, H, W) or (D,), each at least 1",
            got=tuple(sizes),
            remedy="leave the batch size out",
        )
    return Vector(sizes[0]) if len(sizes) == 1 else Volume(sizes[1], sizes[2], sizes[0])
