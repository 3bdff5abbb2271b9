"""`chainrule predict` with a run that classifies pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from chainrule.tasks import Prediction, Run

CLASSES = 5
"""So many classes are told of a picture."""
SHOWN = 5
"""So many nearest examples are printed."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Classify, one block a picture.

    Raises:
        UsageError: Nothing was given, or something that does not go with pictures.
        DataError: A picture cannot be read.
    """
    from chainrule.cli._own import module_of

    count = CLASSES if args.count is None else args.count
    if count < 1:
        raise UsageError("predict shows the most probable classes", expected="-n 1 or more", got=count)
    if args.text or args.show_beam or args.beam is not None:
        raise UsageError("the run classifies pictures", expected="picture files", got="--text, --beam or --show-beam")
    if not args.sources:
        raise UsageError("there is nothing to classify", remedy="name pictures, a folder of them, or -")
    page = page_file(args.out)
    module = module_of(opened, args.model)
    pictures = given_pictures(args.sources)
    answers = opened.predict(pictures, top=count, module=module, compile_it=args.compile_it)
    lines = [line for one in answers for line in _lines(one)]
    if page is not None:
        from chainrule.core.store import write_file
        from chainrule.tasks.images._prediction_page import prediction_page

        write_file(page, prediction_page(opened, pictures, answers).encode())
    written = "" if page is None else f"page  {page}"
    return Answer([_data(one) for one in answers], "\n".join(lines), written=written)


def page_file(out: str | None) -> Path | None:
    """Return where the page goes; another kind of file is more likely a picture, which must not be written over.

    Raises:
        UsageError: It is another kind of file.
    """
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


def given_pictures(sources: list[str]) -> list[Any]:
    """Return the pictures that are named: files, all that a folder holds, or bytes of standard input.

    Raises:
        DataError: A folder holds none.
    """
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
