"""A run in the form of another program: its network, what prepares its inputs, and how its answers compare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from chainrule.core.errors import UsageError, unknown
from chainrule.core.paths import shown
from chainrule.core.store import filled_folder
from chainrule.exporting import EXPORTS
from chainrule.tasks.runs._run import Run
from chainrule.tasks.tables import accepted_options


@dataclass(frozen=True)
class Sample:
    """On what the answers of the run's network and of the other program are compared.

    Args:
        file: Inputs of one's own; those of the validation part (of the test part where there is none) when left out.
        count: How many at most, the first ones; 0: nothing is compared.
    """

    file: Path | None = None
    count: int = 100


@dataclass(frozen=True)
class Outcome:
    """What a form of export tells of what it wrote.

    Args:
        facts: As plain data.
        said: The same for a reader, line by line.
        agrees: False where the answers are not those of the run's network although they should be.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    agrees: bool = True


@dataclass(frozen=True)
class Exported:
    """A run in the form of another program.

    Args:
        folder: Where it stands.
        to: The form.
        size: Bytes of all files.
        outcome: What the form tells.
    """

    folder: Path
    to: str
    size: int
    outcome: Outcome


def export_run(
    run: Run,
    to: str,
    *,
    out: str | Path | None = None,
    module: nn.Module | None = None,
    sample: Sample | None = None,
    **options: Any,
) -> Exported:
    """Write the network of a run in the form of another program, and compare what both answer.

    Args:
        run: A run with weights.
        to: The form, one of `EXPORTS`.
        out: A new folder; a folder in the run, named as the form, when left out.
        module: For a run of one's own network.
        sample: On what the answers are compared.
        options: Of the form.

    Raises:
        UsageError: There is no such form or option, the folder exists, the form cannot say what the network computes,
            or a package that it needs is missing; nothing is written.
        CheckpointError: The run has no weights.
        DataError: The inputs to compare on cannot be read; nothing is written.
        StorageError: The folder cannot be written; nothing is left of it.
    """
    form, accepted = EXPORTS.resolve(to), accepted_options(EXPORTS.resolve(to))
    for name in options:
        if name not in accepted:
            raise UsageError(f'{to} has no option "{name}"', remedy=unknown("option", name, accepted))
    sample = sample or Sample()
    if sample.count < 0:
        raise UsageError("so many inputs cannot be compared", expected="0 or more", got=sample.count)
    folder = Path(out) if out is not None else run.path / to
    if os.path.lexists(folder):
        raise UsageError(f"{shown(folder)} exists already", remedy="choose another folder with -o, or remove it first")
    model = run.model(module)
    with filled_folder(folder) as made:
        outcome: Outcome = form(run, model, made, sample, **options)
    return Exported(folder, to, sum(file.stat().st_size for file in folder.rglob("*")), outcome)
