"""A diagnosis in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from chainrule.core.paths import visible
from chainrule.diagnosis.doctor._words import FULL, left_out, seen_text, sure_text, tried_text, verdict
from chainrule.diagnosis.doctor.findings import Diagnosis, Finding

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult

Line = tuple[int, Text, Text]
"""How far a line is indented, what stands in that space at first, and the line."""

WIDTH = 80
_STYLES = {"fault": "bold red", "warning": "bold yellow", "note": "dim"}


@dataclass(frozen=True)
class Shown:
    """A diagnosis for rich: the verdict, the findings in order, notes in a line each, what was watched.

    Args:
        diagnosis: What to show.
        short: Without what was watched and left out.
    """

    diagnosis: Diagnosis
    short: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Line for line."""
        for indent, head, text in self._lines():
            for number, line in enumerate(text.wrap(console, max(options.max_width - indent, 20)) or [Text()]):
                start = head if number == 0 else Text()
                line.rstrip()
                yield Text.assemble(start, " " * max(indent - start.cell_len, 0) if line.plain else "", line)

    def _lines(self) -> Iterator[Line]:
        serious = [each for each in self.diagnosis.findings if each.level != "note"]
        notes = [each for each in self.diagnosis.findings if each.level == "note"]
        yield _line(verdict(self.diagnosis), style="bold")
        for number, finding in enumerate(serious[:FULL], 1):
            yield _line("")
            yield from _in_full(number, finding)
        yield from _titles("More", serious[FULL:], FULL + 1)
        yield from _titles("Notes", notes, None)
        if not self.short:
            yield _line("")
            for line in (seen_text(self.diagnosis), *left_out(self.diagnosis)):
                yield _line(line, style="dim")


def diagnosis_text(diagnosis: Diagnosis, width: int = WIDTH) -> str:
    """The same as plain text, without colors.

    Example:
        >>> print(diagnosis_text(Diagnosis("train.py", (Finding("few-steps", "Few steps", "note", 0.5),))))
        train.py: nothing is wrong with this training as far as can be seen.
        <BLANKLINE>
        Notes
          - Few steps [few-steps]
        <BLANKLINE>
        Watched: – steps in –. 0 causes looked for in 0 s.
    """
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, highlight=False, markup=False, emoji=False)
    console.print(Shown(diagnosis))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _line(text: str, *, head: str = "", indent: int = 0, style: str = "", head_style: str = "") -> Line:
    return indent, Text(head, style=head_style), Text(visible(text).replace("\n", " "), style=style)


def _in_full(number: int, finding: Finding) -> Iterator[Line]:
    style = _STYLES[finding.level]
    yield _line(finding.title, head=f"{number}.", indent=3, style=style, head_style=style)
    yield _line(f"{sure_text(finding)} [{finding.label}]", indent=3, style="dim")
    for name, value, kind in _rows(finding):
        yield _line(value, head=f"   {name}", indent=11, style=kind, head_style="dim")


def _rows(finding: Finding) -> list[tuple[str, str, str]]:
    rows = [("where", finding.where, "cyan")] if finding.where else []
    rows += [("" if finding.where else "code", finding.code, "")] if finding.code else []
    evidence = [f"{fact.what}: {fact.value}" for fact in finding.evidence]
    rows += [("seen" if i == 0 else "", line, "") for i, line in enumerate(evidence)]
    rows += [("change", finding.change, "green")] if finding.change else []
    rows += [("tried", tried_text(finding.tried), "")] if finding.tried else []
    return rows


def _titles(name: str, findings: list[Finding], first: int | None) -> Iterator[Line]:
    """One line each."""
    if not findings:
        return
    yield _line("")
    yield _line(name, style="bold")
    for number, finding in enumerate(findings):
        mark = "-" if first is None else f"{first + number}."
        where = f" ({finding.where})" if finding.where else ""
        yield _line(f"{finding.title}{where} [{finding.label}]", head=f"  {mark}", indent=3 + len(mark))
