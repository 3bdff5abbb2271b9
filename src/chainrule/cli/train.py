"""`chainrule train`: a recipe, the recipes of a study, or a folder of pictures, in a run folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chainrule.cli._processes import add_processes, share
from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError
from chainrule.core.folder import new_folder
from chainrule.runtime.launched import is_first

TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = "chainrule train RECIPE [--section.key value ...] [-o RUN]"
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="name or YAML file, also of a study; `chainrule recipes` lists them"
    )
    parser.add_argument("-o", "--out", metavar="RUN", help="run folder to make (default: runs/RECIPE-DATE-TIME)")
    parser.add_argument("--model", metavar="FILE.py:NAME", help="train a network of your own in the recipe")
    parser.add_argument("--repeats", type=int, metavar="N", help="train with N seeds; gives mean and deviation")
    add_processes(parser)
    parser.add_argument(
        "--ensemble",
        type=int,
        metavar="N",
        help="train N networks that answer together; --data.bootstrap true varies the data",
    )
    parser.epilog = (
        "Any setting of the recipe can be given: --optim.lr 0.01, --train.epochs 5, --model.name resnet. "
        "--seed, --threads and --workers stand for --train.seed and so on. "
        "--data.folder PHOTOS trains on a folder with one directory per class."
    )


def run(args: argparse.Namespace) -> Answer:
    """Train, and say what came out."""
    if args.repeats is not None and args.processes != 1:
        raise UsageError("repeated runs are not shared among processes", remedy="leave out --repeats or --processes")
    share(args, *([] if args.out else ["--out", str(new_folder(str(args.recipe or "folder")))]))
    from chainrule.cli._own import own_network

    settings = dict(args.settings)
    recipe: Any = args.recipe
    if recipe is None:
        if "data.folder" not in settings:
            raise UsageError("no recipe is named", remedy="chainrule train RECIPE; `chainrule recipes` lists them")
        from chainrule.tasks.images import recipe_for_folder

        recipe = recipe_for_folder(Path(str(settings["data.folder"])), settings)
        settings = {}
    elif "data.folder" in settings:
        settings.setdefault("data.name", "folder")
    own = own_network(args.model)
    from chainrule import api

    if args.ensemble is not None and (args.repeats is not None or api.names_study(recipe)):
        raise UsageError("an ensemble is of one recipe", got="--repeats or a study", remedy="leave one of them out")
    if args.ensemble is not None:
        return _ensemble(args, recipe, settings, own)
    if api.names_study(recipe):
        return _several(args, recipe, settings, own, study=True)
    if args.repeats is not None:
        return _several(args, recipe, settings, own)
    folder = Path(args.out) if args.out else new_folder(str(args.recipe or "folder"))
    return train_with_progress(args, recipe, settings, folder, own)


def train_with_progress(args: Any, recipe: Any, settings: dict[str, Any], folder: Path, own: Any = None) -> Answer:
    """Train in a folder with a progress bar and return the summary."""
    from chainrule import api
    from chainrule.cli._progress import show_progress
    from chainrule.cli._summary import run_answer

    quiet = args.quiet or args.json or not is_first()
    with show_progress(quiet=quiet, bar=not args.no_progress, title=folder.name) as watch:
        run = api.train(recipe, out=folder, settings=settings, observers=[watch], own=own, command=args.command)
    if not is_first():
        raise SystemExit(0)  # process 0 says what came out
    return run_answer(run)


def _ensemble(args: argparse.Namespace, recipe: Any, settings: dict[str, Any], own: Any) -> Answer:
    from chainrule import api
    from chainrule.cli._progress import show_each
    from chainrule.cli._summary import run_answer

    place = {"out": args.out, "settings": settings, "own": own, "command": args.command}
    with show_each(quiet=args.quiet or args.json, bar=not args.no_progress) as observers:
        return run_answer(api.ensemble(recipe, args.ensemble, observers=observers, **place))


def _several(
    args: argparse.Namespace, recipe: Any, settings: dict[str, Any], own: Any, *, study: bool = False
) -> Answer:
    from chainrule import api
    from chainrule.cli._progress import show_each
    from chainrule.cli._summary import repeats_answer, study_answer

    place = {"out": args.out, "settings": settings, "own": own, "command": args.command}
    with show_each(quiet=args.quiet or args.json, bar=not args.no_progress) as observers:
        if study:
            return study_answer(api.compare(recipe, repeats=args.repeats, observers=observers, **place))
        return repeats_answer(api.repeat(recipe, args.repeats, observers=observers, **place))
