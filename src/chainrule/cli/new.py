"""`chainrule new`: write a recipe to start from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = "chainrule new [RECIPE] [--data.folder PHOTOS] [--section.key value ...] [-o recipe.yaml]"
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="recipe to start from; or give --data.folder")
    parser.add_argument(
        "-o", "--out", metavar="FILE", default="recipe.yaml", help="file to write (default: recipe.yaml)"
    )


def run(args: argparse.Namespace) -> Answer:
    """Write the file."""
    from chainrule import api

    recipe: Any = args.recipe
    settings = dict(args.settings)
    if recipe is None:
        if "data.folder" not in settings:
            raise UsageError("nothing to start from", remedy="name a recipe, or give --data.folder PHOTOS")
        from chainrule.tasks.images import recipe_for_folder

        recipe = recipe_for_folder(Path(str(settings["data.folder"])), settings)
        settings = {}
    path = api.new(recipe, args.out, settings=settings)
    return Answer({"recipe": str(path)}, f"{path}\ntrain it with: chainrule train {path}")
