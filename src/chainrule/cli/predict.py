"""`chainrule predict`: classify picture files with a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import DataError, UsageError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("sources", nargs="+", metavar="FILE|FOLDER|-", help="pictures; - reads one from standard input")
    parser.add_argument("-n", "--count", type=int, default=5, help="how many classes to show for each")
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")


def run(args: argparse.Namespace) -> Answer:
    """Classify, one block a picture."""
    from chainrule.cli._own import own_network
    from chainrule.tasks import Run

    if args.count < 1:
        raise UsageError("predict shows the most probable classes", expected="-n 1 or more", got=args.count)
    opened = Run.open(args.run)
    own = own_network(args.model)
    module = own.build(**opened.recipe.model.options) if own else None
    answers = opened.predict(_pictures(args.sources), top=args.count, module=module)
    data = [
        {"source": a.source, "class": a.label, "probability": a.probability, "top": [list(pair) for pair in a.top]}
        for a in answers
    ]
    blocks = []
    for answer in answers:
        others = ", ".join(f"{name} {chance:.3f}" for name, chance in answer.top[1:])
        blocks.append(f"{answer.source}: {answer.label} {answer.probability:.3f}" + (f"  ({others})" if others else ""))
    return Answer(data, "\n".join(blocks))


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
