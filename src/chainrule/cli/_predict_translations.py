"""`chainrule predict` with a run that translates."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.tasks import Run


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Translate what was given, and show or write the translations, a line each.

    Raises:
        UsageError: Nothing was given, or `--show-beam` with more than one sentence.
        DataError: A file cannot be read, or the network knows nothing of the text.
    """
    from chainrule.cli._own import own_network
    from chainrule.core.paths import visible
    from chainrule.tasks.translate import Translation

    best = 1 if args.count is None else args.count
    if best < 1:
        raise UsageError("predict shows translations", expected="-n 1 or more", got=best)
    texts = lines_given(args)
    if args.show_beam and len(texts) != 1:
        raise UsageError("the beam of one sentence can be shown", expected="one sentence", got=len(texts))
    own = own_network(args.model)
    recipe: Any = opened.recipe
    module = Translation.network_of(recipe, opened.processing, own.build) if own else None
    candidates: list[dict[str, Any]] | None = [] if args.show_beam else None
    found = opened.translate(
        texts,
        beam=args.beam,
        best=best,
        module=module,
        candidates=candidates,
    )
    rows: list[dict[str, Any]] = [
        {
            "source": one.source,
            "output": one.output,
            "log_p": one.log_p,
            "ended": one.ended,
            "unknown": one.unknown,
            "cut": one.cut,
            **({"others": [{"output": text, "log_p": log_p} for text, log_p in one.others]} if one.others else {}),
        }
        for one in found
    ]
    if args.out is not None:
        return _written(args.out, rows)
    shown = [text for one in found for text in (one.output, *(f"    {other}" for other, _ in one.others))]
    text = "\n".join(visible(line) for line in shown)
    if candidates is None:
        return Answer(rows, text)
    return _with_tree(opened, rows, text, candidates, found[0].tokens)


def lines_given(args: argparse.Namespace) -> list[str]:
    """Return the lines of `--text`, of files, and of standard input (`-`).

    Raises:
        UsageError: There are none.
        DataError: A file cannot be read, or is not UTF-8.
    """
    from chainrule.data.pairs import read_lines

    lines = list(args.text or [])
    for source in args.sources:
        lines += sys.stdin.read().splitlines() if source == "-" else read_lines(Path(source), name="the text")
    if not lines:
        raise UsageError("there is nothing to read", remedy='--text "...", a file of lines, or - for standard input')
    return lines


def _written(out: str, rows: list[dict[str, Any]]) -> Answer:
    """Write the translations: as JSON where the file's name says so, else a line each."""
    from chainrule.core.plain import to_json
    from chainrule.core.store import write_file

    path = Path(out)
    if path.is_dir():
        raise UsageError("-o names the file to write", expected="a file", got=out)
    plain = "".join(" ".join(row["output"].splitlines()) + "\n" for row in rows).encode()
    write_file(path, to_json(rows) if path.suffix.lower() == ".json" else plain)
    return Answer(rows, f"{len(rows):,} lines in {out}")


def _with_tree(
    opened: Run, rows: list[dict[str, Any]], text: str, candidates: list[dict[str, Any]], best: tuple[int, ...]
) -> Answer:
    from rich.console import Group
    from rich.text import Text

    from chainrule.draw.hypotheses import beam_tree

    alpha = float(opened.recipe.to_data()["decode"]["length_exponent"])
    rows[0]["candidates"] = candidates
    return Answer(rows, Group(beam_tree(candidates, best, alpha=alpha), Text(text)))
