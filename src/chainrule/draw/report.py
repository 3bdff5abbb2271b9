"""The report of a run: one HTML file made from the facts in its folder, that opens from disk and needs nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from markupsafe import Markup

from chainrule.core.errors import ChainruleError, CheckpointError, UsageError
from chainrule.core.study import is_label
from chainrule.core.version import __version__
from chainrule.draw.facts import FILES, Facts, read_facts
from chainrule.draw.page import Absent, Part, page_html, render
from chainrule.draw.sections.calibration import calibration_part
from chainrule.draw.sections.captions import captions_part
from chainrule.draw.sections.comparison import differences_part, overlay_part, results_part, run_labels
from chainrule.draw.sections.data import data_part
from chainrule.draw.sections.ensemble import members_part
from chainrule.draw.sections.evaluation import classes_part, confusion_part, mistakes_part
from chainrule.draw.sections.headline import head_html
from chainrule.draw.sections.history import curves_part, events_part, time_part
from chainrule.draw.sections.layers import layers_part
from chainrule.draw.sections.lectures import lecture_rows
from chainrule.draw.sections.masked import masked_part
from chainrule.draw.sections.network import network_part
from chainrule.draw.sections.origin import command_part, recipe_part
from chainrule.draw.sections.repeats import as_one_run, seed_labels, spread_part
from chainrule.draw.sections.samples import samples_part
from chainrule.draw.sections.search import (
    answer_part,
    parallel_part,
    rate_part,
    response_part,
    start_part,
    trials_part,
)
from chainrule.draw.sections.texts import lengths_part, telling_part
from chainrule.draw.sections.translations import translations_part
from chainrule.draw.sections.weights import regions_part, weights_part
from chainrule.draw.sections.words import words_part
from chainrule.draw.wording import listing, mapping, plain_text, whole

Path = str | os.PathLike[str]
Section = tuple[str, str, Callable[[Facts], Part | Absent | None]]

_FIRST: Final[tuple[Section, ...]] = (("metrics", "Curves", curves_part),)
_OF_ENSEMBLE: Final[tuple[Section, ...]] = (
    ("evaluation", "Members", members_part),
    ("evaluation", "Calibration", calibration_part),
    ("evaluation", "Confusion matrix", confusion_part),
    ("evaluation", "Classes", classes_part),
    ("evaluation", "Worst mistakes", mistakes_part),
)
_LAST: Final[tuple[Section, ...]] = (
    ("data", "Data", data_part),
    ("timing", "Time and memory", time_part),
    ("events", "Events", events_part),
    ("recipe", "Recipe", recipe_part),
    ("run", "Reproduce", command_part),
)
_OF_IMAGES: Final[tuple[Section, ...]] = (
    ("evaluation", "Confusion matrix", confusion_part),
    ("evaluation", "Classes", classes_part),
    ("evaluation", "Worst mistakes", mistakes_part),
    ("evaluation", "Members", members_part),
    ("evaluation", "Calibration", calibration_part),
    ("weights", "First-layer weights", weights_part),
    ("regions", "Decision regions", regions_part),
    ("layers", "Layers", layers_part),
    ("network", "Network", network_part),
)
_OF_TEXT: Final[tuple[Section, ...]] = (
    ("samples", "Samples", samples_part),
    ("layers", "Layers", layers_part),
)
_OF_WORDS: Final[tuple[Section, ...]] = (
    ("words", "Words", words_part),
    ("layers", "Layers", layers_part),
)
_OF_TEXT_CLASSES: Final[tuple[Section, ...]] = (
    ("evaluation", "Confusion matrix", confusion_part),
    ("evaluation", "Classes", classes_part),
    ("evaluation", "Worst mistakes", mistakes_part),
    ("evaluation", "Calibration", calibration_part),
    ("telling", "Telling words", telling_part),
    ("data", "Lengths", lengths_part),
    ("layers", "Layers", layers_part),
)
_OF_MASKED: Final[tuple[Section, ...]] = (
    ("masked", "Hidden words", masked_part),
    ("data", "Lengths", lengths_part),
    ("layers", "Layers", layers_part),
)
_OF_TRANSLATIONS: Final[tuple[Section, ...]] = (
    ("translations", "Translations", translations_part),
    ("layers", "Layers", layers_part),
)
_OF_CAPTIONS: Final[tuple[Section, ...]] = (
    ("captions", "Captions", captions_part),
    ("layers", "Layers", layers_part),
)
_OF_SEARCH: Final[tuple[Section, ...]] = (
    ("search", "Answer", answer_part),
    ("search", "What each setting does", response_part),
    ("search", "All trials", parallel_part),
    ("search", "Trials", trials_part),
    ("search", "Before the search", start_part),
    ("search", "Rate", rate_part),
    ("recipe", "Recipe", recipe_part),
    ("run", "Reproduce", command_part),
)
SECTIONS: Final[Mapping[str, tuple[Section, ...]]] = {
    "classify": (*_FIRST, *_OF_IMAGES, *_LAST),
    "language": (*_FIRST, *_OF_TEXT, *_LAST),
    "embed": (*_FIRST, *_OF_WORDS, *_LAST),
    "classify-text": (*_FIRST, *_OF_TEXT_CLASSES, *_LAST),
    "masked": (*_FIRST, *_OF_MASKED, *_LAST),
    "translate": (*_FIRST, *_OF_TRANSLATIONS, *_LAST),
    "caption": (*_FIRST, *_OF_CAPTIONS, *_LAST),
}
"""Task -> the sections of its report, in order."""
# What damaged facts do to code that expects whole ones. A section may be lost by it, the report never.
_DAMAGE: Final = (ChainruleError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def report_html(folder: Path | Sequence[Path]) -> str:
    """Return the report of a run, of repeated runs, a study or a search, or a comparison of several, as one HTML page.

    What the folder lacks is named at the end with the reason; damaged facts cost their section only.

    Args:
        folder: A run folder, or several.

    Returns:
        The page: style, script, pictures and numbers inside, nothing fetched.

    Raises:
        CheckpointError: A folder is not there, or is no run.
        UsageError: No folder is given.

    Example:
        >>> import pathlib, tempfile
        >>> run = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (run / "metrics.jsonl").write_text('{"step": 1, "loss": 2.3}')
        >>> page = report_html(run)
        >>> page.startswith("<!doctype html>"), "<script src" in page
        (True, False)
    """
    if isinstance(folder, str | os.PathLike):
        facts = read_facts(folder)
        return _KINDS.get(facts.kind, _one)(facts)
    folders = list(folder)
    if not folders:
        raise UsageError("there is no run to report", expected="one run folder or several")
    return report_html(folders[0]) if len(folders) == 1 else _several([read_facts(one) for one in folders])


def _one(facts: Facts) -> str:
    return _page(facts, SECTIONS.get(facts.task, SECTIONS["classify"]))


def _search(facts: Facts) -> str:
    """The page of a search: the answer first, then what it rests on."""
    return _page(facts, _OF_SEARCH)


def _page(facts: Facts, sections: Sequence[Section]) -> str:
    built = [_built(facts, *section) for section in sections]
    parts = [part for part in built if isinstance(part, Part)]
    missing = [part for part in built if isinstance(part, Absent)]
    known = {one.why for one in missing}
    missing += [
        Absent(FILES[name], why) for name, why in facts.problems.items() if why not in known and name != "metrics"
    ]
    return page_html(f"{facts.name} · chainrule", head_html(facts), parts, foot=_foot(parts, missing))


def _built(facts: Facts, name: str, title: str, build: Callable[[Facts], Part | Absent | None]) -> Part | Absent | None:
    try:
        return build(facts)
    except _DAMAGE as error:
        return Absent(title, f"{FILES[name]} is damaged: {plain_text(error, limit=200) or type(error).__name__}")


def _foot(parts: Sequence[Part], missing: Sequence[Absent]) -> Markup:
    titles: dict[str, list[str]] = {}
    for one in missing:
        titles.setdefault(one.why, []).append(one.title)
    absent = [Absent(", ".join(names), why) for why, names in titles.items()]
    return render("foot.html", absent=absent, lectures=lecture_rows(parts), version=__version__)


def _repeats(facts: Facts) -> str:
    """The page of a recipe that was trained with several seeds: their spread, then all of them beside each other."""
    runs = _seeds(facts)
    labels = seed_labels(runs)
    built: list[Part | Absent | None] = [_built(facts, "run", "Spread", lambda facts: spread_part(facts, runs))]
    built += [results_part(runs, labels=labels), overlay_part(runs, labels=labels)] if runs else []
    built += [_built(facts, "recipe", "Recipe", recipe_part), _built(facts, "run", "Reproduce", command_part)]
    parts = [part for part in built if isinstance(part, Part)]
    missing = [part for part in built if isinstance(part, Absent)]
    return page_html(
        f"{facts.name} · chainrule", head_html(facts), parts, foot=_foot(parts, missing + _problems(runs, labels))
    )


def _ensemble(facts: Facts) -> str:
    """The page of networks that answer together: what each and all reach, then the curves of their trainings."""
    runs = _numbered(facts, "member")[: whole(facts.run.get("count"))]
    labels = [run.folder.name.replace("-", " ") for run in runs]
    built = [_built(facts, *section) for section in _OF_ENSEMBLE]
    built += [overlay_part(runs, labels=labels)] if runs else [Absent("Curves", "no member is there yet")]
    last = (("data", "Data", data_part), ("recipe", "Recipe", recipe_part), ("run", "Reproduce", command_part))
    built += [_built(facts, *section) for section in last]
    parts = [part for part in built if isinstance(part, Part)]
    missing = [part for part in built if isinstance(part, Absent)]
    return page_html(
        f"{facts.name} · chainrule", head_html(facts), parts, foot=_foot(parts, missing + _problems(runs, labels))
    )


def _seeds(facts: Facts) -> list[Facts]:
    """The repeated runs in a folder: those of the result or, before there is one, all that are there."""
    return _numbered(facts, "seed")


def _numbered(facts: Facts, word: str) -> list[Facts]:
    """The runs of a folder whose names end in a number, in its order."""
    numbered = {
        int(match[1]): entry.path
        for entry in os.scandir(facts.folder)
        if (match := re.fullmatch(rf"{word}-(\d{{1,19}})", entry.name))
    }
    counted = set(map(whole, listing(mapping(facts.run.get("result")).get("seeds"))))
    found = []
    for seed in sorted(numbered):
        if not counted or seed in counted:
            with suppress(CheckpointError):  # one that is just being made, or was removed but for its folder
                found.append(read_facts(numbered[seed]))
    return found


def _problems(runs: Sequence[Facts], labels: Sequence[str]) -> list[Absent]:
    return [Absent(label, why) for label, run in zip(labels, runs, strict=True) for why in run.problems.values()]


def _study(facts: Facts) -> str:
    """The page of recipes that were trained beside each other."""
    runs, missing = _members(facts)
    labels = [run.folder.name for run in runs]
    parts, absent = _compared(runs, labels)
    for build, name, title in ((recipe_part, "recipe", "Recipe"), (command_part, "run", "Reproduce")):
        one = _built(facts, name, title, build)
        parts += [one] if isinstance(one, Part) else []
        absent += [one] if isinstance(one, Absent) else []
    return page_html(f"{facts.name} · chainrule", head_html(facts), parts, foot=_foot(parts, absent + missing))


def _members(facts: Facts) -> tuple[list[Facts], list[Absent]]:
    """The runs of a study, seeds of one recipe as one run, and those that are not there yet."""
    runs, missing = [], []
    for label in filter(is_label, mapping(facts.run.get("members"))):
        try:
            run = read_facts(facts.folder / label)
        except CheckpointError:  # one that is just being made, or was not begun
            missing.append(Absent(label, "it is not trained yet; `chainrule resume FOLDER` goes on"))
        else:
            runs.append(as_one_run(run, _seeds(run)) if run.kind == "repeats" else run)
    return runs, missing


def _best_of_search(facts: Facts) -> Facts:
    """The best run of a search, which stands for it beside others; the search itself where its folder is not there."""
    name = plain_text(mapping(facts.run.get("result")).get("best"), limit=40)
    try:
        return read_facts(facts.folder / "trials" / name) if is_label(name) else facts
    except CheckpointError:
        return facts


def _compared(runs: Sequence[Facts], labels: Sequence[str]) -> tuple[list[Part], list[Absent]]:
    """What several runs are shown by, and what of it is missing."""
    if not runs:
        return [], [Absent("Results", "no run is there yet")]
    built = [
        results_part(runs, labels=labels),
        overlay_part(runs, labels=labels),
        differences_part(runs, labels=labels),
    ]
    parts = [part for part in built if isinstance(part, Part)]
    return parts, [part for part in built if isinstance(part, Absent)] + _problems(runs, labels)


def _several(given: Sequence[Facts]) -> str:
    runs: list[Facts] = []
    missing: list[Absent] = []
    for one in given:
        if one.kind == "search":
            runs.append(_best_of_search(one))
        elif one.kind == "study":
            members, lost = _members(one)
            runs += members
            missing += lost
        else:
            runs.append(as_one_run(one, _seeds(one)) if one.kind == "repeats" else one)
    parts, absent = _compared(runs, run_labels(runs))
    missing = absent + missing
    title = f"{len(runs):,} runs compared"
    head = render(
        "head.html",
        kind="a comparison",
        name=title,
        status="",
        tone="",
        subtitle=run_labels(runs)[:12],
        alarm="",
        cards=[],
    )
    return page_html(f"{title} · chainrule", head, parts, foot=_foot(parts, missing))


_KINDS: Final[dict[str, Callable[[Facts], str]]] = {
    "repeats": _repeats,
    "ensemble": _ensemble,
    "study": _study,
    "search": _search,
}
