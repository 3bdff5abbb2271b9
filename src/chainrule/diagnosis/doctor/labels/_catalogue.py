"""The catalogue as a section of a page."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.diagnosis.doctor.labels import data, ending, learning, network, objective
from chainrule.diagnosis.doctor.labels._label import Label
from chainrule.diagnosis.doctor.labels.options import OPTIONS

BEGIN, END = "<!-- catalogue: begin -->", "<!-- catalogue: end -->"
GROUPS: dict[str, Mapping[str, Label]] = {
    "Data": data.LABELS,
    "Loss, outputs and metrics": objective.LABELS,
    "Optimizer, rate and loop": learning.LABELS,
    "Network": network.LABELS,
    "End": ending.LABELS,
}


def catalogue() -> str:
    """Return the catalogue in Markdown, between its marks: a table for each group.

    Example:
        >>> catalogue().splitlines()[0]
        '<!-- catalogue: begin -->'
    """
    lines = [BEGIN, ""]
    for title, labels in GROUPS.items():
        lines += [f"### {title}", "", "| label | what is wrong | how it is told | settings, source |"]
        lines += ["| --- | --- | --- | --- |"]
        lines += [_row(name, labels[name]) for name in sorted(labels)]
        lines += [""]
    return "\n".join([*lines, END])


def renewed(page: str) -> str:
    """Return a page with its catalogue made anew.

    Raises:
        ValueError: It has no place for one.

    Example:
        >>> "softmax" in renewed(f"# Doctor\\n{BEGIN}\\nold\\n{END}\\n"), "dusty" in renewed(f"{BEGIN} dusty {END}")
        (True, False)
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    before, _, rest = page.partition(BEGIN)
    return before + catalogue() + rest.partition(END)[2]


def _row(name: str, label: Label) -> str:
    settings = [f"`{path}`" for path in OPTIONS.get(name, ())]
    cells = [f"`{name}`", label.means, label.told, ", ".join([*settings, *([label.source] if label.source else [])])]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
