"""A checkpoint that is whole but not what its name and its run say is passed over, like a damaged one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chainrule
from chainrule.core.errors import CheckpointCorrupt, CheckpointError
from chainrule.core.store import publish_folder, read_folder
from chainrule.training.checkpoint import STATE, TENSORS, checkpoint_weights, prune

SETTINGS = {"train.steps": 12, "train.keep_every": 5, "train.keep": 3, "train.threads": 1}
BYTES = ("model.safetensors", "metrics.jsonl", "layers.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    chainrule.train("digits-softmax", out=out, settings=SETTINGS, report=False)
    return out


@pytest.fixture
def unfinished(whole: Path, tmp_path: Path) -> Path:
    """The same run, stopped at step 10."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "step-00000012")
    (run / "model.safetensors").unlink()
    change_info(run, status="interrupted")
    return run


def change_info(run: Path, **changes: Any) -> None:
    info = json.loads((run / "run.json").read_text()) | changes
    (run / "run.json").write_text(json.dumps({name: value for name, value in info.items() if value is not None}))


def rewritten(
    folder: Path, to: Path, files: dict[str, bytes] | None = None, without: tuple[str, ...] = (), **facts: Any
) -> None:
    """Publish a folder's contents anew under another name, some of them changed: every checksum is right."""
    old_files, old_facts = read_folder(folder)
    kept = {name: value for name, value in (old_facts | facts).items() if value is not None}
    content = {name: data for name, data in (old_files | (files or {})).items() if name not in without}
    publish_folder(to, content, kept)


def state_of(folder: Path, step: object) -> bytes:
    return json.dumps(json.loads((folder / STATE).read_bytes()) | {"step": step}).encode()


FORGERIES: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "renamed": (lambda old, new: old.rename(new), "does not hold the step of its name"),
    "copied": (shutil.copytree, "does not hold the step of its name"),
    "manifest of another step": (lambda old, new: rewritten(old, new, step=11), "'10' in state.json, step '11' in the"),
    "state of another step": (
        lambda old, new: rewritten(old, new, {STATE: state_of(old, 11)}),
        "'11' in state.json, step '10' in the manifest",
    ),
    "step that is no number": (
        lambda old, new: rewritten(old, new, {STATE: state_of(old, "11\n")}, step="11\n"),
        "does not hold the step of its name",
    ),
    "of another run": (
        lambda old, new: rewritten(old, new, {STATE: state_of(old, 11)}, step=11, run="f" * 16),
        "is of another run: expected",
    ),
    "of no run": (
        lambda old, new: rewritten(old, new, {STATE: state_of(old, 11)}, step=11, run=None),
        "is of another run: expected",
    ),
    "state that is no JSON": (lambda old, new: rewritten(old, new, {STATE: b"{"}), "is no state"),
    "state without a step": (lambda old, new: rewritten(old, new, {STATE: b"{}"}), "is no state"),
    "no state": (lambda old, new: rewritten(old, new, without=(STATE,)), "expected a file state.json"),
    "no tensors": (lambda old, new: rewritten(old, new, without=(TENSORS,)), "expected a file tensors.safetensors"),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_the_run_goes_on_from_the_one_before(
    kind: str, whole: Path, unfinished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forge, reason = FORGERIES[kind]
    forge(unfinished / "checkpoints" / "step-00000010", unfinished / "checkpoints" / "step-00000011")
    chainrule.resume(unfinished)
    said = caplog.text
    assert "step-00000011 was passed over" in said
    assert reason in said
    events = [json.loads(line) for line in (unfinished / "events.jsonl").read_text().splitlines()]
    told = [event for event in events if event["event"] == "passed over"]
    assert [event["checkpoint"] for event in told] == ["step-00000011"]
    assert events[-1] == {"event": "resumed", "step": 5 if kind == "renamed" else 10}
    assert (unfinished / "checkpoints" / "damaged-step-00000011").is_dir(), "the bytes stay for whoever looks"
    for name in BYTES:
        assert (unfinished / name).read_bytes() == (whole / name).read_bytes()


def test_runs_of_before_there_were_ids_go_on(whole: Path, unfinished: Path) -> None:
    for folder in sorted((unfinished / "checkpoints").iterdir()):
        rewritten(folder, unfinished / folder.name, step=None, run=None)
        shutil.rmtree(folder)
        (unfinished / folder.name).rename(folder)
    change_info(unfinished, id=None)
    chainrule.resume(unfinished)
    assert "passed over" not in (unfinished / "events.jsonl").read_text()
    for name in BYTES:
        assert (unfinished / name).read_bytes() == (whole / name).read_bytes()


def test_all_of_another_run_is_no_checkpoint(unfinished: Path) -> None:
    change_info(unfinished, id="f" * 16)
    with pytest.raises(CheckpointError, match=r"no whole checkpoint in .*is of another run: expected ffffffffffffffff"):
        chainrule.resume(unfinished)


def test_weights_are_of_the_step_that_was_asked_for(unfinished: Path) -> None:
    folder = unfinished / "checkpoints" / "step-00000010"
    own = json.loads((unfinished / "run.json").read_text())["id"]
    assert checkpoint_weights(folder, "model", run=own)
    with pytest.raises(CheckpointCorrupt, match="is of another run"):
        checkpoint_weights(folder, "model", run="f" * 16)
    with pytest.raises(CheckpointCorrupt, match="does not hold the step of its name"):
        checkpoint_weights(folder.rename(folder.with_name("step-00000011")), "model", run=own)


def test_pruning_leaves_what_has_no_name_of_a_checkpoint(unfinished: Path) -> None:
    parent = unfinished / "checkpoints"
    for name in ("step-1", "step-5", "step-²", "step-٣", "step-x", "step-0000000000001"):
        (parent / name).mkdir()
    prune(parent, keep=1, protected=set())
    left = sorted(path.name for path in parent.iterdir())
    assert left == sorted(["step-00000010", "step-1", "step-5", "step-²", "step-٣", "step-x", "step-0000000000001"])
