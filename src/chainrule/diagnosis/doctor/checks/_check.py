"""What a check is: a question to a training, answered by looking or by an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.findings import Finding

Look = Callable[[Case], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """One question.

    Args:
        labels: The findings that it can give.
        look: Gives those that it has.
        experiment: Whether it trains or runs networks, and so is asked last and left out when time is over.
    """

    labels: tuple[str, ...]
    look: Look
    experiment: bool

    @property
    def name(self) -> str:
        """In one word."""
        return self.look.__name__


def check(*labels: str, experiment: bool = False) -> Callable[[Look], Check]:
    """Make a check of the function below.

    Example:
        >>> @check("few-steps")
        ... def steps(case):
        ...     return ()
        >>> steps.labels
        ('few-steps',)
    """
    return lambda look: Check(labels, look, experiment)
