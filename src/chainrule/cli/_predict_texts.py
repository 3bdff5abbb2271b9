"""`chainrule predict` for texts: given in words, or as the lines of files."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.cli.answer import Answer
from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown, visible

if TYPE_CHECKING:
    from chainrule.tasks import Prediction, Run

TOLD = 5
"""So many classes, or words, are told of a text."""
LONGEST = 100
"""Characters of a text that are printed."""


class Said(NamedTuple):
    """A text that was given.

    Args:
        source: The file it stands in; empty for one that was given in words.
        line: Its line there, from 1; 0 for one that was given in words.
        text: Itself.
    """

    source: str
    line: int
    text: str

    def place(self) -> dict[str, Any]:
        """Return where it stands, if in a file."""
        return {"source": self.source, "line": self.line} if self.line else {}


class Given(NamedTuple):
    """The texts that were given.

    Args:
        texts: All of them that are not empty.
        names: What errors call each.
        empty: Lines without a text.
    """

    texts: list[Said]
    names: list[str]
    empty: int

    def passed_over(self) -> list[str]:
        """Return what is said of the empty lines."""
        if not self.empty:
            return []
        return [f"{self.empty} empty lines were passed over" if self.empty > 1 else "an empty line was passed over"]


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Classify texts, a line each, and write a table where one is asked for.

    Raises:
        DataError: A file cannot be read, or a text has nothing that the network knows; says which.
        UsageError: There is nothing to classify, or something that does not go with classes of texts.
    """
    from chainrule.cli._own import module_of
    from chainrule.core.store import write_file
    from chainrule.tasks.text import predict_texts

    top = refuse_others(args, "classes", "the run classifies texts")
    module = module_of(opened, args.model)
    table, given = table_path(args.out), given_texts(args.text or [], args.sources, "classify")
    answers = predict_texts(opened, [one.text for one in given.texts], top=top, module=module, names=given.names)
    said = [_line(one, answer) for one, answer in zip(given.texts, answers)] + given.passed_over()
    if table is not None:
        write_file(table, _csv(given.texts, answers).encode())
    data = [_data(one, answer) for one, answer in zip(given.texts, answers)]
    return Answer(data, "\n".join(said), written="" if table is None else f"table  {table}")


def refuse_others(args: argparse.Namespace, told: str, does: str) -> int:
    """Refuse what does not go with a network that reads texts, and return how many answers are told of each.

    Args:
        args: Of the verb.
        told: What is told of a text.
        does: What the run does instead of what was asked for.

    Raises:
        UsageError: Says what does not go together.
    """
    top = TOLD if args.count is None else int(args.count)
    if top < 1:
        raise UsageError(f"predict shows the most probable {told}", expected="-n 1 or more", got=top)
    if args.show_beam or args.beam is not None:
        raise UsageError(does, expected="texts", got="--beam or --show-beam")
    if args.compile_it:
        raise UsageError("a network that reads texts is not compiled", remedy="leave --compile out")
    return top


def given_texts(words: Sequence[str], files: Sequence[str], verb: str) -> Given:
    """Return the texts that were given in words, and as the lines of files.

    Args:
        words: Each a text.
        files: Their paths; `-` is standard input.
        verb: What is to be done with them.

    Raises:
        DataError: A file cannot be read, or all of them are empty.
        UsageError: There is none.
    """
    from chainrule.cli._given import given_lines

    texts = [Said("", 0, text) for text in words]
    empty = 0
    for file in files:
        lines = given_lines(file)
        texts += [Said(file, number, text) for number, text in enumerate(lines, 1) if text.strip()]
        empty += sum(not text.strip() for text in lines)
    if not texts and files:
        raise DataError("the files hold no text", got=", ".join(shown(file) for file in files))
    if not texts:
        raise UsageError(f"there is no text to {verb}", expected='--text "..." or a file with a text a line')
    names = [f"{_place(one.source)}, line {one.line}" if one.line else shown(one.text[:40]) for one in texts]
    return Given(texts, names, empty)


def _place(source: str) -> str:
    return "standard input" if source == "-" else shown(source)


def table_path(out: str | None) -> Path | None:
    """Return where the table is written.

    Raises:
        UsageError: It is no .csv file.
    """
    if out is None:
        return None
    if not out.lower().endswith(".csv") or Path(out).is_dir():
        raise UsageError("-o names the table to write", expected="a file ending in .csv", got=out)
    return Path(out)


def _csv(given: list[Said], answers: Sequence[Prediction]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["source", "line", "text", "class", "probability"])
    for one, answer in zip(given, answers):
        writer.writerow([one.source, one.line or "", one.text, answer.label, f"{answer.probability:.6f}"])
    return file.getvalue()


def shortened(text: str) -> str:
    """Return a text as it is printed."""
    return visible(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")


def _line(one: Said, answer: Prediction) -> str:
    others = ", ".join(f"{name} {chance:.3f}" for name, chance in answer.top[1:])
    return f"{answer.label} {answer.probability:.3f}" + (f"  ({others})" if others else "") + f"  {shortened(one.text)}"


def _data(one: Said, answer: Prediction) -> dict[str, Any]:
    return {
        "text": one.text,
        **one.place(),
        "class": answer.label,
        "probability": answer.probability,
        "top": [list(pair) for pair in answer.top],
    }
