"""What several seeds of one recipe reached together."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from chainrule.core.errors import DataError
from chainrule.core.figures import main_figure
from chainrule.core.spread import spread
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part
from chainrule.draw.sections.history import SHARES
from chainrule.draw.sections.settings import settings
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import listing, mapping, plain_text, real, whole

_PARTS: Final = {"test": "test", "valid": "validation"}
_ROWS: Final = {"mean": "mean", "deviation": "deviation", "minimum": "lowest", "maximum": "highest"}
_PLACES: Final = ("step", "epoch", "part")


def spread_part(facts: Facts, runs: Sequence[Facts]) -> Part | Absent:
    """Return mean, deviation, smallest and largest of each metric over the seeds, or over those that are trained."""
    trained = sum(run.status == "finished" for run in runs)
    wanted = whole(facts.run.get("count")) or len(runs)
    unfinished = f"{trained:,} of {wanted:,} seeds are trained"
    if not (result := _result(facts, runs)):
        return Absent("Spread", f"{unfinished}; `chainrule resume FOLDER` goes on")
    lead = f"Over all seeds. {_split_words(facts)} Deviation: of one run."
    if not facts.run.get("result"):
        lead = f"So far {unfinished}; chainrule resume goes on. Deviation: of one run."
    return Part("spread", "Spread", table_html(spread_table(result)), lead)


def _split_words(facts: Facts) -> str:
    """Whether the seeds stand for splits too: not where the recipe names one."""
    if settings(facts).get("data.split_seed", "").isdigit():
        return "All have the same split."
    return "Where the data have no official test part each draws its own split."


def spread_table(result: Mapping[str, Any]) -> Table:
    """Return the spread over the seeds as a table.

    Args:
        result: Part -> metric -> "mean", "deviation", "minimum", "maximum" and the "values" of the seeds.

    Raises:
        DataError: There is no metric.

    Example:
        >>> spread = {"mean": 0.9, "deviation": 0.1, "minimum": 0.8, "maximum": 1.0, "values": [0.8, 1.0]}
        >>> table = spread_table({"valid": {"accuracy": spread}})
        >>> [column.title for column in table.columns], table.rows[0]
        (['of 2 seeds', 'validation accuracy'], ['mean', 0.9])
    """
    found = {
        f"{word} {metric}": mapping(spread)
        for part, word in _PARTS.items()
        for metric, spread in mapping(result.get(part)).items()
    }
    if not found:
        raise DataError("the seeds have no metric", expected="a result in run.json")
    count = max(len(listing(spread.get("values"))) for spread in found.values())
    columns = [Column(name, "percent" if name.split()[-1] in SHARES else "number") for name in found]
    rows = [[word, *(real(spread.get(name)) for spread in found.values())] for name, word in _ROWS.items()]
    return Table("Spread", [Column(f"of {count:,} seeds"), *columns], rows)


def seed_labels(runs: Sequence[Facts]) -> list[str]:
    """Return what the repeated runs are called beside each other.

    Example:
        >>> from pathlib import Path
        >>> seed_labels([Facts(Path("all/seed-3")), Facts(Path("all/other"))])
        ['seed 3', 'other']
    """
    return [
        f"seed {match[1]}" if (match := re.fullmatch(r"seed-(\d+)", run.folder.name)) else run.folder.name
        for run in runs
    ]


def as_one_run(facts: Facts, runs: Sequence[Facts]) -> Facts:
    """Return repeated runs as one that can stand beside others: the means of their results and of their curves.

    Args:
        facts: The folder of all.
        runs: The seeds.
    """
    means: dict[str, Any] = {
        part: {metric: real(mapping(spread).get("mean")) for metric, spread in metrics.items()}
        | {"deviation": _deviation(metrics)}
        for part, given in _result(facts, runs).items()
        if (metrics := mapping(given))
    }
    seconds = [real(mapping(run.run.get("result")).get("seconds")) for run in runs]
    if seconds and None not in seconds:
        means["seconds"] = statistics.fmean(number for number in seconds if number is not None)
    steps = {whole(mapping(run.run.get("result")).get("steps")) for run in runs}
    if len(steps) == 1:
        means["steps"] = steps.pop()
    count = whole(facts.run.get("count")) or len(runs)
    network = runs[0].network if runs else None
    return replace(facts, run={**facts.run, "result": means, "seeds": count}, metrics=mean_lines(runs), network=network)


def _deviation(metrics: Mapping[str, Any]) -> float | None:
    """Of the figure by which the runs are judged."""
    figure = main_figure(metrics)
    return None if figure is None else real(mapping(metrics[figure.metric]).get("deviation"))


def mean_lines(runs: Sequence[Facts]) -> list[dict[str, Any]]:
    """Return the lines of metrics that all runs have (same step, same part), with the mean of each number.

    Example:
        >>> from pathlib import Path
        >>> one, two = ([{"step": 1, "part": "valid", "loss": loss}] for loss in (1.0, 2.0))
        >>> mean_lines([Facts(Path("a"), metrics=one), Facts(Path("b"), metrics=two)])
        [{'step': 1, 'part': 'valid', 'loss': 1.5}]
    """
    tables = [
        {(real(line.get("step")), plain_text(line.get("part"))): line for line in map(mapping, run.metrics)}
        for run in runs
    ]
    found = []
    for place, line in tables[0].items() if tables else ():
        others = [table[place] for table in tables if place in table]
        if place[0] is None or len(others) < len(tables):
            continue
        mean = {}
        for name in line:
            values = [real(other.get(name)) for other in others]
            if name not in _PLACES and None not in values:
                mean[name] = statistics.fmean(value for value in values if value is not None)
        found.append({name: line[name] for name in _PLACES if name in line} | mean)
    return found


def _result(facts: Facts, runs: Sequence[Facts]) -> Mapping[str, Any]:
    """The spread as it was written down at the end or, before that, of the runs that are trained."""
    if written := mapping(facts.run.get("result")):
        return {part: written[part] for part in _PARTS if mapping(written.get(part))}
    results = [mapping(run.run.get("result")) for run in runs if run.status == "finished"]
    found = {}
    for part in _PARTS:
        measured = [mapping(result.get(part)) for result in results]
        numbers = [{name: number for name in one if (number := real(one[name])) is not None} for one in measured]
        if common := spread(numbers):
            found[part] = common
    return found
