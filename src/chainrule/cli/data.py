"""`chainrule data`: list data sets, check one, fetch one."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import DataError, UsageError, unknown

ACTIONS = ("list", "check", "fetch")

MANY = 2000
"""From so many picture files on, `check` tells how far it is."""

FEW = 100
"""Of more classes only those that have pictures are listed."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("action", metavar="list|check|fetch", help="what to do")
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME|PATH",
        help="a data set, a folder with one directory per class, tar files (shards), a folder of `datasets`, "
        "or a table of texts",
    )
    parser.add_argument("--offline", action="store_true", help="never download")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split that is looked at (check)")


def run(args: argparse.Namespace) -> Answer:
    """Do what was asked.

    Raises:
        UsageError: An unknown action or name.
        DataError: The data are missing or damaged.
    """
    from chainrule.data.fetch import no_downloads

    if args.action not in ACTIONS:
        raise UsageError(
            f'there is no action "{args.action}" of `data`', remedy=unknown("action", args.action, ACTIONS)
        )
    if args.action != "list" and args.name is None:
        raise UsageError(f"`data {args.action}` needs a name", remedy="`chainrule data list` shows the names")
    with no_downloads(bool(getattr(args, "offline", False))):
        if args.action == "list":
            return list_sets(args.name)
        quiet = bool(getattr(args, "quiet", False) or getattr(args, "no_progress", False))
        return check(args.name, args.seed, quiet=quiet) if args.action == "check" else fetch(args.name, quiet=quiet)


def list_sets(name: str | None = None) -> Answer:
    """Say which data sets there are, and where the files of each were found or how they are got."""
    from rich.table import Table

    from chainrule.data import EVERY_SET

    if name is not None:
        EVERY_SET.entry(name)  # an unknown name is an error with the nearest one
    rows = [_row(one) for one in EVERY_SET.names() if name in (None, one)]
    table = Table(title=None, box=None, pad_edge=False)
    for column in ("name", "what", "task", "MB", "licence", "where"):
        table.add_column(column, no_wrap=column == "name", justify="right" if column == "MB" else "left")
    for row in rows:
        size = "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}"
        table.add_row(row["name"], row["about"], row["task"], size, row["licence"] or "", row["found"] or row["origin"])
    return Answer({"sets": rows}, table)


def _row(name: str) -> dict[str, Any]:
    from chainrule.data import EVERY_SET
    from chainrule.data.fetch import find, find_known
    from chainrule.data.known import CIFAR10_ARCHIVE, KNOWN

    entry = EVERY_SET.entry(name)
    found, of = None, entry.card.get("files of", name)
    if of in KNOWN:
        paths = [find_known(of, file, inside="cifar-10-batches-bin") for file in KNOWN[of].files]
        if name == "cifar10" and not all(paths):
            paths = [find(name, (CIFAR10_ARCHIVE.name,))]
        found = str(paths[0].parent) if paths[0] is not None and all(paths) else None
    elif name == "cifar10-jpeg":
        path = find(name, ("cifar10_jpeg.npz",))
        found = None if path is None else str(path.parent)
    card = entry.card
    return {
        "name": name,
        "about": entry.about,
        "task": ", ".join([card.get("task", ""), *card.get("also", ())]),
        "bytes": card.get("bytes"),
        "licence": card.get("licence"),
        "found": found,
        "origin": card.get("origin", ""),
    }


def fetch(name: str, *, quiet: bool = False) -> Answer:
    """Find or download the files of a data set, and verify every byte of them."""
    from chainrule.data import EVERY_SET
    from chainrule.data.fetch import locate, verify
    from chainrule.data.known import KNOWN

    _refuse_own(name)
    if name not in KNOWN:
        EVERY_SET.resolve(name)()
        return Answer({"name": name, "files": []}, f"{name} is complete ({EVERY_SET.entry(name).card['origin']})")
    shown = None if quiet else _Shown("MB", 1e6)
    if name == "cifar10":
        from chainrule.data.cifar10 import binary_files

        paths = binary_files(shown)
    else:
        paths = [locate(name, file, progress=shown) for file in KNOWN[name].files]
    wrong = [text for path, file in zip(paths, KNOWN[name].files) if (text := verify(path, file)) is not None]
    if wrong:
        raise DataError(f"{name} is damaged: {'; '.join(wrong)}", remedy="remove the files and fetch them again")
    places = sorted({str(path.parent) for path in paths})
    return Answer({"name": name, "files": [str(path) for path in paths]}, f"{name} is complete in {', '.join(places)}")


