"""`chainrule words`: which words are near each other, by the vectors of a run or of a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("run", metavar="RUN|FILE", help="run folder, or a text file of vectors (GloVe, word2vec)")
    parser.add_argument(
        "queries", nargs="*", metavar="WORD", help='words, or analogies as sums in quotes: "king - man + woman"'
    )
    parser.add_argument("-n", "--count", type=int, default=10, help="how many nearest words to tell")
    parser.add_argument("--save", metavar="FILE", help="write all vectors to a text file, as word2vec does")
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")


def run(args: argparse.Namespace) -> Answer:
    """Tell the nearest words of each query, and write the vectors if asked to."""
    from chainrule.data.embeddings import write_vectors

    if not args.queries and args.save is None:
        raise UsageError("words are needed, or a file to write to", expected="chainrule words RUN WORD ...")
    vectors = _vectors(args.run, args.model)
    found = [{"query": query, "nearest": vectors.nearest(query, count=args.count)} for query in args.queries]
    written = ""
    data: dict[str, Any] = {"words": len(vectors), "dim": vectors.dim, "queries": found}
    if args.save is not None:
        if Path(args.save).exists():
            raise UsageError(f"{args.save} exists already", remedy="choose another name")
        write_vectors(args.save, vectors)
        data["file"] = args.save
        written = f"{len(vectors):,} vectors of {vectors.dim} numbers are in {args.save}"
    return Answer(data, _shown(found), written=written)


def _vectors(place: str, model: str | None) -> Any:
    """The vectors of a run folder or of a file."""
    if Path(place).is_file():
        from chainrule.data.embeddings import read_vectors

        return read_vectors(place)
    from chainrule.cli._own import module_of
    from chainrule.tasks import Run

    opened = Run.open(place)
    return opened.vectors(module=module_of(opened, model))


def _shown(queries: list[dict[str, Any]]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    blocks: list[Any] = []
    for one in queries:
        table = Table(box=None, pad_edge=False, show_header=False)
        for word, cosine in one["nearest"]:
            table.add_row("  ", Text(word), f"{cosine:.3f}")
        blocks += [Text(one["query"], style="bold"), table]
    return Group(*blocks)
