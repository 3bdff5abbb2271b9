"""A run that goes on to another length, with other workers, or in smaller parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.core.errors import OutOfMemoryError, RecipeError, UsageError
from chainrule.training import Separable, loop

SHORT = {
    "train.threads": 1,
    "train.log_every": 1,
    "train.keep_every": 2,
    "schedule.name": "cosine",
    "train.keep": 9,
    "schedule.warmup": 0.0,
}


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def same(one: Path, two: Path) -> None:
    for name in ("metrics.jsonl", "layers.jsonl", "model.safetensors"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_a_finished_run_goes_on_and_the_schedule_takes_the_new_length(tmp_path: Path) -> None:
    run = tmp_path / "run"
    chainrule.train("digits-cnn", out=run, settings={**SHORT, "train.steps": 6}, report=False)
    first = read(run, "metrics.jsonl")
    longer = chainrule.resume(run, settings={"train.steps": 12})
    assert longer.result is not None
    assert longer.result["steps"] == 12
    lines = read(run, "metrics.jsonl")
    assert lines[: len(first)] == first
    base = first[0]["rate"]
    rates = {line["step"]: line["rate"] / base for line in lines if line["part"] == "train"}
    cosine = {step: (1 + torch.tensor((step - 1) / 12 * torch.pi).cos().item()) / 2 for step in range(7, 13)}
    assert {step: rates[step] for step in cosine} == pytest.approx(cosine, rel=1e-6)
    assert {"event": "extended", "step": 6, "steps": 12} in read(run, "events.jsonl")

    replayed = tmp_path / "replayed"  # it goes on from before the change, and takes it at its step
    shutil.copytree(run, replayed)
    for path in (replayed / "checkpoints").iterdir():
        if int(path.name[5:]) > 4:
            shutil.rmtree(path)
    info = json.loads((replayed / "run.json").read_text())
    (replayed / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    chainrule.resume(replayed)
    same(run, replayed)


def test_settings_that_a_run_cannot_go_on_with(tmp_path: Path) -> None:
    run = tmp_path / "run"
    chainrule.train("digits-softmax", out=run, settings={"train.steps": 4, "train.threads": 1}, report=False)
    content = (run / "run.json").read_bytes()
    with pytest.raises(UsageError, match=r"a run cannot go on with another optim\.lr"):
        chainrule.resume(run, settings={"optim.lr": 0.1})
    with pytest.raises(UsageError, match="train.steps is a number"):
        chainrule.resume(run, settings={"train.steps": "many"})
    assert (run / "run.json").read_bytes() == content
    with pytest.raises(UsageError, match="expected more than 4 steps, got 3"):
        chainrule.resume(run, settings={"train.steps": 3})
    assert len(read(run, "metrics.jsonl")) > 0


def test_a_run_that_stopped_early_does_not_go_on(tmp_path: Path) -> None:
    settings = {"train.epochs": 50, "train.patience": 2, "optim.lr": 1e-9, "train.threads": 1}
    chainrule.train("digits-softmax", out=tmp_path / "run", settings=settings, report=False)
    with pytest.raises(UsageError, match="the run stopped early, after 2 evaluations"):
        chainrule.resume(tmp_path / "run", settings={"train.steps": 5000})


def test_other_workers_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**SHORT, "train.steps": 8, "augment.mixup": 0.3, "augment.shift": 1}
    chainrule.train("digits-cnn", out=tmp_path / "whole", settings=settings, report=False)
    real = loop._step

    def die_in_the_sixth(phase: Any, state: Any, plan: Any, parts: Any, at: Any, world: Any) -> Any:
        if at.step == 5:
            raise KeyboardInterrupt
        return real(phase, state, plan, parts, at, world)

    monkeypatch.setattr(loop, "_step", die_in_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        chainrule.train("digits-cnn", out=tmp_path / "cut", settings={**settings, "train.workers": 1}, report=False)
    monkeypatch.setattr(loop, "_step", real)
    with pytest.raises(RecipeError, match="train.worker_timeout"):
        chainrule.resume(tmp_path / "cut", settings={"train.worker_timeout": 0})
    chainrule.resume(tmp_path / "cut", settings={"train.workers": 2, "train.worker_timeout": 300})
    same(tmp_path / "whole", tmp_path / "cut")


def failing(monkeypatch: pytest.MonkeyPatch, *, step: int, above: int, error: BaseException) -> None:
    """Let steps from a number on fail where a part has more examples than fit."""
    real = Separable.gradients

    def gradients(self: Any, state: Any, phase: Any, parts: Any, at: Any, world: Any) -> Any:
        if at.step >= step and max(len(batch.index) for batch in parts.values()) > above:
            torch.rand(3)  # whatever was drawn or changed in the middle of the step is of no consequence
            next(iter(state.model.parameters())).data.add_(1.0)
            raise error
        return real(self, state, phase, parts, at, world)

    monkeypatch.setattr(Separable, "gradients", gradients)


CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [CPU, torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_memory_that_is_not_enough_stops_the_run_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    failing(monkeypatch, step=3, above=40, error=error)
    with pytest.raises(OutOfMemoryError, match=r"not enough memory for step 4.*--train.parts 2"):
        chainrule.train("digits-softmax", out=tmp_path / "run", settings={**SHORT, "train.steps": 6}, report=False)
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())[-1] == "step-00000002"


def test_memory_that_is_not_enough_while_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*args: Any, **options: Any) -> Any:
        raise CPU

    monkeypatch.setattr(loop, "evaluate", measure)
    with pytest.raises(OutOfMemoryError, match=r"not enough memory to evaluate .*--train.evaluate_batch 250"):
        chainrule.train("digits-softmax", out=tmp_path / "run", settings={**SHORT, "train.steps": 2}, report=False)


def test_parts_are_doubled_until_they_fit_and_the_result_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SHORT, "train.steps": 8, "train.batch": 64, "train.out_of_memory": "halve", "model.dropout": 0.0}
    whole = chainrule.train("digits-mlp", out=tmp_path / "whole", settings=settings, report=False)
    failing(monkeypatch, step=3, above=20, error=CPU)
    cut = chainrule.train("digits-mlp", out=tmp_path / "cut", settings=settings, report=False)
    doubled = [event for event in read(cut.path, "events.jsonl") if event["event"] == "parts doubled"]
    assert [(event["step"], event["parts"]) for event in doubled] == [(2, 2), (2, 4)]
    for name, value in whole.model().state_dict().items():
        assert torch.allclose(cut.model().state_dict()[name], value, rtol=1e-4, atol=1e-6)

    replayed = tmp_path / "replayed"  # what was doubled stays so when the run goes on elsewhere
    shutil.copytree(cut.path, replayed)
    for path in (replayed / "checkpoints").iterdir():
        if int(path.name[5:]) > 4:
            shutil.rmtree(path)
    info = json.loads((replayed / "run.json").read_text())
    (replayed / "run.json").write_text(json.dumps({**info, "status": "interrupted"}))
    chainrule.resume(replayed)
    same(cut.path, replayed)


def test_a_state_that_is_carried_on_is_cut_along_with_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "the cat sat on the mat and the dog sat on the cat. " * 80
    (tmp_path / "text.txt").write_text(text)
    settings = {
        **SHORT, "data.name": "text-file", "data.file": str(tmp_path / "text.txt"), "train.steps": 8,
        "train.batch": 6, "train.out_of_memory": "halve", "model.width": 16, "train.test": False,
        "data.length": 16, "model.dropout": 0.0,
    }  # fmt: skip
    whole = chainrule.train("shakespeare-lstm", out=tmp_path / "whole", settings=settings, report=False)
    failing(monkeypatch, step=3, above=3, error=CPU)
    cut = chainrule.train("shakespeare-lstm", out=tmp_path / "cut", settings=settings, report=False)
    assert [e["parts"] for e in read(cut.path, "events.jsonl") if e["event"] == "parts doubled"] == [2]
    losses = [[line["loss"] for line in read(run.path, "metrics.jsonl")] for run in (whole, cut)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_no_smaller_part_than_one_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing(monkeypatch, step=0, above=0, error=CPU)
    settings = {**SHORT, "train.steps": 2, "train.batch": 4, "train.out_of_memory": "halve"}
    with pytest.raises(OutOfMemoryError, match="not enough memory for step 1"):
        chainrule.train("digits-cnn", out=tmp_path / "run", settings=settings, report=False)
    assert [e["parts"] for e in read(tmp_path / "run", "events.jsonl")] == [2, 4]
