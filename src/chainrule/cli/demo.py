"""`chainrule demo`: train a small network on real images, and show what came out."""

from __future__ import annotations

import argparse
from pathlib import Path

from chainrule.cli.answer import Answer
from chainrule.core.folder import new_folder

RECIPE = "digits-cnn"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("-o", "--out", metavar="RUN", help="run folder to make (default: runs/digits-cnn-DATE-TIME)")


def run(args: argparse.Namespace) -> Answer:
    """Train `digits-cnn`, then print test accuracy, a small confusion table and the path of the report."""
    from rich.console import Group

    from chainrule.cli._console import console
    from chainrule.cli.train import train_with_progress
    from chainrule.core.folder import RunFolder
    from chainrule.draw import confusion_text

    if not args.quiet and not args.json:
        console(stderr=True).print(f"Training {RECIPE}: handwritten digits, 1,797 real images of 8x8 pixels.")
    folder = Path(args.out) if args.out else new_folder(RECIPE)
    args.command = f"chainrule train {RECIPE}"
    answer = train_with_progress(args, RECIPE, {}, folder)
    facts = RunFolder(folder).read_json(RunFolder(folder).facts / "evaluation.json")["test"]
    words = "Rows are the true digits, columns what the network said:"
    next_steps = f"Next:   chainrule runs show {folder}\n        chainrule recipes"
    return Answer(
        answer.data, Group(answer.text, "", words, confusion_text(facts["confusion"], facts["classes"]), "", next_steps)
    )
