"""Captions in COCO's form: a JSON file that names pictures and what was written about them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data._archive import opened_archive, require_size
from chainrule.data.captioned_images import CaptionedImages
from chainrule.data.fetch import locate, verify
from chainrule.data.known import KNOWN

NAME, OPEN = "coco-captions", "coco-open-captions"
PARTS = {"train": "train", "val": "valid", "test": "test"}
"""How a file or an entry calls a part -> the part."""
_FILE = re.compile(r"captions_(train|val|test)(\d*)\.json")
_BYTES_AT_MOST = 2**27  # unpacked, all photographs together; the known archive has 16 MB

Captioned = Mapping[str, list[str]]
"""File name of a picture -> its captions."""


def coco_captions(*, folder: str) -> CaptionedImages:
    """Return the pictures and captions of a folder in COCO's form.

    `FOLDER/annotations/captions_train2017.json` (or without `annotations/`) is the training part, `captions_val...` the
    validation part and `captions_test...` the test part; missing parts are split off the training part. Pictures lie in
    `FOLDER/train2017/` and so on, or in `FOLDER/images/train2017/` or `FOLDER/images/`.

    Args:
        folder: The folder.

    Raises:
        DataError: There are no such files, one is damaged, an id is there twice, a caption is about no picture, or a
            picture is missing or has no caption; says which.

    Source:
        Lin et al. 2014, Microsoft COCO; Chen et al. 2015, Microsoft COCO captions.
    """
    root = Path(folder).expanduser()
    files = _annotation_files(root)
    paths: list[str] = []
    captions: list[list[str]] = []
    parts: dict[str, range] = {}
    for part, file in files.items():
        year = _FILE.fullmatch(file.name)
        inside = file.stem.removeprefix("captions_") if year else ""
        found = read_captions(file)
        begin = len(paths)
        where = [root / inside, root / "images" / inside, root / "images", root]
        paths += find_pictures(list(found), where, name=NAME)
        captions += found.values()
        parts[part] = range(begin, len(paths))
    facts = {"source": "Microsoft COCO", "licence": "annotations CC BY 4.0; pictures as their makers say (Flickr)"}
    return CaptionedImages(NAME, paths, captions, parts=parts, facts=facts)


def coco_open_captions() -> CaptionedImages:
    """Return 83 photographs of COCO with open licences, five captions each: 70 to learn from, 13 for the test.

    Raises:
        DataError: A file is missing or damaged.

    Source:
        Lin et al. 2014; Chen et al. 2015. Pictures CC BY 2.0 and CC BY-SA 2.0 (each maker stands in ATTRIBUTION.tsv
        beside them), captions CC BY 4.0 (COCO Consortium).
    """
    archive, listing = KNOWN[OPEN].files
    places = []
    for file in (archive, listing):
        path = locate(OPEN, file)
        if (wrong := verify(path, file)) is not None:
            raise DataError(f"{OPEN} is damaged: {wrong}", remedy="get the file again")
        places.append(path)
    found, split = read_captions(places[1]), _splits(places[1])
    order = sorted(found, key=lambda name: split[name] != "train")  # stable: the training part first
    members = _members(places[0], [f"images/{name}" for name in order])
    count = sum(part == "train" for part in split.values())
    facts = {
        "source": "Microsoft COCO (2017), pictures whose Flickr licences are open",
        "licence": "pictures CC BY 2.0 and CC BY-SA 2.0, captions CC BY 4.0",
        "note": "This is a small set: a network learns its pictures by heart, and knows little of others. Its figures "
        "on the training part say whether it can learn at all, those on the test part are no measure of captioning.",
    }
    return CaptionedImages(
        OPEN,
        list(members),
        [found[name] for name in order],
        parts={"train": range(count), "test": range(count, len(order))},
        contents=members,
        facts=facts,
    )


def read_captions(path: Path) -> dict[str, list[str]]:
    """Return the captions of each picture of a file in COCO's form, in the order of the pictures.

    Args:
        path: `{"images": [{"id", "file_name"}, ...], "annotations": [{"id", "image_id", "caption"}, ...]}`.

    Raises:
        DataError: It is of another form, an id or a file name is there twice, a caption is about no picture, or a
            picture has no caption.
    """
    images, annotations = (_rows(path, key) for key in ("images", "annotations"))
    names: dict[int, str] = {}
    for row in images:
        number, name = row.get("id"), row.get("file_name")
        if type(number) is not int or not isinstance(name, str) or not is_inside(name):
            raise DataError(f"{shown(path)}: this is no picture: {shown(row)}", expected="id and file_name")
        if number in names:
            raise DataError(f"{shown(path)}: two pictures have one id", got=number)
        names[number] = name
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    if len(found) < len(names):
        raise DataError(f"{shown(path)}: two ids have one file_name", expected=len(names), got=len(found))
    known: set[int] = set()
    for row in annotations:
        number, about, text = row.get("id"), row.get("image_id"), row.get("caption")
        if type(number) is not int or not isinstance(text, str):
            raise DataError(f"{shown(path)}: this is no caption: {shown(row)}", expected="id, image_id and caption")
        if number in known:
            raise DataError(f"{shown(path)}: two captions have one id", got=number)
        if about not in names:
            raise DataError(f"{shown(path)}: the caption {number} is about no picture", got=f"image_id {shown(about)}")
        known.add(number)
        found[names[about]].append(" ".join(text.split()))
    if without := [name for name, captions in found.items() if not captions]:
        raise DataError(f"{shown(path)}: {len(without):,} pictures have no caption", got=shown(without[0]))
    return found


def find_pictures(names: Sequence[str], folders: Sequence[Path], *, name: str) -> list[str]:
    """Return the paths of picture files, all of them in the first of some folders that has the first of them.

    Args:
        names: Of the files.
        folders: Where they may lie.
        name: What errors call the data.

    Raises:
        DataError: There is no such folder, or a picture is missing from it.
    """
    place = next((folder for folder in folders if names and (folder / names[0]).is_file()), None)
    if place is None:
        where = ", ".join(shown(folder) for folder in folders)
        raise DataError(f"{name}: the pictures are missing", expected=f"{shown(names[0])} in one of {where}")
    lacking = [one for one in names if not (place / one).is_file()]
    if lacking:
        raise DataError(
            f"{name}: {len(lacking):,} of {len(names):,} pictures are missing from {shown(place)}",
            got=shown(lacking[0]),
        )
    return [str(place / one) for one in names]


def is_inside(name: str) -> bool:
    """Return whether the name of a file leads nowhere but into the folder that it is looked for in.

    Example:
        >>> is_inside("train2017/1.jpg"), is_inside("../1.jpg"), is_inside("/etc/1.jpg"), is_inside("")
        (True, False, False, False)
    """
    return (
        bool(name)
        and "\\" not in name
        and "\0" not in name
        and not name.startswith("/")
        and ".." not in name.split("/")
    )


def _annotation_files(root: Path) -> dict[str, Path]:
    """The files of a folder by part, the training part first."""
    found: dict[str, Path] = {}
    for place in (root / "annotations", root):
        for file in sorted(place.glob("captions_*.json")) if place.is_dir() else ():
            if (match := _FILE.fullmatch(file.name)) is None:
                continue
            part = PARTS[match[1]]
            if part in found:
                both = f"{shown(found[part])} and {shown(file)}"
                raise DataError(f"{NAME}: there are two files for the part {part}", expected="one", got=both)
            found[part] = file
    if "train" not in found:
        raise DataError(
            f"{NAME}: there are no captions in {shown(root)}",
            expected="captions_train2017.json or the like in it, or in its folder annotations",
        )
    return {part: found[part] for part in PARTS.values() if part in found}


def _rows(path: Path, key: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shown(path)} is damaged or cut short ({str(error)[:80]})", expected="JSON") from None
    rows = data.get(key) if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{shown(path)} is of another form", expected=f'a list of entries under "{key}"')
    return rows


def _splits(path: Path) -> dict[str, str]:
    """The part of each picture, as an entry of its own says."""
    return {row["file_name"]: PARTS.get(str(row.get("split")), "train") for row in _rows(path, "images")}


def _members(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """`ARCHIVE/NAME` -> bytes of photographs of an archive; nothing is unpacked to the disk."""
    with opened_archive(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if lacking := [name for name in names if name not in members]:
            raise DataError(f"{shown(path)} lacks {len(lacking)} photographs", expected=shown(lacking[0]))
        require_size(path, [members[name] for name in names], _BYTES_AT_MOST)
        return {f"{path.name}/{name}": archive.read(members[name]) for name in names}
