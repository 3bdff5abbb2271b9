"""Why a section is not there, and what would bring it."""

from __future__ import annotations

from chainrule.draw.facts import FILES, Facts
from chainrule.draw.page import Absent

_BRINGS = {
    "evaluation": "`chainrule evaluate RUN` measures the model and writes it",
    "weights": "it is written when the model is evaluated, for networks whose first layer can be shown as pictures",
    "regions": "only nearest neighbors, linear classifiers and data with two features have such a picture",
    "network": "it is written when the run starts",
    "data": "it is written when the run starts",
    "metrics": "the run logged no number yet",
    "samples": "it is written when the run ends",
    "words": "it is written when the run ends",
    "translations": "it is written when the run ends",
    "masked": "it is written when the run ends",
    "captions": "it is written when the run ends",
    "layers": "nobody looked at the layers (train.look_every)",
    "timing": "the run logged no times",
    "recipe": "the run was not made from a recipe",
}
_AT_THE_END = ("evaluation", "weights", "metrics", "samples", "words", "translations", "masked", "captions")


def absent(facts: Facts, name: str, title: str) -> Absent:
    """Return why the facts of this name are not in the report.

    Args:
        facts: The run.
        name: Which facts ("evaluation").
        title: The section that is missing because of it.

    Example:
        >>> from pathlib import Path
        >>> absent(Facts(Path("run"), {"kind": "log"}), "network", "Network").why
        'a hand-written loop logs numbers only'
    """
    file = FILES[name]
    if name in facts.problems:
        return Absent(title, facts.problems[name])
    if getattr(facts, name):
        return Absent(title, f"{file} does not hold what this section shows")
    if name == "regions":
        return Absent(title, f"{_BRINGS[name]} (no {file})")
    if facts.kind == "log" and name != "metrics":
        return Absent(title, "a hand-written loop logs numbers only")
    if facts.kind == "module" and name == "recipe":
        return Absent(title, "the network and the data were passed in Python; they cannot be rebuilt from the folder")
    if facts.status == "running" and name in _AT_THE_END:
        return Absent(title, f"the run has not finished yet (no {file})")
    if facts.status in ("failed", "interrupted") and name in _AT_THE_END:
        return Absent(
            title, f"the run was {facts.status} before this was written; `chainrule resume RUN` goes on (no {file})"
        )
    return Absent(title, f"there is no {file}: {_BRINGS[name]}")
