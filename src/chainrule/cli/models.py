"""`chainrule models`: networks by name, and the options of one."""

from __future__ import annotations

import argparse

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show the options of one")


def run(args: argparse.Namespace) -> Answer:
    """List them, or show one."""
    from rich.table import Table

    from chainrule.models import MODELS

    if args.name is None:
        table = Table("model", "what", box=None)
        for name in MODELS:
            table.add_row(name, MODELS.entry(name).about)
        return Answer([{"name": name, "about": MODELS.entry(name).about} for name in MODELS], table)
    entry = MODELS.entry(args.name)
    from chainrule.tasks.tables import accepted_options

    function = MODELS.resolve(args.name)
    options = {
        name: {
            "default": None if parameter.default is parameter.empty else repr(parameter.default),
            "type": str(parameter.annotation),
        }
        for name, parameter in accepted_options(function).items()
    }
    lines = [f"{args.name}: {entry.about}", *(f"  {key}: {value}" for key, value in entry.card.items()), "options:"]
    lines += [f"  --model.{name} ({o['type']}, default {o['default']})" for name, o in options.items()]
    text = "\n".join([*lines, "", (function.__doc__ or "").strip()])
    return Answer({"name": args.name, "about": entry.about, "card": dict(entry.card), "options": options}, text)
