"""What a run folder says about its run: plain data, read with care, each file on its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chainrule.core.errors import CheckpointError
from chainrule.core.paths import shown
from chainrule.draw.wording import listing, mapping, plain_text

MAX_BYTES: Final = 256 * 2**20
"""A file of facts that is larger is not read."""

_JSON: Final = {
    "run": "run.json",
    "evaluation": "facts/evaluation.json",
    "network": "facts/network.json",
    "data": "facts/data.json",
    "weights": "facts/weights.json",
    "regions": "facts/regions.json",
    "samples": "facts/samples.json",
    "words": "facts/words.json",
    "telling": "facts/telling.json",
    "translations": "facts/translations.json",
    "masked": "facts/masked.json",
    "captions": "facts/captions.json",
    "search": "facts/search.json",
}
_LINES: Final = {
    "metrics": "metrics.jsonl",
    "layers": "layers.jsonl",
    "events": "events.jsonl",
    "timing": "timing.jsonl",
}
_TABLES: Final = tuple(name for name in _JSON if name != "network")
_RECIPE: Final = "recipe.yaml"
FILES: Final[Mapping[str, str]] = {**_JSON, **_LINES, "recipe": _RECIPE}


@dataclass(frozen=True)
class Facts:
    """Everything a report is made of. What a folder lacks is None or empty.

    Args:
        folder: Where it was read.
        run: `run.json`: kind, name, status, environment, result ...
        recipe: The text of `recipe.yaml`.
        metrics: The lines of `metrics.jsonl`.
        layers: The lines of `layers.jsonl`.
        events: The lines of `events.jsonl`.
        timing: The lines of `timing.jsonl`.
        evaluation: `facts/evaluation.json`: part -> what was measured on it.
        network: `facts/network.json`, one row a layer.
        data: `facts/data.json`.
        weights: `facts/weights.json`.
        regions: `facts/regions.json`.
        samples: `facts/samples.json`: what a language model wrote.
        words: `facts/words.json`: which words are near each other.
        telling: `facts/telling.json`: which words speak for a class.
        translations: `facts/translations.json`: what a translator made of some sentences.
        masked: `facts/masked.json`: what a network filled in where words were hidden.
        captions: `facts/captions.json`: what a network wrote about some pictures, and where it looked.
        search: `facts/search.json`: the stages of a search, and its trials.
        problems: Fact -> why its file could not be read, for files that are there.
    """

    folder: Path
    run: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    metrics: list[Any] = field(default_factory=list)
    layers: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    timing: list[Any] = field(default_factory=list)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    network: Any = None
    data: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    telling: Mapping[str, Any] = field(default_factory=dict)
    translations: Mapping[str, Any] = field(default_factory=dict)
    masked: Mapping[str, Any] = field(default_factory=dict)
    captions: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the run, or of its folder."""
        return plain_text(self.run.get("name") or self.folder.name or "run", limit=120)

    @property
    def kind(self) -> str:
        """`recipe`, `module` or `log`."""
        return plain_text(self.run.get("kind") or "log", limit=20)

    @property
    def task(self) -> str:
        """What the network learned to do: the task of its recipe, such as `classify`, `translate`, `caption`."""
        return plain_text(self.run.get("task") or "classify", limit=20)

    @property
    def status(self) -> str:
        """`running`, `finished`, `interrupted`, `failed`, or `unknown`."""
        return plain_text(self.run.get("status") or "unknown", limit=20)


def read_facts(folder: str | os.PathLike[str]) -> Facts:
    """Read what a run folder holds for its report.

    Each file may be missing; one that is damaged is passed over and named in `problems`. A last line without its end,
    as a run that goes on or was killed leaves it, is passed over silently.

    Args:
        folder: The run folder.

    Raises:
        CheckpointError: There is no such folder, or it holds none of the files of a run.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}')
        >>> read_facts(folder).metrics
        [{'step': 1, 'loss': 2.5}]
    """
    folder = Path(folder)
    remedy = "`chainrule runs list` lists the runs"
    try:
        there = {name for name, file in FILES.items() if (folder / file).is_file()}
        is_folder = folder.is_dir()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{shown(folder)} cannot be read: {error}", remedy=remedy) from None
    if not is_folder:
        raise CheckpointError(f"there is no run folder {shown(folder)}", remedy=remedy)
    if not there:
        raise CheckpointError(f"{shown(folder)} is no run folder", expected="run.json in it", remedy=remedy)
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name in sorted(there):
        try:
            found[name] = _read(name, folder / FILES[name], problems)
        except (OSError, ValueError, RecursionError) as error:
            problems[name] = f"{FILES[name]} cannot be read: {plain_text(error, limit=160)}"
    return _facts(folder, found, problems)


def _read(name: str, path: Path, problems: dict[str, str]) -> Any:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {MAX_BYTES:,}")
    if name not in _LINES:
        text = path.read_text("utf-8", "replace" if name == "recipe" else "strict")
        return text if name == "recipe" else json.loads(text)
    return _lines(name, path.read_bytes(), problems)


def _lines(name: str, content: bytes, problems: dict[str, str]) -> list[Any]:
    *ended, last = content.split(b"\n")
    lines, bad = [], 0
    for number, line in enumerate([*ended, last]):
        if not line.strip():
            continue
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError):
            bad += number < len(ended)  # the last one may be half written
    if bad:
        problems[name] = f"{bad:,} of {len(ended):,} lines of {FILES[name]} are damaged and were passed over"
    return lines


def _facts(folder: Path, found: dict[str, Any], problems: dict[str, str]) -> Facts:
    evaluation = found.get("evaluation")
    if isinstance(evaluation, list):  # one entry a part, each with its name
        evaluation = {plain_text(mapping(entry).get("part"), limit=40): entry for entry in evaluation}
    elif "part" in mapping(evaluation):
        evaluation = {plain_text(mapping(evaluation)["part"], limit=40): evaluation}
    for name in _TABLES:
        if name in found and not isinstance(evaluation if name == "evaluation" else found[name], Mapping):
            problems[name] = f"{FILES[name]} holds no table of facts"
    return Facts(
        folder=folder,
        run=mapping(found.get("run")),
        recipe=found.get("recipe"),
        metrics=listing(found.get("metrics")),
        layers=listing(found.get("layers")),
        events=listing(found.get("events")),
        timing=listing(found.get("timing")),
        evaluation=mapping(evaluation),
        network=found.get("network"),
        data=mapping(found.get("data")),
        weights=mapping(found.get("weights")),
        regions=mapping(found.get("regions")),
        samples=mapping(found.get("samples")),
        words=mapping(found.get("words")),
        telling=mapping(found.get("telling")),
        translations=mapping(found.get("translations")),
        masked=mapping(found.get("masked")),
        captions=mapping(found.get("captions")),
        search=mapping(found.get("search")),
        problems=problems,
    )
