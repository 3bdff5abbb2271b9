"""What the doctor says: findings in order of likelihood, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Level = Literal["fault", "warning", "note"]
"""A fault keeps the training from doing what it should; a warning may; a note is worth knowing and no reason to act."""
LEVELS: tuple[Level, ...] = ("fault", "warning", "note")
EXPLAINED = 0.5
"""How sure a finding must be to explain another one away."""


@dataclass(frozen=True)
class Fact:
    """One piece of evidence: what was looked at, and what it said."""

    what: str
    value: str


@dataclass(frozen=True)
class Plot:
    """A small plot: named lines of (x, y) over one axis each."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Tried:
    """What was changed for a few steps, and what came of it."""

    change: str
    before: str
    after: str
    helped: bool


@dataclass(frozen=True)
class Finding:
    """One answer to "why does it not learn?".

    Args:
        label: Its stable name.
        title: What is wrong, in one sentence.
        level: How bad it is.
        sure: How likely it is what is wrong, from 0 to 1.
        evidence: What was measured.
        change: What to change, in the words of the code or recipe.
        where: `FILE.py:LINE`, the name of a layer, or an option of the recipe.
        tried: What happened when that change was tried.
        explains: Labels of findings that follow from this one.
        plot: What is better seen.
        code: The line of code at `where`.
    """

    label: str
    title: str
    level: Level
    sure: float
    evidence: tuple[Fact, ...] = ()
    change: str = ""
    where: str = ""
    tried: Tried | None = None
    explains: tuple[str, ...] = ()
    plot: Plot | None = None
    code: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings on one training.

    Args:
        subject: What was looked at.
        findings: The likeliest first.
        seen: What the training was: steps, losses, parameters.
        asked: Labels that were looked for.
        skipped: Labels that were not looked for, and why.
        broken: Checks that failed themselves, with their errors.
        seconds: How long it took.
    """

    subject: str
    findings: tuple[Finding, ...]
    seen: Mapping[str, Any] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether nothing is above a note."""
        return all(finding.level == "note" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "healthy": self.healthy}

    def __str__(self) -> str:
        """As it shows itself in a terminal, without colors."""
        from chainrule.diagnosis.doctor._shown import diagnosis_text

        return diagnosis_text(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The same in a terminal with colors."""
        from chainrule.diagnosis.doctor._shown import Shown

        yield Shown(self)

    def _repr_html_(self) -> str:
        """As it shows itself in a notebook."""
        from chainrule.diagnosis.doctor._page import diagnosis_notebook

        return diagnosis_notebook(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Diagnosis:
        """The same from plain data."""
        kept = {name: plain[name] for name in cls.__dataclass_fields__}
        findings = tuple(_finding(each) for each in plain["findings"])
        return cls(**{**kept, "findings": findings, "asked": tuple(plain["asked"])})


def _finding(plain: Mapping[str, Any]) -> Finding:
    lines = (
        {}
        if not plain["plot"]
        else {k: [(float(x), float(y)) for x, y in v] for k, v in plain["plot"]["lines"].items()}
    )
    return Finding(
        **{
            **plain,
            "evidence": tuple(Fact(**fact) for fact in plain["evidence"]),
            "explains": tuple(plain["explains"]),
            "tried": Tried(**plain["tried"]) if plain["tried"] else None,
            "plot": Plot(**{**plain["plot"], "lines": lines}) if plain["plot"] else None,
        }
    )


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, the likeliest first: by level, then by how sure; what another one explains is a note.

    Of several with one label the surest stays.

    Example:
        >>> cause = Finding("rate-too-high", "the rate is too high", "fault", 0.9, explains=("loss-diverges",))
        >>> symptom = Finding("loss-diverges", "the loss grows", "fault", 0.99)
        >>> [(finding.label, finding.level) for finding in ordered([symptom, cause])]
        [('rate-too-high', 'fault'), ('loss-diverges', 'note')]
    """
    best: dict[str, Finding] = {}
    for finding in findings:
        if finding.label not in best or _rank(finding) < _rank(best[finding.label]):
            best[finding.label] = finding
    explained = {
        label: cause.label
        for cause in best.values()
        if cause.sure >= EXPLAINED and cause.level != "note"
        for label in cause.explains
        if label in best and cause.label not in best[label].explains
    }
    mild = [replace(each, level="note") if label in explained else each for label, each in best.items()]
    return tuple(sorted(mild, key=_rank))


def _rank(finding: Finding) -> tuple[int, float]:
    return LEVELS.index(finding.level), -finding.sure
