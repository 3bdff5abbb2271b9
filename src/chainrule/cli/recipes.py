"""`chainrule recipes`: recipes and studies by name, and the text of one."""

from __future__ import annotations

import argparse

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show the text of one")
    parser.add_argument("--keys", action="store_true", help="every key that a recipe may have, with its default")


def run(args: argparse.Namespace) -> Answer:
    """List them, or show one."""
    from rich.table import Column, Table

    if args.keys:
        return _keys(args.name)
    from chainrule.core.settings import read_recipe
    from chainrule.core.study import study_from_data
    from chainrule.recipes import measured, recipe_file, recipe_names, recipe_text, study_names

    if args.name is not None:
        text = recipe_text(args.name)
        return Answer({"name": args.name, "text": text}, text)
    table = Table(Column("recipe", no_wrap=True), "what", "measured", box=None)
    rows = []
    for name in recipe_names():
        data = read_recipe(recipe_file(name))
        facts = {"name": name, "about": data.get("about", ""), "data": data["data"]["name"]}
        rows.append({**facts, "model": data["model"]["name"], "measured": measured(name)})
        table.add_row(name, facts["about"], measured(name))
    for name in study_names():
        study = study_from_data(read_recipe(recipe_file(name)))
        labels = list(study.members)
        rows.append({"name": name, "about": study.about, "compare": labels, "measured": measured(name)})
        table.add_row(name, f"{study.about} (a study of {len(labels)} recipes)", measured(name))
    return Answer(rows, table)


def _keys(section: str | None) -> Answer:
    from rich.table import Column, Table
    from rich.text import Text

    from chainrule.tasks.tables import recipe_keys

    rows = recipe_keys(section)
    table = Table(Column("key", no_wrap=True), Column("of", no_wrap=True), "default", "what", box=None)
    for row in rows:
        of = row["part"] or (f"task {row['task']}" if row["task"] else "")
        table.add_row(*(Text(text) for text in (row["key"], of, row["default"], row["about"])))
    return Answer(rows, table)
