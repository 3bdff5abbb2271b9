"""One check of a contract, and running a list of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chainrule.core.errors import UsageError, unknown
from chainrule.diagnosis._report import CheckResult, ContractReport, Verdict

S = TypeVar("S")


class Evidence:
    """What a check saw.

    Args:
        text: In a few words, with the figures.
        numbers: The figures by name, plain data.
    """

    def __init__(self, text: str, **numbers: Any) -> None:
        self.text, self.numbers = text, numbers


class Violation(Exception):
    """What speaks against it; arguments as `Evidence`."""

    def __init__(self, text: str, **numbers: Any) -> None:
        super().__init__(text)
        self.evidence = Evidence(text, **numbers)


class DoesNotApply(Exception):
    """The question has no meaning here; the argument is the reason."""


@dataclass(frozen=True)
class Check(Generic[S]):
    """One question to a network, data set, loss or metric.

    Args:
        title: What is checked, in a few words.
        means: What it is good for, in one sentence.
        look: What to look for when it fails.
        judge: Returns evidence when all is well; raises `Violation` or `DoesNotApply`. Any other error is a violation.
    """

    title: str
    means: str
    look: str
    judge: Callable[[S], Evidence]

    @property
    def name(self) -> str:
        """In one word, as exceptions name it."""
        return self.judge.__name__


def check(title: str, means: str, look: str) -> Callable[[Callable[[S], Evidence]], Check[S]]:
    """Make a check of the function below.

    Example:
        >>> @check("it is even", "halves are whole", "a one that was added")
        ... def even(number: int) -> Evidence:
        ...     if number % 2:
        ...         raise Violation(f"{number} is odd", rest=1)
        ...     return Evidence("no rest", rest=0)
        >>> [result.verdict for result in judged("number", "3", [even], 3)]
        ['failed']
    """
    return lambda judge: Check(title, means, look, judge)


def judged(
    contract: str,
    name: str,
    checks: Sequence[Check[S]],
    subject: S,
    exceptions: Mapping[int | str, str] | None = None,
) -> ContractReport:
    """Run the checks of a contract in their order.

    Args:
        contract: Its name.
        name: Of what is checked.
        checks: All of them; their places are their numbers.
        subject: What they are given.
        exceptions: Number or name of a check -> the reason why it may fail.

    Raises:
        UsageError: An exception for a check that there is not, or without a reason.
    """
    reasons = _by_number(contract, checks, exceptions or {})
    begun = time.perf_counter()
    results = tuple(_asked(number, each, subject, reasons.get(number)) for number, each in enumerate(checks, 1))
    return ContractReport(contract, name, results, time.perf_counter() - begun)


def _by_number(contract: str, checks: Sequence[Check[S]], exceptions: Mapping[int | str, str]) -> dict[int, str]:
    numbers = {each.name: number for number, each in enumerate(checks, 1)}
    reasons: dict[int, str] = {}
    for key, reason in exceptions.items():
        number = numbers.get(key, 0) if isinstance(key, str) else key
        if not 1 <= number <= len(checks):
            remedy = unknown("check", key, numbers) if isinstance(key, str) else f"they are 1 to {len(checks)}"
            raise UsageError(f"there is no check {key!r} of a {contract} to except", remedy=remedy)
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f"an exception needs a reason: check {key!r}", got=repr(reason))
        reasons[number] = reason.strip()
    return reasons


def _asked(number: int, each: Check[S], subject: S, reason: str | None) -> CheckResult:
    verdict, found = _verdict(each, subject)
    if reason is not None and verdict == "failed":
        verdict = "excepted"
    elif reason is not None:
        # a reason that nothing needs would hide the next real failure
        found = Evidence(f"an exception is declared, but the check says: {verdict} ({found.text})", **found.numbers)
        verdict = "failed"
    return CheckResult(number, each.name, each.title, each.means, each.look, verdict, found.text, found.numbers, reason)


def _verdict(each: Check[S], subject: S) -> tuple[Verdict, Evidence]:
    try:
        return "passed", each.judge(subject)
    except Violation as violation:
        return "failed", violation.evidence
    except DoesNotApply as why:
        return "does not apply", Evidence(str(why))
    except Exception as error:  # what is checked may be anybody's code, and may fail in any way
        return "failed", Evidence(told(error), error=type(error).__name__)


def told(error: BaseException) -> str:
    """An error in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:200]}"
