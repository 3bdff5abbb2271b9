"""One save of a run, as it is done during training, and what must be true of the folder whatever happens to it.

`begin` makes a run with some checkpoints, `save` adds the next one (logs, checkpoint, pruning) and `check` says which
of the two states a folder is in. The harnesses beside this file let system calls fail, cut the power, or kill.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.core.journal import read_journal
from chainrule.core.store import clean_stale, read_folder
from chainrule.tasks.runs._training_logs import TrainingLogs
from chainrule.training.checkpoint import load_checkpoint, pack, prune, save_checkpoint, step_folder
from chainrule.training.task import TrainState

RUN = "0123456789abcdef"
INFO = {"id": RUN, "kind": "recipe", "name": "faults", "status": "running"}


class Layout(NamedTuple):
    """What a run looks like before the save, and after it.

    Args:
        width: Of its one layer; 4 * width * width bytes of weights, and as many of momentum.
        steps: Of the checkpoints that are there before.
        keep: How many of the newest stay, beside the best.
        best: The step that is protected.
        lines: Of the metrics that each step adds.
    """

    width: int
    steps: tuple[int, ...]
    keep: int
    best: int
    lines: int

    @property
    def old(self) -> int:
        """The step of the newest checkpoint before the save."""
        return self.steps[-1]

    @property
    def new(self) -> int:
        """The step that is saved."""
        return self.old + 10


LAYOUTS = {
    "small": Layout(width=20, steps=(0, 10), keep=1, best=0, lines=3),
    "blocks": Layout(width=400, steps=(10,), keep=2, best=10, lines=3),
    "retention": Layout(width=20, steps=(0, 10, 20), keep=2, best=0, lines=2000),
    "many": Layout(width=20, steps=tuple(range(0, 200, 10)), keep=2, best=0, lines=60),
}
"""The least that has all operations; files of several blocks; many to remove, one to keep, long logs; many saves."""


def scratch() -> Path:
    """A new folder, in memory where that is possible: nobody cuts the real power, and no real disk need wait."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="faults-", dir=memory if os.access(memory, os.W_OK) else None))


def state_of(layout: Layout, step: int) -> TrainState:
    """The state at a step: weights and momentum are drawn from a generator that the step seeds."""
    generator = torch.Generator().manual_seed(step)
    model = nn.Linear(layout.width, layout.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
            optimizer.state[parameter]["momentum_buffer"] = torch.randn(parameter.shape, generator=generator)
    return TrainState(model, {"all": optimizer}, {}, step=step, history=((step, {"loss": 1 / (1 + step)}),))


def records(layout: Layout, step: int) -> list[dict[str, Any]]:
    """What the steps up to this one write to `metrics.jsonl`."""
    steps = [s for s in (*layout.steps, layout.new) if s <= step]
    return [{"step": s, "line": i, "loss": 0.1 * i} for s in steps for i in range(layout.lines)]


def begin(root: Path, layout: Layout) -> RunFolder:
    """Make the run folder with its checkpoints before the save."""
    folder = RunFolder(root / "run")
    folder.create(dict(INFO))
    for step in layout.steps:
        save(folder, layout, state_of(layout, step))
    return folder


def save(folder: RunFolder, layout: Layout, state: TrainState) -> None:
    """The logs, the checkpoint that says how long they are, then the old ones go: in the order of a training."""
    with TrainingLogs(folder) as logs:
        for record in records(layout, state.step)[-layout.lines :]:
            logs.metrics.append(record)
        logs.layers.append({"step": state.step})
        save_checkpoint(folder.checkpoints, state, logs.sync(state.step), run=RUN)
        prune(folder.checkpoints, keep=layout.keep, protected={state.step, layout.best})


def check(folder: RunFolder, layout: Layout, *, cut: bool = True) -> int:
    """Return the step that a resumed run would go on from; it is whole, and so is all that stands beside it.

    Args:
        folder: A run that something happened to.
        layout: Its layout.
        cut: Whether to cut the logs and to remove what the dead left, as resuming does.
    """
    assert folder.info()["id"] == RUN
    state = state_of(layout, 1)
    whole = load_checkpoint(folder.checkpoints, state, run=RUN)
    assert whole.passed_over == [], whole.passed_over
    expected, numbers = pack(state_of(layout, state.step))
    tensors, found = pack(state)
    assert set(tensors) == set(expected)
    assert numbers == found
    assert all(torch.equal(tensors[name], value) for name, value in expected.items())
    assert state.history == state_of(layout, state.step).history
    steps = [step for step in (*layout.steps, layout.new) if step_folder(folder.checkpoints, step).is_dir()]
    for step in steps:
        read_folder(step_folder(folder.checkpoints, step))
    assert steps[-1] == state.step
    assert layout.best in steps, "the best checkpoint stays"
    if cut:
        TrainingLogs.cut(folder, whole.facts)
        assert read_journal(folder.metrics) == records(layout, state.step)
        clean_stale(folder.path)
        clean_stale(folder.checkpoints)
        assert [name for name in os.listdir(folder.checkpoints) if ".tmp" in name] == []
    return state.step