def _refuse_own(name: str) -> None:
    """Refuse the names of sets that are somebody's own files.

    Raises:
        UsageError: It is one; says how it is named.
    """
    from chainrule.data import EVERY_SET

    origin = EVERY_SET.entry(name).card.get("origin", "")
    if origin.startswith("--data."):
        raise UsageError(
            f"{name} is your own data",
            remedy=f"train with --data.name {name} {origin}; `chainrule data check` takes its path",
        )


class _Shown:
    """Tells on stderr, a line a tenth, how far something long is."""

    def __init__(self, unit: str, scale: float) -> None:
        self.unit, self.scale, self.last = unit, scale, ("", -1)

    def __call__(self, name: str, come: int, total: int) -> None:
        tenth = 10 * come // max(1, total)
        if (name, tenth) != self.last:
            self.last = (name, tenth)
            print(f"{name}: {come / self.scale:,.0f} of {total / self.scale:,.0f} {self.unit}", file=sys.stderr)


def check(name: str, seed: int, *, quiet: bool = False) -> Answer:
    """Look through a data set: counts, balance, sizes and modes, unreadable files, duplicates, checksums."""
    from chainrule.cli._data_texts import check_labeled_texts, is_table
    from chainrule.data import CAPTIONS, DATA, EVERY_SET, LABELED_TEXTS, PAIRS, TEXTS
    from chainrule.data._own_source import OWN_OPTION, own_source
    from chainrule.data._split import split
    from chainrule.data.check import check_data

    if is_table(name):
        return check_labeled_texts(name, [])
    source = own_source(name)
    if Path(name).exists() or source != "folder":
        images, problems = DATA.resolve(source)(**{OWN_OPTION[source]: name}), []
    elif name in EVERY_SET:
        _refuse_own(name)
        if name in TEXTS:
            return _check_text(name)
        if name in LABELED_TEXTS:
            return check_labeled_texts(name, _checksums(name))
        if name in PAIRS:
            return _check_pairs(name)
        if name in CAPTIONS:
            return _check_captions(name)
        images, problems = DATA.resolve(name)(), _checksums(name)
    else:
        raise DataError(
            f'there is no data set and no folder "{name}"', remedy=unknown("data set", name, EVERY_SET.names())
        )
    try:
        parts = split(
            images.labels, train=images.train, test=images.test, valid=images.valid, classes=images.classes, seed=seed
        )
    except DataError as error:
        parts, problems = None, [*problems, str(error)]
    shown = _Shown("pictures", 1)
    progress = None if quiet or name in DATA or len(images) < MANY else partial(shown, images.name)
    report = check_data(images, parts, problems=problems, progress=progress)
    data = {**report.to_data(), "facts": {key: value for key, value in images.facts.items() if key != "ignored"}}
    return Answer(data, _rendered(report), 0 if report.good else 9)


def _check_text(name: str) -> Answer:
    """Look through a text: its size, its characters, checksums."""
    from chainrule.data import TEXTS

    text = TEXTS.resolve(name)().text
    problems = _checksums(name)
    data = {
        "name": name,
        "characters": len(text),
        "different": len(set(text)),
        "lines": text.count("\n"),
        "words": len(text.split()),
        "problems": problems,
    }
    size = f"{name}: {data['characters']:,} characters, {data['different']} different ones"
    return Answer(
        data, "\n".join([f"{size}, {data['words']:,} words, {data['lines']:,} lines", *problems]), 9 if problems else 0
    )


