"""Flickr8k: 8,000 photographs with five captions each, in a folder of one's own."""

from __future__ import annotations

import csv
from pathlib import Path

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data.captioned_images import CaptionedImages
from chainrule.data.coco_captions import find_pictures, is_inside
from chainrule.data.lines import read_lines

NAME = "flickr8k"
TOKENS, TABLE = "Flickr8k.token.txt", "captions.txt"
SPLITS = {
    "train": "Flickr_8k.trainImages.txt",
    "valid": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
"""Part -> the file that names its pictures, one a line."""
FOLDERS = ("Images", "images", "Flicker8k_Dataset", "Flickr8k_Dataset")
INSIDE = ("", "Flickr8k_text")
"""Where the text files may lie."""


def flickr8k(*, folder: str) -> CaptionedImages:
    """Return the pictures and captions of a folder in the form of Flickr8k.

    Captions stand in `Flickr8k.token.txt` (`PICTURE#NUMBER`, a tab, the caption) or in `captions.txt` (a table with the
    header `image,caption`); the official parts in `Flickr_8k.trainImages.txt`, `Flickr_8k.devImages.txt` and
    `Flickr_8k.testImages.txt`, where these are there. Then pictures that belong to no part are passed over, and counted
    in `facts["unused"]`. The pictures lie in `Images`, `images` or `Flicker8k_Dataset`.

    Args:
        folder: The folder.

    Raises:
        DataError: A file is missing, a line is no UTF-8 or of another form, a caption has the number of another one, a
            picture is missing, has no caption, or stands in two parts; says which.

    Source:
        Hodosh et al. 2013, Framing image description as a ranking task. The photographs belong to their makers; for
        non-commercial research and education only.
    """
    root = Path(folder).expanduser()
    table, tokens = _text_file(root, TABLE), _text_file(root, TOKENS)
    if table is None and tokens is None:
        raise DataError(f"{NAME}: there are no captions in {shown(root)}", expected=f"{TOKENS} or {TABLE} in it")
    found = _of_tokens(tokens) if tokens is not None else _of_table(table)  # type: ignore[arg-type]
    parts = _split_files(root)
    names = [name for part in parts.values() for name in part] if parts else list(found)
    for name in names:
        if name not in found:
            raise DataError(f"{NAME}: the picture {shown(name)} of a part has no caption")
    ranges, begin = {}, 0
    for part, inside in parts.items():
        ranges[part] = range(begin, begin + len(inside))
        begin += len(inside)
    return CaptionedImages(
        NAME,
        find_pictures(names, [root / place for place in FOLDERS], name=NAME),
        [found[name] for name in names],
        parts=ranges,
        facts={
            "source": "Hodosh et al. 2013, Flickr8k",
            "licence": "none: for non-commercial research and education only",
            "unused": len(found) - len(names),
        },
    )


def _text_file(root: Path, name: str) -> Path | None:
    return next((root / place / name for place in INSIDE if (root / place / name).is_file()), None)


def _split_files(root: Path) -> dict[str, list[str]]:
    """The pictures of each official part; none where there are no such files."""
    files = {part: _text_file(root, name) for part, name in SPLITS.items()}
    there = {part: file for part, file in files.items() if file is not None}
    if there and "train" not in there:
        raise DataError(f"{NAME}: there are parts, but none to learn from", expected=SPLITS["train"])
    found: dict[str, list[str]] = {}
    whose: dict[str, str] = {}
    for part, file in there.items():
        found[part] = [line.strip() for line in read_lines(file, name=NAME) if line.strip()]
        for name in found[part]:
            if name in whose:
                both = f"{SPLITS[whose[name]]} and {file.name}"
                raise DataError(f"{NAME}: the picture {shown(name)} is named twice", got=both)
            whose[name] = part
    return found


def _of_tokens(path: Path) -> dict[str, list[str]]:
    """`PICTURE#NUMBER<tab>caption`, a line each."""
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(read_lines(path, name=NAME), 1):
        if not line.strip():
            continue
        key, tab, caption = line.partition("\t")
        picture, sign, which = key.rpartition("#")
        if not tab or not sign or not is_inside(picture) or not caption.strip():
            raise _odd(path, number, "PICTURE#NUMBER, a tab, and the caption", line)
        captions = found.setdefault(picture, {})
        if which in captions:
            raise DataError(f"{NAME}: two captions of {shown(path)} have one number", got=shown(key))
        captions[which] = " ".join(caption.split())
    return {picture: list(captions.values()) for picture, captions in found.items()}


def _of_table(path: Path) -> dict[str, list[str]]:
    """`image,caption`, a line each; a caption with commas may stand in quotation marks or not."""
    lines = read_lines(path, name=NAME)
    if not lines or [cell.strip().lower() for cell in lines[0].split(",")] != ["image", "caption"]:
        raise _odd(path, 1, "the header image,caption", lines[0] if lines else "")
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        try:  # a line is a row, whatever quotation marks it leaves open
            row = next(csv.reader([line]))
        except csv.Error as error:
            raise _odd(path, number, str(error), line) from None
        picture, caption = row[0].strip(), " ".join(",".join(row[1:]).split())
        if not is_inside(picture) or not caption:
            raise _odd(path, number, "a picture, a comma, and the caption", line)
        found.setdefault(picture, []).append(caption)
    return found


def _odd(path: Path, number: int, expected: str, line: str) -> DataError:
    return DataError(
        f"{NAME}: line {number:,} of {shown(path)} is of another form", expected=expected, got=repr(line[:60])
    )
