"""The data: where they come from, how they are prepared, what they look like, how the classes are balanced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from chainrule.draw.confusion import MAP_CLASSES, class_names
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.picture import is_picture
from chainrule.draw.sections.absence import absent
from chainrule.draw.sections.evaluation import is_small
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import count_text, listing, mapping, number_text, plain_text, real, share_text, whole

MOST_SAMPLES: Final = 48
MOST_NAMES: Final = 20
_COUNTED: Final = {"empty": "empty lines, left out", "cut": "cut, as they were too long"}


def data_part(facts: Facts) -> Part | Absent:
    """Return the summary of the data."""
    data = facts.data
    if not data:
        return absent(facts, "data", "Data")
    blocks: list[tuple[str, Markup]] = [("", render("facts.html", pairs=_summary(data)))]
    if unreadable := _unreadable(facts):
        blocks.append(("Cannot be read", table_html(unreadable)))
    samples = [picture for picture in listing(data.get("samples"))[:MOST_SAMPLES] if is_picture(picture)]
    if samples:
        pictures = [
            {"picture": picture, "label": "", "alt": f"training example {number}", "pixelated": is_small(picture)}
            for number, picture in enumerate(samples, 1)
        ]
        blocks.append(("Examples", render("pictures.html", pictures=pictures, size="medium", note="")))
    if texts := _texts(data):
        blocks.append(("Examples", texts))
    if beginning := plain_text(data.get("beginning"), limit=2000):
        blocks.append(("It begins", render("written.html", prompt="", text=beginning)))
    balance, note = _balance(data)
    if balance:
        blocks.append(("Class balance", Markup("{}<p class=note>{}</p>").format(table_html(balance), note)))
    return Part("data", "Data", render("stack.html", blocks=blocks), plain_text(data.get("note")), ("A9",))


def _summary(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = {part: real(share) for part, share in mapping(data.get("known")).items()}
    shape = [whole(size) for size in listing(data.get("shape"))]
    pairs = [("name", plain_text(data.get("name"), limit=120))]
    pairs += [
        (plain_text(part, limit=40), f"{count_text(count)} {_units(data)}")
        for part, count in mapping(data.get("parts")).items()
    ]
    if shape:
        pairs.append(("shape", "×".join("?" if size is None else str(size) for size in shape)))
    if listing(data.get("classes")):
        pairs.append(("classes", count_text(len(data["classes"]))))
    pairs += [
        (f"targets of {plain_text(part, limit=40)} that are known from training", share_text(share, digits=1))
        for part, share in known.items()
        if share is not None
    ]
    pairs += flat_pairs(
        {name: data[name] for name in ("tokenizer", "features", "normalization", "augment") if data.get(name)}
    )
    pairs += [(title, count_text(data[name])) for name, title in _COUNTED.items() if whole(data.get(name))]
    if (padding := real(data.get("padding"))) is not None:
        pairs.append(("padding of a step", share_text(padding, digits=1)))
    pairs += [(name, plain_text(data[name])) for name in ("source", "licence") if data.get(name)]
    return [(name, value) for name, value in pairs if value]


def _unreadable(facts: Facts) -> Table | None:
    """What could not be read: in training, where others stood in, and where something was measured."""
    skipped = mapping(mapping(facts.run.get("result")).get("skipped"))
    found = [("training", "replaced", skipped.get("count"), skipped.get("seen"), skipped.get("examples"))]
    for part, name in (("valid", "validation"), ("test", "test")):
        entry = mapping(facts.evaluation.get(part))
        count, measured = entry.get("skipped"), whole(entry.get("count"))
        of = None if measured is None else measured + (whole(count) or 0)
        found.append((name, "left out", count, of, entry.get("left_out")))
    rows = [
        [
            part,
            done,
            whole(count),
            whole(of),
            ", ".join(plain_text(one, limit=200) for one in listing(names)[:MOST_NAMES]),
        ]
        for part, done, count, of, names in found
        if whole(count)
    ]
    columns = [
        Column("part"),
        Column("pictures were"),
        Column("times", "count"),
        Column("of", "count"),
        Column("which"),
    ]
    return Table("Cannot be read", columns, rows) if rows else None


def _texts(data: Mapping[str, Any]) -> Markup | None:
    """A text of each class."""
    names = class_names(listing(data.get("classes")), len(listing(data.get("classes"))))
    rows = []
    for one in map(mapping, listing(data.get("texts"))[:MOST_SAMPLES]):
        place = whole(one.get("class"))
        name = names[place] if place is not None and 0 <= place < len(names) else "?"
        rows.append([name, plain_text(one.get("text"), limit=300)])
    return table_html(Table("Examples", [Column("class"), Column("text")], rows)) if rows else None


def _units(data: Mapping[str, Any]) -> str:
    """What the parts are counted in."""
    return plain_text(data.get("units"), limit=20) or ("tokens" if data.get("characters") else "examples")


def flat_pairs(value: Mapping[str, Any], before: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Return nested facts as names and texts; a long list of numbers is only counted.

    Example:
        >>> flat_pairs({"normalization": {"mean": [0.31], "std": 2}, "flip": True})
        [('normalization mean', '0.31'), ('normalization std', '2'), ('flip', 'yes')]
    """
    found: list[tuple[str, str]] = []
    for key, item in list(value.items())[:200]:
        name = f"{before} {plain_text(key, limit=80)}".strip()
        if isinstance(item, Mapping) and depth < 6:
            found += flat_pairs(item, name, depth + 1)
        else:
            found.append((name, _fact(item)))
    return found


def _fact(item: Any) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, list):
        return ", ".join(_fact(one) for one in item) if len(item) <= 6 else f"{len(item):,} values"
    number = real(item)
    return plain_text(item) if number is None else str(item) if isinstance(item, int) else number_text(number, digits=6)


def _balance(data: Mapping[str, Any]) -> tuple[Table | None, str]:
    counts = {plain_text(part, limit=40): listing(row) for part, row in mapping(data.get("counts")).items()}
    counts = {part: row for part, row in counts.items() if row}
    if not counts:
        return None, ""
    size = max(len(row) for row in counts.values())
    names = class_names(listing(data.get("classes")), size)
    rows = [[name, *(row[k] if k < len(row) else None for row in counts.values())] for k, name in enumerate(names)]
    columns = [Column("class"), *(Column(part, "count", bar=True) for part in counts)]
    part, first = next(iter(counts.items()))
    if size <= MAP_CLASSES:
        return Table("Class balance", columns, rows, sortable=True), _spread(part, first, names)
    there = [row for row in rows if any(row[1:])]
    note = f"{len(there):,} of {size:,} classes have examples"
    if len(there) > MAP_CLASSES:
        there = sorted(there, key=lambda row: -(whole(row[1]) or 0))
        there = [*there[: MAP_CLASSES // 2], *there[-MAP_CLASSES // 2 :]]
        note += f"; shown are the {len(there)} with the most and the fewest in {part}"
    return Table("Class balance", columns, there, sortable=True), f"{note}."


def _spread(part: str, row: Sequence[Any], names: Sequence[str]) -> str:
    sizes = [whole(value) or 0 for value in row]
    small, large = min(sizes), max(sizes)
    if small == large:
        return f"Every class has {small:,} examples in {part}."
    text = f"From {small:,} ({names[sizes.index(small)]}) to {large:,} ({names[sizes.index(large)]}) examples in {part}"
    return f"{text}." if small == 0 else f"{text}, 1 to {number_text(large / small, digits=2)}."
