"""`chainrule report`: the page of one run, of a study, or of several runs side by side."""

from __future__ import annotations

import argparse

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders; the page is written into the first")


def run(args: argparse.Namespace) -> Answer:
    """Write the page."""
    from chainrule import api

    path = api.report(args.runs)
    return Answer({"report": str(path)}, str(path))
