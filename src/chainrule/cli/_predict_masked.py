"""`chainrule predict` with a run that has learned hidden words."""

from __future__ import annotations

import argparse
import csv
import io
from typing import TYPE_CHECKING, Any

from chainrule.cli._predict_texts import Said, given_texts, refuse_others, shortened, table_path
from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from chainrule.tasks import Prediction, Run


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Tell the most probable words at each `[MASK]`, and write a table where one is asked for.

    Raises:
        DataError: A file cannot be read, or a text has no `[MASK]` or nothing that the network knows; says which.
        UsageError: There is no text, or something that does not go with hidden words.
    """
    from chainrule.cli._own import module_of
    from chainrule.core.store import write_file
    from chainrule.tasks.masked import fill_masks
    from chainrule.tasks.masked._predict import HIDDEN

    top = refuse_others(args, "words", "the run fills in words")
    table, given = table_path(args.out), given_texts(args.text or [], args.sources, "fill in")
    found = fill_masks(
        opened, [one.text for one in given.texts], top=top, module=module_of(opened, args.model), names=given.names
    )
    answers, rows = iter(found), []
    for one in given.texts:
        rows.append((one, [next(answers) for _ in range(one.text.count(HIDDEN))]))
    if table is not None:
        write_file(table, _csv(rows).encode())
    said = [line for one, words in rows for line in _lines(one, words)] + given.passed_over()
    data = [_data(one, words) for one, words in rows]
    return Answer(data, "\n".join(said), written="" if table is None else f"table  {table}")


def _lines(one: Said, words: list[Prediction]) -> list[str]:
    """The text, and below it a line for each hidden word."""
    told = [", ".join(f"{word} {chance:.3f}" for word, chance in answer.top) for answer in words]
    return [shortened(one.text), *(f"    {line}" for line in told)]


def _data(one: Said, words: list[Prediction]) -> dict[str, Any]:
    return {"text": one.text, **one.place(), "words": [[list(pair) for pair in answer.top] for answer in words]}


def _csv(rows: list[tuple[Said, list[Prediction]]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["source", "line", "text", "mask", "word", "probability"])
    for one, words in rows:
        for number, answer in enumerate(words, 1):
            line = [one.source, one.line or "", one.text, number, answer.label, f"{answer.probability:.6f}"]
            writer.writerow(line)
    return file.getvalue()
