"""What a search found: the answer, the checks before it, the trials, and what each setting does."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from chainrule.core.figures import FIGURES
from chainrule.draw.chart import Chart, Line, Mark, chart_html
from chainrule.draw.curve import Curve
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.origin import colored
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.trials import Dimension, Point, parallel_html, response_html
from chainrule.draw.wording import listing, mapping, number_text, plain_text, real, share_text, whole

MOST: Final = 400
"""Trials that are drawn and listed, the best ones."""
_STATES: Final = {"finished": "", "pruned": "ended early", "diverged": "diverged", "failed": "failed"}


def answer_part(facts: Facts) -> Part | Absent:
    """Return the best settings, what they reached beside the recipe as it is, and the recipe to copy."""
    found = facts.search
    best, own = mapping(found.get("best")), mapping(found.get("as_it_is"))
    if not best:
        only = bool(found) and not listing(found.get("trials")) and facts.status == "finished"
        return Absent("Answer", "only checks were asked for" if only else "no training has come to its end yet")
    column = Column(f"validation {_metric(found)}", _kind(found), best="high" if found.get("higher") else "low")
    names = list(mapping(found.get("space")))
    rows = [["the best", real(best.get("value")), *_values(names, best, found)]]
    if own and not best.get("recipe"):
        rows.append(["the recipe as it is", real(own.get("value")), *_values(names, own, found)])
    body = table_html(Table("Answer", [Column("settings"), column, *map(Column, names)], rows))
    if command := plain_text(found.get("command"), limit=1000):
        body += render("code.html", text=command, label="Command", highlighted=None)
    if text := plain_text(found.get("text"), limit=20_000):
        body += render("code.html", text=text, label="Recipe", highlighted=colored(text))
    same = "Nothing was better than the recipe as it is. " if best.get("recipe") else ""
    return Part("answer", "Answer", body, same + chance_text(found).strip(), ("B12",))


def chance_text(found: Mapping[str, Any]) -> str:
    """Return what chance does to the comparison, with a blank before it.

    Example:
        >>> best = {"value": 0.9}
        >>> chance_text({"best": best, "metric": "accuracy", "valid": 100})[:63]
        ' On 100 validation examples an accuracy has a standard error of'
    """
    count, value = whole(found.get("valid")), real(mapping(found.get("best")).get("value"))
    flattered = "The best of many is flattered by the choice: the test part tells what it is worth."
    if count and value is not None and found.get("metric") == "accuracy" and 0 <= value <= 1:
        error = math.sqrt(value * (1 - value) / count)
        chance = f"On {count:,} validation examples an accuracy has a standard error of {100 * error:.2f} points."
        return f" {chance} {flattered}"
    return f" {flattered}"


def start_part(facts: Facts) -> Part | Absent | None:
    """Return the checks before anything is searched: the loss at the start, a few examples by heart."""
    stages = mapping(facts.search.get("stages"))
    initial, sample = mapping(stages.get("initial")), mapping(stages.get("overfit"))
    if not initial and not sample:
        return None
    pairs: list[tuple[str, str]] = []
    if real(initial.get("loss")) is not None:
        pairs.append(("loss before the first step", number_text(initial["loss"])))
        if real(initial.get("expected")) is not None:
            pairs.append(("loss of equal scores", number_text(initial["expected"])))
        pairs.append(("initial loss", _passed(initial)))
    charts = []
    if losses := [value for loss in listing(sample.get("losses")) if (value := real(loss)) is not None]:
        steps = whole(sample.get("steps"))
        count = whole(sample.get("examples")) or 0
        told = f"after {steps:,} steps" if steps else f"not after {len(losses):,} steps"
        pairs.append((f"{count:,} examples by heart", told))
        curve = Curve("loss", "", np.arange(1.0, len(losses) + 1), np.array(losses))
        title = f"loss on the same {count:,} examples, at rate {number_text(sample.get('rate'))}"
        charts.append(chart_html(Chart("overfit", title, [Line("loss", curve)])))
    skipped = plain_text(initial.get("skipped") or sample.get("skipped"))
    pairs += [("skipped", skipped)] if skipped else []
    body = render("facts.html", pairs=pairs)
    body += render("charts.html", charts=charts, more=None, more_title="") if charts else Markup()
    lead = "A network that knows nothing begins at the loss of guessing, and one that can learn at all knows a few "
    return Part("start", "Before the search", body, lead + "examples by heart soon.", ("A5", "B12"))


def _passed(check: Mapping[str, Any]) -> str:
    return "as it should be" if check.get("passed") else "not as it should be: see chainrule doctor"


def rate_part(facts: Facts) -> Part | Absent | None:
    """Return the range test: the loss while the rate rises, and where it falls fastest."""
    test = mapping(mapping(facts.search.get("stages")).get("range"))
    if not test or test.get("skipped"):
        return None
    rates = np.array([real(rate) or math.nan for rate in listing(test.get("rates"))])
    raw = np.array([math.nan if (loss := real(one)) is None else loss for one in listing(test.get("losses"))])
    smooth = np.array([math.nan if (loss := real(one)) is None else loss for one in listing(test.get("smoothed"))])
    if not rates.size or rates.size != raw.size or rates.size != smooth.size:
        return Absent("Rate", "the range test has no curve")
    first = float(np.nanmean(raw[:5]))
    places, few = np.log10(rates), slice(None, None, -(-rates.size // 79))  # charts smooth longer lines by themselves
    lines = [
        Line("smoothed", Curve("smoothed", "", places, np.minimum(smooth, 2 * first)), 0),
        Line("loss of a step", Curve("loss", "", places[few], np.minimum(raw, 2 * first)[few]), 1, dashed=True),
    ]
    names = {
        "begins": "begins to fall",
        "steepest": "falls fastest",
        "suggestion": "a rate to begin with",
        "diverges": "fall is lost",
    }
    known = {name: value for name in names if (value := real(test.get(name))) is not None}
    marks = [Mark(math.log10(value), f"{names[name]}: {number_text(value)}") for name, value in known.items()]
    chart = chart_html(Chart("range", "loss while the rate rises", lines, x_label="log10 of the rate", marks=marks,
                             log=False))  # fmt: skip
    pairs = [(names[name], number_text(value)) for name, value in known.items()]
    pairs += [("the recipe's own rate", number_text(test["own"]))] if real(test.get("own")) is not None else []
    body = render("charts.html", charts=[chart], more=None, more_title="") + render("facts.html", pairs=pairs)
    lead = "The rate rises from step to step. Dotted lines: where the loss begins to fall, where it falls "
    lead += "fastest, a rate to begin with, where the fall is lost."
    if not known:
        lead = "The rate rises from step to step, and the loss does not fall at any of them."
    space, searched = (mapping(mapping(facts.search.get(name)).get("optim.lr")) for name in ("space", "searched"))
    if space and searched and space != searched:
        low, high = (number_text(searched.get(end)) for end in ("low", "high"))
        lead += f" The coarse stage draws rates from {low} to {high}."
    return Part("rate", "Rate", body, lead, ("B12",))


def parallel_part(facts: Facts) -> Part | Absent | None:
    """Return all trials as lines across the settings, to what they reached."""
    rows, dimensions = _rows(facts), _dimensions(facts)
    if len(rows) < 2 or not dimensions:
        return None
    body = parallel_html(dimensions, _points(facts, rows), title=f"validation {_metric(facts.search)}",
                         share=_kind(facts.search) == "percent", higher=bool(facts.search.get("higher")))  # fmt: skip
    lead = (
        "Each line is a training: its settings from left to right, what it reached at the end. Darker is better, the "
    )
    lead += "best is orange, dotted lines were ended early, the dashed orange one is the recipe as it is."
    return Part("parallel", "All trials", body, lead, ("B12",))


def response_part(facts: Facts) -> Part | Absent | None:
    """Return, for each setting, what was reached over its values."""
    rows, dimensions = _rows(facts), _dimensions(facts)
    if len(rows) < 2 or not dimensions:
        return None
    points = _points(facts, rows)
    share = _kind(facts.search) == "percent"
    charts = [
        response_html(one, points, title=f"validation {_metric(facts.search)}", share=share) for one in dimensions
    ]
    body = render("charts.html", charts=charts, more=None, more_title="")
    lead = "One column a training: small dots are what it reached on its way, the large one its end; rings are coarse "
    lead += (
        "trainings, disks fine ones, pale ones were ended early, orange is the best. The dotted line is the recipe's "
    )
    lead += "own value. What lies far off stands at the edge."
    return Part("settings", "What each setting does", body, lead, ("B12",))


def trials_part(facts: Facts) -> Part | Absent:
    """Return the table of all trials, the best of the last stage first."""
    rows = _rows(facts)
    if not rows:
        return Absent("Trials", "no training was asked for, or none has ended yet")
    names = list(mapping(facts.search.get("space")))
    columns = [
        Column("trial"),
        Column("how it ended"),
        Column(f"validation {_metric(facts.search)}", _kind(facts.search)),
    ]
    columns += [*map(Column, names), Column("steps", "count"), Column("time", "duration")]
    cells = []
    for row in rows:
        ended = _STATES.get(plain_text(row.get("state")), plain_text(row.get("state")))
        notes = ["the recipe as it is"] * bool(row.get("recipe")) + [ended] * bool(ended)
        deaths = whole(row.get("deaths"))
        notes += [f"taken up again after its process died{f' {deaths} times' if deaths > 1 else ''}"] if deaths else []
        notes += [plain_text(row["why"], limit=160)] if row.get("why") else []
        values = _values(names, row, facts.search)
        cells.append([plain_text(row.get("name")), ", ".join(notes), real(row.get("value")), *values,
                      whole(row.get("steps")), real(row.get("seconds"))])  # fmt: skip
    lead = (
        f"Each is a run of its own in the folder trials. Coarse ones have {share_text(facts.search.get('share'))} of "
    )
    lead += "the recipe's length, so they stand behind the fine ones whatever they reached."
    return Part("trials", "Trials", table_html(Table("Trials", columns, cells, sortable=True)), lead)


def _metric(found: Mapping[str, Any]) -> str:
    return plain_text(found.get("metric") or "metric", limit=40)


def _kind(found: Mapping[str, Any]) -> Any:
    figure = FIGURES.get(_metric(found))
    return "percent" if figure is not None and figure.is_share else "number"


def _values(names: Sequence[str], row: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The settings of a row; of the recipe as it is its own."""
    known = mapping(found.get("own")) if row.get("recipe") else mapping(row.get("settings"))
    return [_text(known[name]) if name in known else "–" for name in names]


