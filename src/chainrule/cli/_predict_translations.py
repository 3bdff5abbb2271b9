"""`chainrule predict` with a run that translates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.tasks import Run


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Translate what was given, and show or write the translations, a line each.

    Raises:
        UsageError: Nothing was given, or something that does not go with translations.
        DataError: A file cannot be read, or the network knows nothing of the text.
    """
    from chainrule.cli._own import module_of
    from chainrule.core.paths import visible

    best = 1 if args.count is None else args.count
    if best < 1:
        raise UsageError("predict shows translations", expected="-n 1 or more", got=best)
    if args.compile_it:
        raise UsageError("a network that translates is not compiled", remedy="leave --compile out")
    out = lines_file(args.out, best, show_beam=args.show_beam)
    texts = _given(args)
    if args.show_beam and len(texts) != 1:
        raise UsageError("the beam of one sentence can be shown", expected="one sentence", got=len(texts))
    candidates: list[dict[str, Any]] | None = [] if args.show_beam else None
    found = opened.translate(
        texts,
        beam=args.beam,
        best=best,
        module=module_of(opened, args.model),
        int8=args.int8,
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
    if out is not None:
        return written_lines(out, rows, "translations")
    shown = [text for one in found for text in (one.output, *(f"    {other}" for other, _ in one.others))]
    text = "\n".join(visible(line) for line in shown)
    if candidates is None:
        return Answer(rows, text)
    return with_tree(opened, rows, text, candidates, found[0].tokens)


def _given(args: argparse.Namespace) -> list[str]:
    """The sentences: those of `--text`, and the lines of files."""
    from chainrule.cli._given import given_lines

    lines = [*(args.text or []), *(line for file in args.sources for line in given_lines(file))]
    if not lines:
        raise UsageError("there is nothing to read", remedy='--text "...", a file of lines, or - for standard input')
    return lines


def lines_file(out: str | None, best: int, *, show_beam: bool) -> Path | None:
    """Return where what is written goes, a line each or as JSON.

    Raises:
        UsageError: It is a folder, or something else was asked for that does not go there.
    """
    if out is None:
        return None
    if Path(out).is_dir():
        raise UsageError("-o names the file to write", expected="a file", got=out)
    if show_beam:
        raise UsageError("--show-beam draws in the terminal", remedy="leave -o out, or use --json")
    if best > 1 and not out.lower().endswith(".json"):
        raise UsageError("a line holds one answer", expected="-n 1, or -o FILE.json", got=f"-n {best} -o {out}")
    return Path(out)


def written_lines(out: Path, rows: list[dict[str, Any]], what: str) -> Answer:
    """Write the outputs of rows: as JSON where the file's name says so, else a line each.

    Args:
        out: The file.
        rows: Each with `output`.
        what: They are.
    """
    from chainrule.core.plain import to_json
    from chainrule.core.store import write_file

    plain = "".join(" ".join(row["output"].splitlines()) + "\n" for row in rows).encode()
    write_file(out, to_json(rows) if out.suffix.lower() == ".json" else plain)
    return Answer(rows, written=f"{len(rows):,} {what} are in {out}")


def with_tree(
    opened: Run, rows: list[dict[str, Any]], text: str, candidates: list[dict[str, Any]], best: tuple[int, ...]
) -> Answer:
    """Return the answer with the tree of the search above it.

    Args:
        opened: The run.
        rows: What is told as data: the one output, to which the candidates are added.
        text: What is told in words.
        candidates: Of the search.
        best: Tokens of the output.
    """
    from rich.console import Group
    from rich.text import Text

    from chainrule.draw.hypotheses import beam_tree

    alpha = float(opened.recipe.to_data()["decode"]["length_exponent"])
    rows[0]["candidates"] = candidates
    return Answer(rows, Group(beam_tree(candidates, best, alpha=alpha), Text(text)))
