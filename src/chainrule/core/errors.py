"""Every error a user can meet: what is wrong, what was expected, what was found, and what to do.

Each class carries the exit status that the command line returns for it (`docs/command-line.md`). Anything else that
reaches the edge of the program is a bug of ours and ends with status 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ChainruleError(Exception):
    """A mistake or a failure that has an explanation.

    Args:
        what: What is wrong and where, in one sentence without a full stop at the end.
        expected: What would have been right.
        got: What was found instead.
        remedy: What the reader can do now.

    Example:
        >>> str(DataError("labels.idx is cut short", expected="10008 bytes", got="9000 bytes", remedy="fetch it again"))
        'labels.idx is cut short: expected 10008 bytes, got 9000 bytes. Remedy: fetch it again.'
    """

    exit_status = 1
    told = False
    """Whether another process says it."""

    def __init__(self, what: str, *, expected: object = None, got: object = None, remedy: str | None = None) -> None:
        self.what, self.expected, self.got, self.remedy = what, expected, got, remedy
        super().__init__(what)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders (data workers, guarded children) whole.
        return _rebuild, (type(self), self.what, self.expected, self.got, self.remedy)

    def __str__(self) -> str:
        facts = [
            f"{word} {value}" for word, value in (("expected", self.expected), ("got", self.got)) if value is not None
        ]
        text = self.what + (": " + ", ".join(facts) if facts else "")
        return f"{text}. Remedy: {self.remedy.rstrip('.')}." if self.remedy else text


def _rebuild(
    kind: type[ChainruleError], what: str, expected: object, got: object, remedy: str | None
) -> ChainruleError:
    return kind(what, expected=expected, got=got, remedy=remedy)


class UsageError(ChainruleError):
    """The command line or a function was called wrongly."""

    exit_status = 2


class RecipeError(UsageError):
    """A recipe, or a setting laid over one, is not valid."""


class NotationError(UsageError):
    """A layer specification cannot be read or does not fit together."""


class DataError(ChainruleError):
    """Data are missing, damaged, or not what they claim to be."""

    exit_status = 3


class CheckpointError(ChainruleError):
    """A run folder, checkpoint or weights file is missing, damaged, or of another kind."""

    exit_status = 4


class CheckpointCorrupt(CheckpointError):
    """Bytes of a checkpoint are not the bytes that were written."""


class WeightsError(CheckpointError):
    """A weights file cannot be read safely, or does not fit the network."""


class StorageError(ChainruleError):
    """The disk is full, or a path cannot be read or written."""

    exit_status = 5


class NonFiniteError(ChainruleError):
    """A loss or a gradient became NaN or infinite."""

    exit_status = 6


class OutOfMemoryError(ChainruleError):
    """The machine has not enough memory for this step."""

    exit_status = 7


class DistributedError(ChainruleError):
    """A process of several that share a training is gone, stuck, or not like the others."""

    exit_status = 8


class CheckFailed(ChainruleError):
    """A check ran to its end and the answer is no."""

    exit_status = 9


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option that `name` was most likely meant to be, or None.

    Example:
        >>> nearest("digit-cnn", ["digits-cnn", "fashion-mlp"])
        'digits-cnn'
    """
    found = difflib.get_close_matches(name.lower(), list(options), n=1, cutoff=0.55)
    return found[0] if found else None


def unknown(kind: str, name: str, options: Iterable[str]) -> str:
    """Return the remedy for a name that is not in a list: the nearest one, or the whole list when it is short.

    Example:
        >>> unknown("model", "lennet", ["lenet", "vgg11"])
        'did you mean "lenet"? The models are: lenet, vgg11'
    """
    options = sorted(options)
    guess = nearest(name, options)
    start = f'did you mean "{guess}"? ' if guess else ""
    plural = f"{kind}es" if kind.endswith("ss") else kind if kind.endswith("s") else f"{kind}s"
    listed = ", ".join(options[:24]) + (", ..." if len(options) > 24 else "")
    return f"{start}The {plural} are: {listed}" if options else f"there are no {plural}"
