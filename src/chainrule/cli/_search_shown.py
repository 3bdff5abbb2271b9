"""What a search says while it runs, and at its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.cli._console import console
from chainrule.cli.answer import Answer


def teller(*, quiet: bool) -> Callable[[str, Mapping[str, Any] | None], None]:
    """Return what prints a line for each trial that ended, and for what else happens; on stderr."""

    def tell(words: str, row: Mapping[str, Any] | None) -> None:
        if not quiet:
            console(stderr=True).print(words if row is None else _line(row), markup=False, highlight=False)

    return tell


def _line(row: Mapping[str, Any]) -> str:
    reached = f"{row['value']:.4f}" if row.get("value") is not None else row["state"]
    return f"{row['name']}  {reached:<9} {_settings(row)}" + (f"  ({row['why']})" if row.get("why") else "")


def _settings(row: Mapping[str, Any]) -> str:
    if row.get("recipe"):
        return "the recipe as it is"
    return "  ".join(f"{name} {value_text(value)}" for name, value in (row.get("settings") or {}).items())


def value_text(value: Any) -> str:
    """A setting's value as the command line takes it, numbers in four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def search_answer(found: Mapping[str, Any], *, short: bool = False) -> Answer:
    """Say what a search found: the checks, the best trials, the recipe and how to train it."""
    from rich.console import Group
    from rich.table import Column, Table
    from rich.text import Text

    from chainrule.tuning import check_words

    shown: list[Any] = []
    best, own, rows = found.get("best"), found.get("as_it_is"), found["trials"]
    if best is None:  # else they were told as they ended
        shown += [Text(check_words(name, facts)) for name, facts in found["stages"].items()]
    if best is not None:
        stage = best["stage"]
        done = [row for row in rows if row["stage"] == stage and row["value"] is not None]
        done.sort(key=lambda row: row["value"], reverse=found["higher"])
        axes = list(found["space"])
        table = Table(
            "trial", Column(f"valid {found['metric']}", justify="right"),
            *(Column(name, justify="right") for name in axes), box=None,
        )  # fmt: skip
        for row in done[:8]:
            values = [value_text(row["settings"][name]) if name in row["settings"] else "its own" for name in axes]
            table.add_row(row["name"], f"{row['value']:.4f}", *values)
        ended = sum(row["state"] in ("pruned", "diverged") for row in rows)
        head = f"{len(rows)} trainings, {ended} of them ended early; {stage} trainings, the best first:"
        shown += [*([Text(head)] if not short else []), table]
        if own is not None and not short:
            shown.append(Text(_against(found, best, own)))
        shown += [Text(f"recipe  {found['recipe']}"), Text(f"train   {found['command']}")]
    shown.append(Text(f"report  {Path(found['folder']) / 'report.html'}"))
    return Answer(dict(found), Group(*shown))


def _against(found: Mapping[str, Any], best: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    from chainrule.draw.sections.search import chance_text

    if best["recipe"]:
        return "Nothing was better than the recipe as it is." + chance_text(found)
    if own["value"] is None:
        return f"The recipe as it is did not end well ({own['state']})."
    return f"The recipe as it is reached {own['value']:.4f}, the best settings {best['value']:.4f}." + chance_text(
        found
    )
