"""Memory that is not enough, told by what it was needed for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.core.errors import OutOfMemoryError
from chainrule.optim import At
from chainrule.runtime.memory import is_out_of_memory


class StepOutOfMemory(OutOfMemoryError):
    """The machine has not enough memory for a step: more parts need less."""


@contextmanager
def step_memory(at: At, parts: int) -> Iterator[None]:
    """Say what a step could do with less memory, where there is not enough.

    Raises:
        StepOutOfMemory: There was not enough. The state is that of the middle of a step.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise StepOutOfMemory(
            f"there is not enough memory for step {at.step + 1}",
            got=(str(error).splitlines() or [type(error).__name__])[0],
            remedy=f"--train.parts {2 * parts} (the same step in smaller pieces; --train.out_of_memory halve does so "
            "by itself), or a smaller --train.batch",
        ) from None


@contextmanager
def evaluation_memory(at: At, batch: int) -> Iterator[None]:
    """Say what an evaluation could do with less memory, where there is not enough.

    Raises:
        OutOfMemoryError: There was not enough.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"there is not enough memory to evaluate after step {at.step + 1}",
            got=(str(error).splitlines() or [type(error).__name__])[0],
            remedy=f"--train.evaluate_batch {max(1, batch // 2)}",
        ) from None
