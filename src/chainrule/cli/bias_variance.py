"""`chainrule bias-variance`: the error of a recipe taken apart, over one of its settings."""

from __future__ import annotations

import argparse
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = "chainrule bias-variance RECIPE --over SETTING --values A,B,C [--section.key value ...] [-o FOLDER]"
    parser.add_argument("recipe", metavar="RECIPE", help="name or YAML file; `chainrule recipes` lists them")
    parser.add_argument(
        "--over", metavar="SETTING", required=True, help="what changes: model.k, model.hidden, penalty.l2"
    )
    parser.add_argument(
        "--values", metavar="A,B,C", required=True, help="its values: 1,5,25, or [4],[16],[64] for lists"
    )
    parser.add_argument("--sets", type=int, default=8, metavar="N", help="sets of data at each value (default: 8)")
    parser.add_argument(
        "--draw",
        choices=("subsets", "bootstrap"),
        default="subsets",
        help="subsets: disjoint parts of the training images; bootstrap: drawn with replacement (default: subsets)",
    )
    parser.add_argument("-o", "--out", metavar="FOLDER", help="where; an interrupted measurement in it is gone on with")
    parser.epilog = "Any other setting of the recipe can be given: --train.epochs 20, --data.limit 800, --seed 3."


def run(args: argparse.Namespace) -> Answer:
    """Measure, with progress, and say what came out.

    Raises:
        UsageError: The values cannot be read, or the folder holds something else.
        RecipeError: The recipe does not take one of the values; nothing is trained.
    """
    values = _values(args.values)
    from rich.console import Group
    from rich.text import Text

    from chainrule.cli._progress import show_each
    from chainrule.diagnosis import bias_variance
    from chainrule.diagnosis._bias_variance_page import how_text, lowest_text, measurement_table
    from chainrule.draw import table_text

    with show_each(quiet=args.quiet or args.json, bar=not args.no_progress) as observers:
        found = bias_variance(
            args.recipe,
            over=args.over.removeprefix("--"),
            values=values,
            sets=args.sets,
            draw=args.draw,
            out=args.out,
            settings=args.settings,
            observers=observers,
            command=args.command,
        )
    shown: list[Any] = [table_text(measurement_table(found)), Text()]
    if not args.quiet:
        shown += [Text(lowest_text(found)), Text(how_text(found), style="dim"), Text()]
        shown.append(Text(f"report: {found['folder']}/report.html"))
    return Answer(found, Group(*shown))


def _values(text: str) -> list[Any]:
    """`1,5,25` or `[4],[16]` as a list."""
    from chainrule.core.settings import setting

    try:
        found = setting(f"[{text}]")
    except UsageError:
        found = None
    if not isinstance(found, list) or not found or any(isinstance(value, dict) or value is None for value in found):
        raise UsageError(f'--values "{text}" is no list of values', expected="values with commas between",
                         remedy="--values 1,5,25")  # fmt: skip
    return found