def _text(value: Any) -> str:
    number = real(value)
    if number is not None and not isinstance(value, bool):
        return number_text(number)
    return plain_text(value if isinstance(value, str) else json.dumps(value), limit=80)


def _rows(facts: Facts) -> list[Mapping[str, Any]]:
    """The trials that ended, fine ones first, the better before the worse."""
    sign = -1.0 if facts.search.get("higher") else 1.0
    rows = [row for one in listing(facts.search.get("trials")) if (row := mapping(one)).get("state") in _STATES]

    def place(row: Mapping[str, Any]) -> tuple[bool, float, str]:
        value = real(row.get("value"))
        return row.get("stage") != "fine", math.inf if value is None else sign * value, plain_text(row.get("name"))

    return sorted(rows, key=place)[:MOST]


def _dimensions(facts: Facts) -> list[Dimension]:
    """The settings that were searched, with the ends of what was searched and the recipe's own value."""
    own = mapping(facts.search.get("own"))
    found = []
    for name, axis in mapping(facts.search.get("space")).items():
        if choices := listing(mapping(axis).get("choices")):
            labels = tuple(_text(choice) for choice in choices)
            found.append(
                Dimension(plain_text(name, limit=60), labels=labels, own=_text(own[name]) if name in own else None)
            )
            continue
        low, high = (real(mapping(axis).get(end)) for end in ("low", "high"))
        if low is not None and high is not None and low < high:
            log = mapping(axis).get("scale") == "log" and low > 0
            found.append(Dimension(plain_text(name, limit=60), low, high, log=log, own=real(own.get(name))))
    return found


def _points(facts: Facts, rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    best = plain_text(mapping(facts.search.get("best")).get("name"))
    own = mapping(facts.search.get("own"))
    found = []
    for row in rows:
        rungs = [value for pair in listing(row.get("rungs")) if len(listing(pair)) == 2
                 and (value := real(listing(pair)[1])) is not None]  # fmt: skip
        ended = row.get("state") == "finished"
        reached = real(row.get("value")) if ended else rungs[-1] if rungs else None
        if reached is None:
            continue
        settings = own if row.get("recipe") else mapping(row.get("settings"))
        values = {plain_text(name, limit=60): real(value) if real(value) is not None and not isinstance(value, bool)
                  else _text(value) for name, value in settings.items()}  # fmt: skip
        found.append(
            Point(plain_text(row.get("name")), values, reached, tuple(rungs), finished=ended,
                  fine=row.get("stage") == "fine", best=row.get("name") == best, own=bool(row.get("recipe")))
        )  # fmt: skip
    return found
