"""`chainrule data check` for texts with classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.paths import visible

FEW = 20
"""Of more classes only the most frequent are printed."""


def is_table(name: str) -> bool:
    """Return whether a name is that of a file with texts and their classes."""
    from chainrule.data.text_table import KINDS

    return Path(name).suffix.lower() in KINDS and Path(name).is_file()


def check_labeled_texts(name: str, problems: list[str]) -> Answer:
    """Look through texts with classes: how many, how long, how balanced, what stands there twice.

    Args:
        name: A data set, or the path of a table.
        problems: What is known to be wrong already.
    """
    from chainrule.data import LABELED_TEXTS

    texts = LABELED_TEXTS.resolve("text-table")(file=name) if is_table(name) else LABELED_TEXTS.resolve(name)()
    counts = Counter(texts.classes[label] for label in texts.labels.tolist())
    classes_of: dict[str, set[int]] = {}
    for text, label in zip(texts.texts, texts.labels.tolist()):
        classes_of.setdefault(text, set()).add(label)
    lengths = sorted(len(text) for text in texts.texts)
    twice = len(texts) - len(classes_of)
    torn = sum(len(labels) > 1 for labels in classes_of.values())
    found = [*problems, *([f"{torn} texts stand under several classes"] if torn else [])]
    data: dict[str, Any] = {
        "name": texts.name,
        "texts": len(texts),
        "classes": {label: counts[label] for label in texts.classes},
        "characters": {"median": lengths[len(lengths) // 2], "longest": lengths[-1]},
        "twice": twice,
        "empty": texts.facts.get("empty", 0),
        "problems": found,
    }
    lines = [
        f"{visible(texts.name)}: {len(texts):,} texts in {len(texts.classes)} classes, "
        f"of {data['characters']['median']:,} characters (median) to {lengths[-1]:,}",
        ", ".join(f"{visible(label)} {count:,}" for label, count in counts.most_common(FEW)),
        *([f"note: {twice} texts stand there more than once"] if twice else []),
        *([f"note: {data['empty']} rows have no text"] if data["empty"] else []),
        *(f"wrong: {problem}" for problem in found),
    ]
    return Answer(data, "\n".join(lines), 9 if found else 0)
