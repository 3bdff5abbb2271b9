"""Recipes that skip pictures which cannot be read: the same bytes whoever reads them, and a count that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import chainrule
from chainrule.core.errors import DataError, RecipeError
from chainrule.core.journal import read_journal
from chainrule.tasks.images import recipe_for_folder
from chainrule.training.task import Seen

SKIP = {"data.bad_examples": "skip", "data.bad_share": 0.2}
SETTINGS = {
    "data.size": 16,
    "train.epochs": 4,
    "train.batch": 8,
    "train.keep_every": 3,
    "train.evaluate_every": 6,
    "train.threads": 1,
    "augment.mixup": 0.3,
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Fifty pictures of two classes, four of them damaged."""
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    for number in range(50):
        path = root / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 120, (16, 16, 3), dtype=np.uint8)
        pixels[..., number % 2] += 100
        Image.fromarray(pixels).save(path)
    for number in (3, 18, 31, 44):
        (root / ("cat", "dog")[number % 2] / f"{number}.png").write_bytes(b"damaged")
    return root


def trained(photos: Path, out: Path, **changes: Any) -> Any:
    settings = {**SETTINGS, **SKIP, **{key.replace("_", ".", 1): value for key, value in changes.items()}}
    return chainrule.train(recipe_for_folder(photos, settings), out=out, report=False)


def skipped_of(run: Any) -> dict[str, Any]:
    return run.result["skipped"]


def test_what_is_skipped_is_counted_and_told(photos: Path, tmp_path: Path) -> None:
    run = trained(photos, tmp_path / "run")
    told = skipped_of(run)
    parts = run.info["result"]
    left_out = sum((parts[part] or {}).get("skipped", 0) for part in ("valid", "test"))
    named = {name.split('"')[1] for name in told["examples"]}
    assert left_out + len(named) == 4
    assert told["count"] >= len(named) > 0
    events = [event for event in read_journal(run.folder.events) if event["event"] == "skipped"]
    assert events[-1] == {"event": "skipped", "step": run.result["steps"], **told}
    assert [event["count"] for event in events] == sorted({event["count"] for event in events})
    chainrule.report(run.path)
    page = run.folder.report.read_text()
    assert "Cannot be read" in page
    assert all(name.split('"')[1] in page for name in told["examples"])


def test_any_number_of_workers_gives_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    runs = [trained(photos, tmp_path / f"run {workers}", train_workers=workers) for workers in (0, 2, 4)]
    for name in ("model.safetensors", "metrics.jsonl", "events.jsonl"):
        assert len({(run.path / name).read_bytes() for run in runs}) == 1, name
    assert len({str(skipped_of(run)) for run in runs}) == 1


def test_a_run_that_goes_on_counts_what_was_before(photos: Path, tmp_path: Path) -> None:
    whole = trained(photos, tmp_path / "whole")

    def cut(seen: Seen) -> None:
        if seen.step == 10:
            raise KeyboardInterrupt

    recipe = recipe_for_folder(photos, {**SETTINGS, **SKIP, "train.workers": 2})
    with pytest.raises(KeyboardInterrupt):
        chainrule.train(recipe, out=tmp_path / "cut", report=False, observers=[cut])
    again = chainrule.resume(tmp_path / "cut")
    assert skipped_of(again) == skipped_of(whole)
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_run_that_skips_too_much_stops(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too many examples cannot be read: .*data\.bad_share"):
        trained(photos, tmp_path / "run", data_bad_share=0.02)


def test_by_default_a_damaged_picture_is_an_error(photos: Path) -> None:
    with pytest.raises(DataError, match="4 pictures cannot be used"):
        recipe_for_folder(photos, SETTINGS)


def test_features_need_every_picture(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="features are computed once"):
        trained(photos, tmp_path / "run", data_features=["hog"], augment_mixup=0, augment_flip=0, augment_shift=0)
