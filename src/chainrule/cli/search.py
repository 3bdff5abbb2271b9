"""`chainrule search`: choose settings as the lecture says, in processes of any number of machines."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer

TAKES_SETTINGS = True
OWN_OPTIONS = ("--workers",)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = (
        "chainrule search RECIPE [--space SPACE.yaml] [-n N] [--workers W] [-o FOLDER] [--section.key value ...]"
    )
    parser.add_argument("recipe", metavar="RECIPE", help="name or YAML file; `chainrule recipes` lists them")
    parser.add_argument(
        "--space", metavar="FILE", help="what is searched: optim.lr: {low: 1e-4, high: 1e-1, scale: log}, "
        "model.hidden: {choices: [[64], [128]]} (default: rate and weight decay around the recipe's own)",
    )  # fmt: skip
    parser.add_argument(
        "-n",
        "--count",
        type=int,
        default=20,
        metavar="N",
        help="trainings in all, a quarter of them fine (default: 20)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="W", help="processes on this machine (default: 1)")
    parser.add_argument("-o", "--out", metavar="FOLDER", help="where; a search in it is gone on with, or joined")
    parser.add_argument(
        "--stages", metavar="A,B", default="initial,overfit,range,coarse,fine",
        help="which of initial,overfit,range,coarse,fine (default: all; range alone finds a rate)",
    )  # fmt: skip
    parser.add_argument("--sampler", default="random", metavar="random|tpe", help="how settings are drawn")
    parser.add_argument(
        "--pruner", default="median", metavar="median|hyperband|none", help="what ends trainings that fall behind"
    )
    parser.add_argument(
        "--share",
        type=float,
        default=0.25,
        metavar="S",
        help="length of a coarse training (default: 0.25 of the recipe)",
    )
    parser.add_argument("--storage", metavar="URL", help="a database that several machines share: postgresql://...")
    parser.add_argument("--study", metavar="NAME", help="name of the study in it (default: RECIPE-search)")
    parser.epilog = (
        "Any setting of the recipe can be given: --train.epochs 5, --data.limit 5000; it holds for all trainings. "
        "--seed is that of the trainings and of what is drawn. The same command again goes on where it stopped."
    )


def run(args: argparse.Namespace) -> Answer:
    """Search, with progress, and say what was found."""
    from chainrule import tuning
    from chainrule.cli._progress import show_each
    from chainrule.cli._search_shown import search_answer, teller

    several = args.workers > 1
    with show_each(quiet=args.quiet or args.json or several, bar=not args.no_progress) as observers:
        found: Mapping[str, Any] = tuning.search(
            args.recipe,
            space=None if args.space is None else Path(args.space),
            count=args.count,
            out=args.out,
            settings=args.settings,
            stages=[stage.strip() for stage in args.stages.split(",") if stage.strip()],
            workers=args.workers,
            sampler=args.sampler,
            pruner=args.pruner,
            share=args.share,
            storage=args.storage,
            study=args.study,
            observers=observers,
            tell=teller(quiet=args.quiet or args.json),
            command=args.command,
        )
    return search_answer(found, short=args.quiet)
