"""What came out of a contract: each check with its verdict, its evidence, and what to look for when it failed."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chainrule.core.errors import CheckFailed

Verdict = Literal["passed", "failed", "excepted", "does not apply"]
VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "excepted", "does not apply")
_STYLES = {"passed": "green", "failed": "bold red", "excepted": "yellow", "does not apply": "dim"}


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Args:
        number: Its place in the contract, from 1.
        name: In one word, as exceptions name it.
        title: What is checked.
        means: What it is good for.
        look: What to look for when it fails.
        verdict: "passed", "failed", "excepted" (it failed, and a reason was given) or "does not apply".
        evidence: What was seen, or why the check does not apply.
        numbers: The figures in the evidence.
        reason: Of an exception.
    """

    number: int
    name: str
    title: str
    means: str
    look: str
    verdict: Verdict
    evidence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**self.__dict__, "numbers": dict(self.numbers)}


@dataclass(frozen=True)
class ContractReport:
    """All checks of one contract on one thing, in their order.

    Args:
        contract: "model", "dataset", "loss" or "metric".
        subject: What was checked.
        results: One for each check.
        seconds: How long it took.

    Example:
        >>> from chainrule.diagnosis import check_metric
        >>> report = check_metric("accuracy")
        >>> report.good, len(report), report.counts["failed"]
        (True, 15, 0)
        >>> print(report.summary)
        metric accuracy: 15 checks, 15 passed
    """

    contract: str
    subject: str
    results: tuple[CheckResult, ...]
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def __getitem__(self, check: int | str) -> CheckResult:
        """The result of one check, by its number or name."""
        for result in self.results:
            if check in (result.number, result.name):
                return result
        raise KeyError(check)

    @property
    def good(self) -> bool:
        """Whether no check failed; exceptions with a reason are no failures."""
        return not self.failed

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(result for result in self.results if result.verdict == "failed")

    @property
    def counts(self) -> dict[Verdict, int]:
        """Verdict -> how many checks."""
        return {verdict: sum(result.verdict == verdict for result in self.results) for verdict in VERDICTS}

    @property
    def summary(self) -> str:
        """One line: what was checked, and how many checks came to which verdict."""
        told = [f"{count} {verdict}" for verdict, count in self.counts.items() if count]
        return f"{self.contract} {self.subject}: {len(self)} checks, " + ", ".join(told)

    def require(self) -> ContractReport:
        """Return the report itself when nothing failed.

        Raises:
            CheckFailed: A check failed; names the first, and how many more there are.
        """
        if self.good:
            return self
        first, more = self.failed[0], len(self.failed) - 1
        raise CheckFailed(
            f"{self.contract} {self.subject} fails check {first.number} ({first.title})"
            + (f" and {more} more" if more else ""),
            got=first.evidence,
            remedy=first.look,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON (`chainrule.core.plain.to_json` writes it)."""
        return {
            "contract": self.contract,
            "subject": self.subject,
            "good": self.good,
            "counts": dict(self.counts),
            "seconds": round(self.seconds, 3),
            "checks": [result.to_json() for result in self.results],
        }

    def __str__(self) -> str:
        lines = [self.summary]
        for result in self.results:
            lines.append(f"{result.number:>3}  {result.verdict:<14}  {result.title}: {_told(result)}")
            if result.verdict == "failed":
                lines.append(f"{'':>21}look for: {result.look}")
        return "\n".join(lines)

    def __rich__(self) -> Any:
        """A table for the terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table("", "check", "verdict", "evidence", title=self.summary, title_justify="left", box=None)
        for result in self.results:
            told = _told(result) + (f"\nlook for: {result.look}" if result.verdict == "failed" else "")
            verdict = Text(result.verdict, style=_STYLES[result.verdict])
            table.add_row(str(result.number), Text(result.title), verdict, Text(told))
        return table

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:left'>{html.escape(text)}</td>"
                for text in (str(result.number), result.title, result.verdict, _told(result))
            )
            + "</tr>"
            for result in self.results
        )
        return f"<p>{html.escape(self.summary)}</p><table>{rows}</table>"


def _told(result: CheckResult) -> str:
    return f"{result.evidence} [excepted: {result.reason}]" if result.reason is not None else result.evidence
