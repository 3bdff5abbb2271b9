"""Examples that cannot be read: an error, or another one in their place, or left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import ChainruleError, DataError
from chainrule.data._at_hand import noted, nothing_at_hand
from chainrule.data.images import Pictures
from chainrule.runtime.rng import branch, uniform

TRIES = 16
"""How often another example is drawn for one that cannot be read."""

Read = Callable[[Int64[Tensor, " b"]], Tensor]
"""Positions within a part -> what stands there, (B, C, H, W); a DataError when one of them cannot be read."""


class SourceLost(DataError):
    """What holds many examples is missing, or is not what it was: no example is bad, and none can be read."""


class Found(NamedTuple):
    """What was read.

    Args:
        values: (B, C, H, W).
        places: Positions of what was read, which need not be those that were asked for.
        key: Keys of these.
        skipped: What could not be read, in words.
    """

    values: Tensor
    places: Int64[Tensor, " b"]
    key: Int64[Tensor, " b"]
    skipped: tuple[str, ...] = ()


class Reading(Protocol):
    """What is done about examples that cannot be read."""

    def __call__(self, read: Read, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"], count: int) -> Found:
        """Read some of the `count` examples of a part."""


def strictly(read: Read, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"], count: int) -> Found:
    """Read all that is asked for; one that cannot be read is an error."""
    return Found(read(index), index, key)


def replacing(read: Read, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"], count: int) -> Found:
    """Put another example of the part in the place of one that cannot be read.

    Which one, is a function of the key alone: floor(count * u) with u of the key and the number of the try, so neither
    processes nor resuming change it. Numbers of examples stay as they are.

    Raises:
        DataError: None of 16 others can be read either.
        SourceLost: The source is gone.
    """
    try:
        return Found(read(index), index, key)
    except DataError as error:
        _raise_loss(error)
    values, places, skipped = [], [], []
    for place, one in zip(index.split(1), key.split(1)):
        for attempt in range(TRIES + 1):
            value, name = _tried(read, place)
            if value is not None:
                break
            skipped.append(name)
            if attempt == TRIES:
                raise DataError(
                    f"{name} cannot be read, nor any of {TRIES} others in its place",
                    remedy="`chainrule data check` lists what cannot be read",
                )
            drawn = uniform(branch(one, "instead"), str(attempt), dtype=torch.float64)
            place = (drawn * count).long().clamp(max=count - 1)
        values.append(value)
        places.append(place)
    return Found(torch.cat([value for value in values if value is not None]), torch.cat(places), key, tuple(skipped))


class LeavingOut:
    """Leave out what cannot be read: for measuring, where nothing may stand for anything else.

    Args:
        share: Of the part: when more of it cannot be read, that is an error.

    Raises:
        DataError: More of the part cannot be read.
        SourceLost: The source is gone.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._bad: set[int] = set()

    def __call__(self, read: Read, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"], count: int) -> Found:
        """Read what can be read."""
        try:
            return Found(read(index), index, key)
        except DataError as error:
            _raise_loss(error)
        values, kept, skipped = [read(index[:0])], [], []
        for number, place in enumerate(index.split(1)):
            value, name = _tried(read, place)
            if value is None:
                skipped.append(name)
                self._bad.add(int(place))
            else:
                values.append(value)
                kept.append(number)
        if len(self._bad) > self.share * count:
            raise too_many(len(self._bad), count, self.share, skipped)
        return Found(torch.cat(values), index[kept], key[kept], tuple(skipped))


class Readable:
    """The pictures of a set that can be read: fewer of them may come than are asked for.

    Args:
        pictures: All of them.
    """

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        return self.pictures.shape

    def read(self, index: Int64[Tensor, " b"]) -> Tensor:
        """Return those pictures that can be read."""
        return LeavingOut(1.0)(self.pictures.read, index, index, len(self.pictures)).values


def too_many(skipped: int, seen: int, share: float, names: list[str]) -> DataError:
    """Return the error of data of which too much cannot be read."""
    some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return DataError(
        f"too many examples cannot be read: {some}",
        expected=f"at most {share:.3g} of them (data.bad_share)",
        got=f"{skipped:,} of {seen:,}",
        remedy="`chainrule data check` lists what cannot be read",
    )


def _tried(read: Read, place: Tensor) -> tuple[Tensor | None, str]:
    """One example, or what it is called when it cannot be read."""
    nothing_at_hand()
    try:
        return read(place), ""
    except DataError as error:
        _raise_loss(error)
        return None, noted() or f"example {int(place)} of the part"
    except (ChainruleError, MemoryError):
        raise
    except Exception:  # a source of one's own can fail in any way
        return None, noted() or f"example {int(place)} of the part"


def _raise_loss(error: DataError) -> None:
    if isinstance(error, SourceLost):
        raise error
