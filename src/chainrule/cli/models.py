"""`chainrule models`: networks by name, and the card and options of one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show the card and the options of one")


def run(args: argparse.Namespace) -> Answer:
    """List them, or show one."""
    return _list() if args.name is None else _one(args.name)


def _list() -> Answer:
    from rich.table import Column, Table
    from rich.text import Text

    from chainrule.models import EVERY_MODEL, MODELS

    table = Table(Column("model", no_wrap=True), "what", Column("parameters", justify="right", no_wrap=True), box=None)
    rows = []
    for name in EVERY_MODEL:
        entry = EVERY_MODEL.entry(name)
        counts = sorted(form["parameters"] for form in entry.card.get("forms", ()))
        rows.append({"name": name, "about": entry.about, "parameters": counts})
        table.add_row(
            name, Text(entry.about), " to ".join(dict.fromkeys(_short(n) for n in (counts[:1] + counts[-1:])))
        )
    for prefix, entry in MODELS.prefixes.items():
        table.add_row(f"{prefix}NAME", Text(entry.about), "")
    return Answer(rows, table)


def _one(name: str) -> Answer:
    from chainrule.models import EVERY_MODEL
    from chainrule.tasks.tables import accepted_options, argument_texts

    entry = EVERY_MODEL.entry(name)
    function = EVERY_MODEL.resolve(name)
    texts = argument_texts(function)
    options = {
        key: {
            "default": None if parameter.default is parameter.empty else repr(parameter.default),
            "type": str(parameter.annotation),
            "about": texts.get(key, ""),
        }
        for key, parameter in accepted_options(function).items()
    }
    data = {"name": name, "about": entry.about, "card": dict(entry.card), "options": options}
    return Answer(data, _page(data, function.__doc__ or ""))


def _page(data: Mapping[str, Any], docstring: str) -> Any:
    from rich.console import Group
    from rich.padding import Padding

    card = data["card"]
    shown: list[Any] = [f"{data['name']}: {data['about']}", *(["", _facts(card)] if card else [])]
    if card.get("forms"):
        shown += ["", _forms(card["forms"])]
    if data["options"]:
        shown += ["", _options(data["options"])]
    notes = _section(docstring, "Departures")
    if notes:
        shown += ["", "departures", Padding(notes, (0, 0, 0, 2))]
    return Group(*shown)


def _facts(card: Mapping[str, Any]) -> Any:
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column(no_wrap=True), "", box=None, show_header=False)
    rows = [("paper", card.get("paper")), ("lectures", str(card.get("source", "")).removeprefix("LECTURES "))]
    rows.append(("least input", _size(card["least"]) if "least" in card else None))
    if "images" in card:
        images = card["images"]
        mean, deviation = (", ".join(map(str, images[key])) for key in ("mean", "deviation"))
        rows += [
            ("published for", f"shorter side {images['resize']}, middle {images['size']}x{images['size']},"),
            ("", f"mean {mean}; deviation {deviation}, of pixels in [0, 1]"),
        ]
    for weights in card.get("weights", ()):
        rows += [
            ("weights", f"{weights['name']} ({_written(weights['options'])}), {weights['classes']:,} classes"),
            ("", f"{weights['file']}, sha256 {weights['sha256']}"),
            ("", f"{weights['license']}; {weights['origin']}"),
        ]
    for key, value in rows:
        if value:
            table.add_row(key, Text(value))
    return table


def _forms(forms: list[dict[str, Any]]) -> Any:
    from rich.table import Column, Table
    from rich.text import Text

    right: Any = {"justify": "right", "no_wrap": True}
    columns = [Column(name, **right) for name in ("input", "classes", "parameters", "multiply-adds")]
    table = Table("form", *columns, box=None)
    for form in forms:
        numbers = [f"{form[key]:,}" for key in ("classes", "parameters", "multiply_adds")]
        table.add_row(Text(_written(form["options"]) or "default"), _size(form["input"]), *numbers)
    return table


def _options(options: Mapping[str, Mapping[str, Any]]) -> Any:
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("option", no_wrap=True), Column("default", no_wrap=True), "type", "what", box=None)
    for key, option in options.items():
        needed = "needed" if option["default"] is None else option["default"]
        table.add_row(f"--model.{key}", Text(needed), Text(option["type"]), Text(option["about"]))
    return table


def _section(docstring: str, title: str) -> str:
    """The text of one section of a docstring, in one line."""
    import inspect

    _, _, rest = inspect.cleandoc(docstring).partition(f"\n{title}:\n")
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        lines.append(line.strip())
    return " ".join(lines).strip()


def _written(options: Mapping[str, Any]) -> str:
    words = {True: "true", False: "false"}
    return ", ".join(f"{key} {words[value] if isinstance(value, bool) else value}" for key, value in options.items())


def _size(shape: list[int]) -> str:
    """(C, H, W) as height x width x channels, as the layer notation has it."""
    return "x".join(map(str, [*shape[1:], shape[0]]))


def _short(number: int) -> str:
    for unit, word in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {word}"
    return str(number)