def _check_pairs(name: str) -> Answer:
    """Look through pairs of sentences: how many, how long, checksums."""
    from chainrule.data import PAIRS

    pairs = PAIRS.resolve(name)()
    problems = _checksums(name)
    sides = {"source": pairs.source, "target": pairs.target}
    lengths = {side: max(map(len, texts)) for side, texts in sides.items()}
    data = {
        "name": name,
        "pairs": len(pairs),
        "parts": {part: len(place) for part, place in pairs.parts.items()},
        **{f"{side} sentences": len(set(texts)) for side, texts in sides.items()},
        **{f"{side} words": sum(len(text.split()) for text in texts) for side, texts in sides.items()},
        "longest": lengths,
        "problems": problems,
    }
    counts = [f"{data[f'{side} sentences']:,} different {side} sentences" for side in sides]
    longest = " and ".join(f"{length:,}" for length in lengths.values())
    said = f"{name}: {len(pairs):,} pairs, {', '.join(counts)}, the longest of {longest} characters"
    return Answer(data, "\n".join([said, *problems]), 9 if problems else 0)


def _check_captions(name: str) -> Answer:
    """Look through captioned pictures: how many, how many words, pictures that cannot be read, checksums."""
    from chainrule.data import CAPTIONS

    images = CAPTIONS.resolve(name)()
    pictures = images.pictures(224)
    found = [pictures.inspect(place) for place in range(len(images))]
    texts = [text for captions in images.captions for text in captions]
    problems = [*_checksums(name), *(f"{one.where}: {one.problem}" for one in found if one.problem)]
    data = {
        "name": name,
        "pictures": len(images),
        "captions": len(texts),
        "parts": {part: len(place) for part, place in images.parts.items()},
        "words": sum(len(text.split()) for text in texts),
        "longest": max(map(len, texts)),
        "same pictures": len(found) - len({one.digest for one in found}),
        "problems": problems,
    }
    said = f"{name}: {len(images):,} pictures, {len(texts):,} captions, {data['words']:,} words"
    said += f", the longest of {data['longest']:,} characters"
    return Answer(data, "\n".join([said, *problems]), 9 if problems else 0)


def _checksums(name: str) -> list[str]:
    from chainrule.data.fetch import find, find_known, verify
    from chainrule.data.known import KNOWN

    if name == "cifar10-jpeg":
        from chainrule.data.cifar10_jpeg import CONTENT_SHA256, FILE, content_digest, read_parts

        path = find(name, (FILE,))
        same = path is not None and content_digest(read_parts(path)) == CONTENT_SHA256
        return [] if same else [f"{FILE}: its content is not the known one"]
    problems = []
    for file in KNOWN[name].files if name in KNOWN else ():
        path = find_known(name, file, inside="cifar-10-batches-bin")
        wrong = f"{file.name} is missing" if path is None else verify(path, file)
        if wrong is not None:
            problems.append(wrong)
    return problems


def _rendered(report: Any) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    channels, height, width = report.shape
    use = "training" if "train" in report.parts else "measuring"
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for part in report.parts:
        table.add_column(part, justify="right")
    few = len(report.classes) <= FEW
    for i, label in enumerate(report.classes):
        if few or any(counts[i] for counts in report.parts.values()):
            table.add_row(Text(label), *(str(counts[i]) for counts in report.parts.values()))
    table.add_row("all", *(str(sum(counts)) for counts in report.parts.values()), style="bold")
    lines = [
        f"{report.name}: {report.count} pictures in {len(report.classes)} classes, as {height}x{width}x{channels}",
        "sizes: " + (", ".join(f"{count} of {size}" for size, count in list(report.sizes.items())[:8]) or "none"),
        "modes: " + (", ".join(f"{count} {mode}" for mode, count in report.modes.items()) or "none"),
    ]
    unreadable = [f"unreadable: {where}: {why}" for where, why in report.unreadable]
    ends = [
        *(Text(f"note: {note}") for note in report.notes),
        *(Text(f"wrong: {finding}", style="red") for finding in report.findings),
        Text(f"nothing speaks against {use} on it" if report.good else f"it should be put right before {use}"),
    ]
    return Group(*(Text(line) for line in lines), table, *(Text(line) for line in unreadable), *ends)
