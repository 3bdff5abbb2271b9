"""`chainrule optimizers`: how optimizers go down a surface, step by step."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.analysis.surfaces import Comparison

KINDS = (".html", ".gif", ".png", ".svg")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "surface",
        nargs="*",
        metavar="SURFACE",
        help='bowl, ravine, saddle, plateau, local-minima, rosenbrock (these when left out), network, "x**2 + 10*y**2" '
        "or FILE.py:NAME",
    )
    parser.add_argument("--start", metavar="X,Y", help="where to begin; needed for functions of your own")
    parser.add_argument("--methods", metavar="A,B", help="gd, sgd, momentum, momentum-steps, nesterov, adagrad, "
                        "rmsprop, adam, adamw, newton (all when left out)")  # fmt: skip
    parser.add_argument("--steps", type=int, metavar="N", help="steps of each (default: 500; network: 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise and of the network's start")
    parser.add_argument("-o", "--out", metavar="FILE", help="page with a slider (.html), animation (.gif), picture "
                        "(.png, .svg)")  # fmt: skip
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of a picture (default: light)")


def run(args: argparse.Namespace) -> Answer:
    """Compare, and draw where a file is named.

    Raises:
        UsageError: A surface, start, method or file that cannot be used; nothing is written.
    """
    from chainrule.analysis.surfaces import SURFACES, compare_optimizers, find_surface

    if args.out is not None and Path(args.out).suffix.lower() not in KINDS:
        raise UsageError(f"{args.out} is no picture that can be made", expected=", ".join(KINDS))
    if args.seed < 0:
        raise UsageError("a seed is not negative", got=args.seed)
    start = _numbers(args.start)
    methods = [name.strip() for name in (args.methods or "").split(",") if name.strip()]
    if "network" in args.surface:
        from chainrule.runtime.environment import set_threads

        set_threads(1)  # its matrices are so small that threads wait for each other
    surfaces = [find_surface(text, start, seed=args.seed) for text in dict.fromkeys(args.surface or SURFACES)]
    found = [compare_optimizers(one, methods, steps=args.steps, seed=args.seed) for one in surfaces]
    data: dict[str, Any] = {"surfaces": [one.as_dict() for one in found], "seed": args.seed}
    if args.out is not None:
        from chainrule.core.store import write_file

        write_file(args.out, _file(found, Path(args.out).suffix.lower(), args))
        data["file"] = args.out
    return Answer(data, _text(found, args))


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f'--start "{text}" is no list of numbers', expected="numbers with commas between", remedy="--start 1,2"
        ) from None


def _file(found: Sequence[Comparison], kind: str, args: argparse.Namespace) -> bytes:
    from chainrule.analysis.surfaces._page import comparison_page, landscape_of

    if kind == ".html":
        return comparison_page(found, command=args.command).encode()
    pictures = [landscape_of(one) for one in found]
    if kind == ".svg":
        from chainrule.draw import landscape_svg

        return landscape_svg(pictures, theme=args.theme).encode()
    from chainrule.draw import landscape_gif, landscape_png

    return landscape_gif(pictures, theme=args.theme) if kind == ".gif" else landscape_png(pictures, theme=args.theme)


def _text(found: Sequence[Comparison], args: argparse.Namespace) -> Any:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from chainrule.analysis.surfaces._compare import search_text
    from chainrule.analysis.surfaces._page import COLUMNS, comparison_table, notes
    from chainrule.draw import table_text

    shown: list[Any] = []
    for one in found:
        about = Text(one.surface.name, style="bold")
        about.append(f"  {one.surface.about}", style="dim")
        shown += [about, table_text(comparison_table(one))]
        shown += [Padding(Text(note), (0, 0, 0, 1), expand=False) for note in notes(one)]
        shown.append(Text())
    if not args.quiet:
        how = search_text([path.method for path in found[0].paths])
        shown.append(Text(f"{how} {COLUMNS}", style="dim"))
        end = (
            f"written: {args.out}" if args.out else "-o paths.html shows the paths, with a slider; -o paths.gif moves."
        )
        shown.append(Text(end))
    return Group(*shown)
