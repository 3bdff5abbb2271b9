"""Forty labeled photographs of ImageNet's 1,000 classes: to measure networks that were trained on all of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.data._archive import opened_archive, require_size
from chainrule.data.fetch import locate
from chainrule.data.images import Files, LabeledImages
from chainrule.data.known import KNOWN

NAME = "imagenet-samples"
LICENCE = "none: the photographs belong to their makers; for non-commercial research and education only"

_BYTES_AT_MOST = 2**26  # unpacked, all photographs together; the known archive has 4 MB
_TEXT_AT_MOST = 2**22  # of a JSON file; the known ones have 62 kB
_SYNSET = re.compile(r"n[0-9]{8}")


def imagenet_samples(*, size: int = 224, resize: int | None = 256) -> LabeledImages:
    """Return 40 photographs with classes of ImageNet (ILSVRC 2012), all of them a test part: nothing to learn from.

    Args:
        size: Height and width that the pictures get: shorter side scaled, middle cut out.
        resize: What the shorter side is scaled to before that, at least `size`; just `size` when left out.

    Raises:
        DataError: A file is missing or damaged, or the files do not belong together.

    Source:
        Russakovsky et al.: ImageNet large scale visual recognition challenge (2015); one photograph of every 25th
        class, from github.com/EliSchwartz/imagenet-sample-images.
    """
    archive, listing, index = (locate(NAME, file) for file in KNOWN[NAME].files)
    synsets, classes = read_classes(index)
    labels = read_labels(listing, synsets)
    photographs = read_photographs(archive, list(labels))
    return LabeledImages(
        NAME,
        Files(list(photographs), size, resize=resize, contents=photographs),
        torch.tensor(list(labels.values()), dtype=torch.int64),
        classes,
        train=torch.empty(0, dtype=torch.int64),
        test=torch.arange(len(labels)),
        facts={
            "source": "ImageNet (ILSVRC 2012), by EliSchwartz/imagenet-sample-images",
            "licence": LICENCE,
            "published": True,
        },
    )


def read_classes(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the WordNet ids and the names of the classes, in the order of the scores; each name stands for one class.

    Two classes of one name ("crane") get their WordNet ids beside it.

    Raises:
        DataError: It is not `{"0": [WordNet id, name, synonyms], ...}`, whole and each id once.
    """
    table = _parsed(path)
    rows = [table.get(str(number)) for number in range(len(table))] if isinstance(table, dict) else []
    right = [isinstance(row, list) and len(row) == 3 and all(isinstance(word, str) for word in row) for row in rows]
    synsets = [row[0] for row in rows if row] if all(right) else []
    if not synsets or len(set(synsets)) < len(synsets) or not all(map(_SYNSET.fullmatch, synsets)):
        raise DataError(
            f"{shown(path)} is no index of classes", expected='"0", "1" ...: [WordNet id, name, synonyms], each id once'
        )
    often = Counter(row[1] for row in rows if row)
    return synsets, tuple(row[1] if often[row[1]] == 1 else f"{row[1]} ({row[0]})" for row in rows if row)


def read_labels(path: Path, synsets: list[str]) -> dict[str, int]:
    """Return the class of each photograph by its file name.

    Args:
        path: Rows `{"file", "index", "wnid", ...}`.
        synsets: WordNet id of each class.

    Raises:
        DataError: It is of another form, a file is there twice, or a class is not the one of its WordNet id.
    """
    rows = _parsed(path)
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{shown(path)} is no list of labels", expected="a row for each photograph")
    labels: dict[str, int] = {}
    for number, row in enumerate(rows):
        file, index, synset = (row.get(key) if isinstance(row, dict) else None for key in ("file", "index", "wnid"))
        if not isinstance(file, str) or type(index) is not int or file in labels:
            raise DataError(
                f"row {number} of {shown(path)} is no label", expected="file, index and wnid, each file once"
            )
        if not 0 <= index < len(synsets) or synsets[index] != synset:
            raise DataError(
                f"row {number} of {shown(path)} has another class than its WordNet id",
                expected=f"0 to {len(synsets) - 1}" if not 0 <= index < len(synsets) else synsets[index],
                got=f"{index} and {shown(synset)}",
            )
        labels[file] = index
    return labels


def read_photographs(path: Path, names: list[str]) -> dict[str, bytes]:
    """Return the photographs of an archive, as they are stored; nothing is unpacked to the disk.

    Args:
        path: The archive.
        names: Of its members; others are passed over.

    Returns:
        `ARCHIVE/NAME` -> bytes, in the order of the names.

    Raises:
        DataError: The archive is damaged, cut short, claims too much, or lacks a photograph.
    """
    with opened_archive(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if lacking := [name for name in names if name not in members]:
            raise DataError(
                f"{shown(path)} lacks {len(lacking)} of {len(names)} photographs", expected=shown(lacking[0])
            )
        require_size(path, [members[name] for name in names], _BYTES_AT_MOST)
        return {f"{path.name}/{name}": archive.read(members[name]) for name in names}


def _parsed(path: Path) -> Mapping[str, Any] | list[Any]:
    """The content of a JSON file of moderate length."""
    try:
        with path.open("rb") as file:
            text = file.read(_TEXT_AT_MOST + 1)
        if len(text) > _TEXT_AT_MOST:
            raise ValueError(f"more than {_TEXT_AT_MOST} bytes")
        return json.loads(text)
    except FileNotFoundError:
        raise DataError(f"{shown(path)} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{shown(path)} is damaged or cut short ({' '.join(str(error).split())[:80]})",
            expected="JSON",
            remedy="get the file again",
        ) from None
