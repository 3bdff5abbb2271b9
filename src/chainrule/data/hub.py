"""Pictures in the files of `datasets`: Parquet and Arrow, read row by row through memory maps."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from chainrule.core.errors import DataError, UsageError
from chainrule.core.paths import shown
from chainrule.data._at_hand import at_hand
from chainrule.data._class_names import numbered
from chainrule.data._open_image import open_image
from chainrule.data.fetch import cache_folder, downloads_allowed
from chainrule.data.folder import PARTS
from chainrule.data.images import Inspection, LabeledImages, fitted, inspected, picture_shape

MEASURED = 20_000
"""Of how many training pictures mean and deviation are measured, evenly spread over all."""


def hub(
    *,
    path: str,
    config: str | None = None,
    image: str = "image",
    label: str = "label",
    size: int = 64,
    resize: int | None = None,
    channels: int = 3,
) -> LabeledImages:
    """Return the pictures of a folder of Parquet or Arrow files, or of a data set of the Hugging Face Hub.

    A folder that `datasets` saved, a folder with .parquet or .arrow files, a folder of pictures as `imagefolder` reads
    it, or the name of a data set, which is downloaded. Splits called train, valid (or validation, val) and test are the
    parts. Parquet files are turned into Arrow files in the cache once; pictures are then read row by row, and nothing
    of them stays in memory.

    Args:
        path: The folder, or the name.
        config: Which configuration, of a data set that is named and has several.
        image: The column with the pictures.
        label: The column with the classes.
        size: Height and width that the pictures get: shorter side scaled, middle cut out.
        resize: What the shorter side is scaled to before that, at least `size`; just `size` when left out.
        channels: 3 (color) or 1 (grey).

    Raises:
        UsageError: `datasets` is not installed, or a number that makes no sense.
        DataError: There are no such files, they cannot be read, or a column is missing.

    Source:
        Lhoest et al.: Datasets, a community library for natural language processing (2021).
    """
    require_datasets()
    shape = picture_shape(size, channels, resize)
    splits = _read(path, config)
    parts: dict[str, Any] = {}
    for name, rows in splits.items():
        part = PARTS.get(name.split("-")[0].lower()) or ("train" if len(splits) == 1 else None)
        if part is None or part in parts:
            continue
        parts[part] = rows
    if not parts:
        raise DataError(f"{shown(path)} has no part to learn from", expected="train, valid or test", got=list(splits))
    for rows in parts.values():
        _require_columns(rows, (image, label), path)
    unlabeled = [part for part, rows in parts.items() if part != "train" and _is_unlabeled(rows, label)]
    kept = {part: rows for part, rows in parts.items() if part not in unlabeled}
    labels, names = _labels(list(kept.values()), label)
    begins = dict(zip(kept, accumulate((len(rows) for rows in kept.values()), initial=0)))
    places = {part: torch.arange(begins[part], begins[part] + len(rows)) for part, rows in kept.items()}
    return LabeledImages(
        Path(path).name or "hub",
        RowPictures(kept, image, path, shape=shape, resize=resize),
        labels,
        names,
        train=places.get("train", torch.arange(0)),
        valid=places.get("valid"),
        test=places.get("test"),
        facts={
            "source": "files of `datasets`" if Path(path).exists() else f"Hugging Face Hub: {path}",
            "ignored": [f"{part}: it has no classes" for part in unlabeled]
            + [f"the split {name}" for name in splits if not any(rows is splits[name] for rows in parts.values())],
        },
        measured=MEASURED,
    )


class RowPictures:
    """Pictures in rows of Arrow tables, decoded when they are read.

    Args:
        parts: Part -> its rows.
        column: Which column the pictures are in.
        root: The folder outside of which no file is opened.
        shape: (C, H, W) that the pictures get.
        resize: What the shorter side is scaled to before the middle is cut out.
    """

    def __init__(
        self,
        parts: Mapping[str, Any],
        column: str,
        root: str,
        *,
        shape: tuple[int, int, int],
        resize: int | None = None,
    ) -> None:
        self.names, self.column, self.root = tuple(parts), column, Path(root)
        self.rows = [_undecoded(rows, column) for rows in parts.values()]
        self.begins = [0, *accumulate(len(rows) for rows in self.rows)]
        self.resize, self._shape = resize, shape

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""
        return self._shape

    def __len__(self) -> int:
        return self.begins[-1]

    def where(self, index: int) -> str:
        """Return the part and the row of a picture."""
        part = self._part(index)
        return f"{self.names[part]}, row {index - self.begins[part]}"

    def read(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        """Decode some pictures.

        Raises:
            DataError: One is damaged; says which.
        """
        pictures = torch.empty((len(index), *self._shape), dtype=torch.uint8)
        for place, number in enumerate(index.tolist()):
            at_hand(number, self.where(number))
            pictures[place] = fitted(self._open(number), self._shape, resize=self.resize)
        return pictures

    def inspect(self, index: int) -> Inspection:
        """Decode a picture and say what it is, or why it cannot be read."""
        return inspected(self.where(index), lambda: self._open(index))

    def _part(self, index: int) -> int:
        return next(part for part, end in enumerate(self.begins[1:]) if index < end)

    def _open(self, index: int) -> Any:
        part = self._part(index)
        found = self.rows[part][index - self.begins[part]][self.column]
        what = f"the picture {shown(self.where(index))} cannot be read"
        if isinstance(found, Mapping):
            found = found.get("bytes") or self._file(found.get("path"), what)
        if not isinstance(found, (bytes, Path)):
            raise DataError(what, expected="the bytes of a picture", got=type(found).__name__)
        try:
            return open_image(found)
        except DataError as error:
            raise DataError(what, expected=error.expected, got=error.got) from None

    def _file(self, name: Any, what: str) -> Path | None:
        """A file that a row names instead of holding it: one of the folder that was given, and no other."""
        if not isinstance(name, str):
            return None
        path = (self.root / name).resolve()
        if self.root.resolve() not in path.parents:
            raise DataError(what, expected="a file of the folder", got=shown(name))
        return path


def require_datasets() -> None:
    """Refuse to begin where `datasets` is not installed.

    Raises:
        UsageError: It is not; the command that adds it.
    """
    if importlib.util.find_spec("datasets") is None:
        raise UsageError("the source hub needs a package that is not here", remedy="pip install 'chainrule[hub]'")


def _read(path: str, config: str | None) -> dict[str, Any]:
    """Split -> its rows."""
    import datasets
    from datasets.utils.logging import set_verbosity_error

    set_verbosity_error()
    shows = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        found = _opened(path, config)
    except DataError:
        raise
    except Exception as error:  # whatever it and the libraries below it raise
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{shown(path)} cannot be read as a data set of `datasets`", got=said) from None
    finally:
        if shows:
            datasets.enable_progress_bars()
    return dict(found) if isinstance(found, Mapping) else {str(found.split or "train"): found}


def _opened(path: str, config: str | None) -> Any:
    import datasets

    cache: dict[str, Any] = {"cache_dir": str(cache_folder() / "hub")}
    folder = Path(path)
    if not folder.exists():
        if not downloads_allowed():
            raise DataError(f"there is no folder {shown(path)}, and downloads are switched off")
        return datasets.load_dataset(path, config, **cache)
    if not folder.is_dir():
        raise DataError(f"{shown(path)} is a file", expected="a folder")
    if any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
        return datasets.load_from_disk(path)
    for kind in ("parquet", "arrow"):
        files = sorted(str(file) for file in folder.rglob(f"*.{kind}") if not file.name.startswith("."))
        if files:
            return datasets.load_dataset(kind, data_files=_by_split(files, folder), **cache)
    return datasets.load_dataset("imagefolder", data_dir=path, **cache)


def _by_split(files: Iterable[str], folder: Path) -> dict[str, list[str]]:
    """The files of each split, which their names or folders say; all of them are "train" where not every one does."""
    found: dict[str, list[str]] = {}
    for file in files:
        words = re.split(r"[^a-z]+", str(Path(file).relative_to(folder)).lower())
        found.setdefault(next((PARTS[word] for word in words if word in PARTS), ""), []).append(file)
    if "" in found or "train" not in found:
        return {"train": [file for some in found.values() for file in some]}
    return {{"valid": "validation"}.get(part, part): some for part, some in found.items()}


def _undecoded(rows: Any, column: str) -> Any:
    """Only the pictures, as the bytes that are stored: they are opened by us alone."""
    import datasets

    rows = rows.select_columns([column])
    if isinstance(rows.features[column], datasets.Image):
        rows = rows.cast_column(column, datasets.Image(decode=False))
    return rows


def _require_columns(rows: Any, columns: Sequence[str], path: str) -> None:
    for option, column in zip(("image", "label"), columns):
        if column not in rows.column_names:
            raise DataError(
                f"{shown(path)} has no column {shown(column)}",
                expected=f"--data.{option} with one of its columns",
                got=", ".join(rows.column_names),
            )


def _column(rows: Any, label: str) -> Any:
    return rows.select_columns([label]).with_format("numpy")[:][label]


def _is_unlabeled(rows: Any, label: str) -> bool:
    """Whether its classes are kept secret, as those of the test parts of contests."""
    values = np.asarray(_column(rows, label))
    return len(values) > 0 and values.dtype.kind in "iu" and bool((values < 0).all())


def _labels(parts: list[Any], label: str) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    import datasets

    values = [np.asarray(_column(rows, label)) for rows in parts]
    feature = parts[0].features[label]
    if isinstance(feature, datasets.ClassLabel):
        together = np.concatenate(values).astype(np.int64)
        if len(together) and not 0 <= together.min() <= together.max() < len(feature.names):
            raise DataError(
                f"labels of the column {shown(label)} are out of range",
                expected=f"0 to {len(feature.names) - 1}",
                got=f"{together.min()} to {together.max()}",
            )
        return torch.from_numpy(together), tuple(feature.names)
    if any(part.dtype.kind not in "iuUOS" for part in values):
        raise DataError(f"the column {shown(label)} holds no classes", got=str(values[0].dtype))
    return numbered(np.concatenate([part.astype(str) for part in values]))
