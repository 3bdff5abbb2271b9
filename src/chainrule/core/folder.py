"""The layout of a run folder: what stands where, and `run.json`, which says what the run is."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chainrule.core.errors import CheckpointError, StorageError, UsageError
from chainrule.core.forms import require_info, require_processing
from chainrule.core.paths import shown
from chainrule.core.storage_errors import translated
from chainrule.core.store import remove_folder, storage_error, sync_path, write_file

FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Example:
        >>> RunFolder(Path("runs/one")).metrics.as_posix()
        'runs/one/metrics.jsonl'
    """

    path: Path

    @property
    def info_file(self) -> Path:
        """What the run is and how it ended (`run.json`)."""
        return self.path / "run.json"

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def processing(self) -> Path:
        """What is done to an image before the network sees it, and the names of the classes."""
        return self.path / "processing.json"

    @property
    def model(self) -> Path:
        """The best weights."""
        return self.path / "model.safetensors"

    @property
    def checkpoints(self) -> Path:
        """Folders `step-00001234`."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Losses and metrics; no times, so that equal runs have equal bytes."""
        return self.path / "metrics.jsonl"

    @property
    def layers(self) -> Path:
        """What each layer did in the steps in which somebody looked."""
        return self.path / "layers.jsonl"

    @property
    def events(self) -> Path:
        """What happened to the run: resumed, interrupted, checkpoint passed over."""
        return self.path / "events.jsonl"

    @property
    def timing(self) -> Path:
        """Seconds, rates, memory."""
        return self.path / "timing.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files, if the recipe asks for them."""
        return self.path / "tensorboard"

    @property
    def facts(self) -> Path:
        """Folder of what the report is made of."""
        return self.path / "facts"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def read_json(self, path: Path) -> Any:
        """Read one of the folder's JSON files; None if it is not there.

        Raises:
            CheckpointError: It is damaged.
        """
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error("read", path, error) from error
        except (ValueError, RecursionError):
            raise CheckpointError(f"{shown(path)} is damaged", expected="JSON") from None
        if path == self.processing and isinstance(data, dict):
            require_processing(path, data)
        return data

    def write_json(self, path: Path, data: Any) -> None:
        """Write a JSON file whole or not at all."""
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True)
                sync_path(path.parent.parent)
        except OSError as error:
            raise storage_error("make the folder", path.parent, error) from error
        try:
            text = json.dumps(data, indent=1, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # names of files need not be text: escaped, they come back as they were
            text = json.dumps(data, indent=1).encode()
        write_file(path, text + b"\n")

    def info(self) -> dict[str, Any]:
        """Read `run.json`.

        Raises:
            CheckpointError: The folder is no run, is damaged, or of a newer format.
        """
        there, folder = os.path.exists(self.path), os.path.isdir(self.path)  # False for what can be no name
        info = self.read_json(self.info_file) if folder else None
        if info is None:
            raise CheckpointError(
                f"{shown(self.path)} is no run",
                expected="a folder with run.json",
                got="a folder without it" if folder else "a file" if there else "nothing there",
                remedy="`chainrule runs list` names the runs",
            )
        if not isinstance(info, dict):
            raise CheckpointError(f"{shown(self.info_file)} is damaged", expected="entries by name")
        if info.get("format") != FORMAT:
            raise CheckpointError(
                f"{shown(self.path)} was written by another version",
                expected=f"format {FORMAT}",
                got=info.get("format"),
            )
        require_info(self.info_file, info)
        return info

    def update(self, **changes: Any) -> dict[str, Any]:
        """Change some entries of `run.json` and return the whole."""
        info = {**self.info(), **changes}
        self.write_json(self.info_file, info)
        return info

    def create(self, info: dict[str, Any], *, checkpoints: bool = True) -> None:
        """Make the folder with its `run.json` and, unless it will hold none, the folder of its checkpoints.

        Raises:
            UsageError: The name is taken; nothing is changed.
            StorageError: The folder cannot be made; nothing is left of it.
        """
        if os.path.lexists(self.path):
            raise UsageError(
                f"{shown(self.path)} exists already", remedy="choose another folder with -o, or remove it first"
            )
        try:
            str(self.path).encode()  # it is named in files that are text
            missing = [folder for folder in self.path.parents if not folder.exists()]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()
        except FileExistsError as error:  # of a parent, as the name itself was free
            clash = NotADirectoryError(errno.ENOTDIR, "")
            raise storage_error("make the folder", self.path, clash) from error
        except (OSError, ValueError) as error:
            raise storage_error("make the folder", self.path, error) from error
        with self.removed_on_failure():
            with translated("make the folder", self.path):
                for made in (self.path, *missing):
                    sync_path(made.parent)
            if checkpoints:
                try:
                    self.checkpoints.mkdir()
                except OSError as error:
                    raise storage_error("make the folder", self.checkpoints, error) from error
            self.write_json(self.info_file, {"format": FORMAT, **info})

    @contextlib.contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """While a folder of one's own is being filled: if that fails, nothing is left of it."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(StorageError):  # the first failure is the one to tell
                remove_folder(self.path)
            raise


def new_folder(name: str) -> Path:
    """Return `runs/NAME-DATE-TIME`, with a number when that is taken."""
    base = Path("runs", f"{Path(name).stem}-{datetime.now():%Y%m%d-%H%M%S}")
    number, path = 1, base
    while path.exists():
        number, path = number + 1, base.with_name(f"{base.name}-{number + 1}")
    return path


def find_runs(parent: Path) -> Iterator[RunFolder]:
    """Yield the runs in a folder, and in the folders of repeated runs within it, by name."""
    if not os.path.isdir(parent):
        return
    try:
        children = sorted(parent.iterdir())
    except OSError as error:
        raise storage_error("read", parent, error) from error
    for child in children:
        if (child / "run.json").is_file():
            yield RunFolder(child)
            if not (child / "checkpoints").is_dir():
                yield from find_runs(child)
