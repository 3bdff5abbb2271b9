"""`chainrule predict`: classify picture files, or texts, with a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from chainrule.tasks import Prediction

SHOWN = 5
"""So many nearest examples are printed."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="FILE|FOLDER|-",
        help="pictures, or files with a text a line; - reads from standard input",
    )
    parser.add_argument("--text", action="append", default=[], metavar="TEXT", help="a text to classify")
    parser.add_argument("-n", "--count", type=int, default=5, help="how many classes to show for each")
    parser.add_argument(
        "-o",
        "--out",
        metavar="PAGE.html",
        help="write a page with the pictures and what was said; of texts a table, NAME.csv",
    )
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")
    parser.add_argument(
        "--compile",
        action="store_true",
        dest="compile_it",
        help="compile the network first (needs a C++ compiler): worth it for tens of thousands of pictures",
    )


def run(args: argparse.Namespace) -> Answer:
    """Classify, one block a picture, or one line a text."""
    from chainrule.cli._own import own_network
    from chainrule.tasks import Run
    from chainrule.tasks._job import PREDICTORS

    if args.count < 1:
        raise UsageError("predict shows the most probable classes", expected="-n 1 or more", got=args.count)
    opened = Run.open(args.run)
    own = own_network(args.model)
    module = opened.own_module(own.build) if own else None
    takes = PREDICTORS.entry(opened.predicts).card["sources"]
    if takes == "texts":
        from chainrule.cli._predict_texts import classify_texts

        if args.compile_it:
            raise UsageError("a network that reads texts is not compiled", remedy="leave --compile out")
        return classify_texts(opened, args.text, args.sources, top=args.count, module=module, out=args.out)
    if args.text or not args.sources:
        raise UsageError(f"{args.run} classifies {takes}", expected="files or folders of pictures")
    page = _page(args.out)
    pictures = _pictures(args.sources)
    answers = opened.predict(pictures, top=args.count, module=module, compile_it=args.compile_it)
    lines = [line for answer in answers for line in _lines(answer)]
    if page is not None:
        from chainrule.core.store import write_file
        from chainrule.tasks._prediction_page import prediction_page

        write_file(page, prediction_page(opened, pictures, answers).encode())
        lines.append(f"page  {page}")
    return Answer([_data(answer) for answer in answers], "\n".join(lines))


def _page(out: str | None) -> Path | None:
    """Where the page goes; another kind of file is more likely a picture, which must not be written over."""
    if out is None:
        return None
    if not out.lower().endswith((".html", ".htm")) or Path(out).is_dir():
        raise UsageError("-o names the page to write", expected="a file ending in .html", got=out)
    return Path(out)


def _data(answer: Prediction) -> dict[str, Any]:
    data: dict[str, Any] = {
        "source": answer.source,
        "class": answer.label,
        "probability": answer.probability,
        "top": [list(pair) for pair in answer.top],
    }
    if answer.neighbors:
        data["neighbors"] = [
            {"index": n.index, "class": n.label, "distance": n.distance, "votes": n.votes, "source": n.source}
            for n in answer.neighbors
        ]
    return data


def _lines(answer: Prediction) -> list[str]:
    others = ", ".join(f"{name} {chance:.3f}" for name, chance in answer.top[1:])
    first = f"{answer.source}: {answer.label} {answer.probability:.3f}" + (f"  ({others})" if others else "")
    if not answer.neighbors:
        return [first]
    near = [f"{n.label} {n.distance:.4g}" + (f" {n.source}" if n.source else "") for n in answer.neighbors[:SHOWN]]
    votes = sum(n.votes for n in answer.neighbors)
    return [first, f"    nearest: {', '.join(near)}  ({f'the first {votes} vote' if votes > 1 else 'the first votes'})"]


def _pictures(sources: list[str]) -> list[Any]:
    found: list[Any] = []
    for source in sources:
        path = Path(source)
        if source == "-":
            found.append(sys.stdin.buffer.read())
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            if not inside:
                raise DataError(f"{path} holds no pictures", expected="files ending in " + ", ".join(sorted(SUFFIXES)))
            found += inside
        else:
            found.append(path)
    return found
