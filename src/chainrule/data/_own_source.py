"""Which source reads what a person names: a folder of classes, shards, or a folder of `datasets`."""

from __future__ import annotations

import os
from pathlib import Path

from chainrule.data._shard_places import is_address

OWN_OPTION = {"folder": "folder", "shards": "path", "hub": "path"}
"""Source -> the option that names one's own data."""
_HUB_FILES = ("dataset_dict.json", "state.json")


def own_source(name: str) -> str:
    """Return the source that a path or address is for, by what is there; "folder" where nothing else fits.

    Example:
        >>> own_source("train-{000..041}.tar"), own_source("photos")
        ('shards', 'folder')
    """
    if is_address(name) or name.endswith(".tar"):
        return "shards"
    folder = Path(name)
    if not folder.is_dir():
        return "folder"
    if any((folder / file).is_file() for file in _HUB_FILES):
        return "hub"
    with os.scandir(folder) as entries:
        endings = {Path(entry.name).suffix for entry in entries if entry.is_file() and not entry.name.startswith(".")}
    if ".tar" in endings:
        return "shards"
    return "hub" if endings & {".parquet", ".arrow"} else "folder"
