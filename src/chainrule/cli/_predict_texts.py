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
    from torch import nn

    from chainrule.tasks import Prediction, Run

CLASSES = 5
"""So many classes are told of a text."""
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


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Classify texts, a line each, and write a table where one is asked for.

    Raises:
        DataError: A file cannot be read, or a text has nothing that the network knows; says which.
        UsageError: There is nothing to classify, or something that does not go with classes of texts.
    """
    from chainrule.cli._own import module_of

    top = CLASSES if args.count is None else args.count
    if top < 1:
        raise UsageError("predict shows the most probable classes", expected="-n 1 or more", got=top)
    if args.show_beam or args.beam is not None:
        raise UsageError("the run classifies texts", expected="texts", got="--beam or --show-beam")
    if args.compile_it:
        raise UsageError("a network that reads texts is not compiled", remedy="leave --compile out")
    module = module_of(opened, args.model)
    return _classified(opened, args.text or [], args.sources, top=top, module=module, out=args.out)


def _classified(
    run: Run, words: Sequence[str], files: Sequence[str], *, top: int, module: nn.Module | None, out: str | None
) -> Answer:
    from chainrule.cli._given import given_lines
    from chainrule.tasks.text import predict_texts

    table = _table(out)
    given = [Said("", 0, text) for text in words]
    empty = 0
    for file in files:
        lines = given_lines(file)
        given += [Said(file, number, text) for number, text in enumerate(lines, 1) if text.strip()]
        empty += sum(not text.strip() for text in lines)
    if not given and files:
        raise DataError("the files hold no text", got=", ".join(shown(file) for file in files))
    if not given:
        raise UsageError("there is no text to classify", expected='--text "..." or a file with a text a line')
    names = [f"{_place(one.source)}, line {one.line}" if one.line else shown(one.text[:40]) for one in given]
    answers = predict_texts(run, [one.text for one in given], top=top, module=module, names=names)
    said = [_line(one, answer) for one, answer in zip(given, answers)]
    if empty:
        said.append(f"{empty} empty lines were passed over" if empty > 1 else "an empty line was passed over")
    if table is not None:
        from chainrule.core.store import write_file

        write_file(table, _csv(given, answers).encode())
    data = [_data(one, answer) for one, answer in zip(given, answers)]
    return Answer(data, "\n".join(said), written="" if table is None else f"table  {table}")


def _place(source: str) -> str:
    return "standard input" if source == "-" else shown(source)


def _table(out: str | None) -> Path | None:
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


def _line(one: Said, answer: Prediction) -> str:
    text = visible(one.text if len(one.text) <= LONGEST else one.text[: LONGEST - 3] + "...")
    others = ", ".join(f"{name} {chance:.3f}" for name, chance in answer.top[1:])
    return f"{answer.label} {answer.probability:.3f}" + (f"  ({others})" if others else "") + f"  {text}"


def _data(one: Said, answer: Prediction) -> dict[str, Any]:
    place = {"source": one.source, "line": one.line} if one.line else {}
    return {
        "text": one.text,
        **place,
        "class": answer.label,
        "probability": answer.probability,
        "top": [list(pair) for pair in answer.top],
    }
