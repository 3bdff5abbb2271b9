"""TensorBoard's event files, as an option: the same numbers as the run's own logs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chainrule.core.errors import UsageError
from chainrule.training.task import Observer, Seen

SHOWN = ("spread", "zeros", "gradient", "weight_gradient", "update")
"""What is written of each layer."""


def require_tensorboard() -> None:
    """Refuse to begin where TensorBoard is not installed.

    Raises:
        UsageError: It is not; the command that adds it.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UsageError("train.tensorboard needs a package that is not here", remedy="pip install 'chainrule[track]'")


@contextmanager
def write_events(folder: Path, *, every: int, steps: int, taken: int = 0) -> Iterator[Observer]:
    """Yield an observer that writes event files; `tensorboard --logdir FOLDER` shows them.

    Args:
        folder: Where they stand.
        every: Steps between training numbers.
        steps: Steps of the run.
        taken: Steps that were taken before; what an earlier, interrupted process wrote beyond them is not shown.
    """
    from torch.utils.tensorboard.writer import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=taken + 1 if taken else None)

    def scalar(tag: str, value: float, step: int) -> None:
        writer.add_scalar(tag, value, step)

    def watch(seen: Seen) -> None:
        if seen.step % every == 0 or seen.step in (1, steps):
            for name, value in {**seen.report, "rate": seen.rate, "norm": seen.norm}.items():
                scalar(f"train/{name}", value, seen.step)
        for name, value in (seen.evaluated or {}).items():
            scalar(f"valid/{name}", value, seen.step)
        for layer in seen.look.layers if seen.look is not None else ():
            for name in SHOWN:
                if (value := getattr(layer, name)) is not None:
                    scalar(f"{name}/{layer.name}", value, seen.step)

    try:
        yield watch
    finally:
        writer.close()
