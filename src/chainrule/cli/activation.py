"""`chainrule activation`: what a function of one number is worth as an activation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

KINDS = (".html", ".svg", ".png")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "function",
        metavar="FUNCTION",
        help='an expression of x, "max(0.25*x, 0.75*x)"; sigmoid, tanh, relu, leaky_relu, elu, gelu, identity, step; '
        "or FILE.py:NAME",
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="page (.html) or picture (.svg, .png)")
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of a picture (default: light)")
    parser.add_argument("--torch", action="store_true", help="measure its time beside ReLU in torch")


def run(args: argparse.Namespace) -> Answer:
    """Report on a function, and draw it where a file is named.

    Raises:
        UsageError: The function cannot be read, or the file is of no kind that can be made; nothing is written.
    """
    from chainrule.analysis import find_activation, report_activation
    from chainrule.analysis._activation_page import activation_page, activation_picture

    kind = Path(args.out).suffix.lower() if args.out is not None else ""
    if args.out is not None and kind not in KINDS:
        raise UsageError(f"{args.out} is no picture that can be made", expected=", ".join(KINDS))
    function = find_activation(args.function)
    report = report_activation(function)
    cost = None
    if args.torch:
        from chainrule.analysis._activation_cost import cost_beside_relu

        cost = cost_beside_relu(function)
    data: dict[str, Any] = {**report.as_dict(), "cost_beside_relu": cost}
    if args.out is not None:
        from chainrule.core.store import write_file

        if kind == ".html":
            made = activation_page(function, report, command=args.command, cost=cost).encode()
        else:
            made = activation_picture(function, format="svg" if kind == ".svg" else "png", theme=args.theme)
        write_file(args.out, made)
        data["file"] = args.out
    return Answer(data, _text(function, report, cost, args))


def _text(function: Any, report: Any, cost: Any, args: argparse.Namespace) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from chainrule.analysis._activation_page import fact_rows, plot_text, verdict

    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in fact_rows(report, cost):
        facts.add_row(Text(name, style="bold"), Text(fact))
    shown: list[Any] = [Text(verdict(report), style="bold green" if report.serves else "bold red"), Text()]
    if not args.quiet:
        shown += [Text(plot_text(function)), Text()]
    shown.append(facts)
    if args.out is not None and not args.quiet:
        shown.append(Text(f"\nwritten: {args.out}"))
    return Group(*shown)
