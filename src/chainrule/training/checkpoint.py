"""A checkpoint is tensors by name and a little JSON: no generators, no loaders, nothing that is code.

Names: `model/NAME`, `average/AVERAGE/NAME`, `optimizer/PHASE/PARAMETER/SLOT`, `carry/PART/NAME`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import CheckpointCorrupt, CheckpointError
from chainrule.core.paths import shown
from chainrule.core.plain import to_json
from chainrule.core.sealed import Whole, newest_whole, read_folder
from chainrule.core.storage_errors import translated
from chainrule.core.store import publish_folder, remove_folder
from chainrule.models import Fitted
from chainrule.runtime.laid_out import is_laid_out, laid_as
from chainrule.runtime.weights import from_bytes, to_buffers
from chainrule.runtime.world import Alone, World
from chainrule.training.non_finite import require_finite
from chainrule.training.task import Carry, TrainState

TENSORS, STATE = "tensors.safetensors", "state.json"


def step_folder(parent: Path, step: int) -> Path:
    """Where the checkpoint of a step stands.

    Example:
        >>> step_folder(Path("checkpoints"), 1200).as_posix()
        'checkpoints/step-00001200'
    """
    return parent / f"step-{step:08d}"


def save_checkpoint(
    parent: Path,
    state: TrainState,
    facts: Mapping[str, Any],
    *,
    run: str | None = None,
    world: World | None = None,
) -> Path:
    """Publish the state as a new folder; it appears whole or not at all. One that is there already is left.

    Args:
        parent: The folder of the run's checkpoints.
        state: What is saved.
        facts: Plain data for the manifest.
        run: The `id` of `run.json`, by which `load_checkpoint` knows its own.
        world: The processes that share the training, which all call this. Process 0 writes; where weights are laid out
            over processes, each writes its part.

    Raises:
        NonFiniteError: A tensor holds NaN or infinities.
        StorageError: The disk is full or not writable; nothing that was there is touched.
    """
    world = world or Alone()
    path = step_folder(parent, state.step)
    if world.first(path.is_dir):
        return path
    carry = {part: value for each in world.gather(dict(state.carry)) for part, value in each.items()}
    tensors, numbers = pack(replace(state, carry=carry))
    require_finite(tensors, state.step, world)
    small = {
        "step": state.step,
        "history": state.history,
        "skipped": state.skipped,
        "numbers": numbers,
        **({"scale": state.scale, "steady": state.steady} if state.scale != 1 else {}),
    }
    about = {**facts, "step": state.step, "run": run}
    if world.shard > 1:
        from chainrule.training.sharded import save_sharded

        save_sharded(path, tensors, small, about, world)
    elif world.rank == 0:
        publish_folder(path, {TENSORS: to_buffers(tensors), STATE: to_json(small)}, about)
    return path


def load_checkpoint(parent: Path, state: TrainState, *, run: str | None = None, world: World | None = None) -> Whole:
    """Put the newest whole checkpoint into a freshly started state.

    Every byte is checked before it is used, and that name, manifest and contents tell of the same step of this run.
    What was passed over, and why, is in the result.

    Args:
        parent: The folder of the run's checkpoints.
        state: As `start` made it.
        run: The `id` of `run.json`; None for a run of before there were any.
        world: The processes that share the training, which all call this and read the same folder, whatever number of
            processes wrote it. Process 0 checks it.

    Raises:
        CheckpointError: There is no whole checkpoint, or it belongs to another network.
    """
    world = world or Alone()
    found: list[Whole] = []

    def look() -> Whole:
        found.append(newest_whole(parent, check=partial(_require_own, run)))
        return found[0]._replace(files={STATE: found[0].files[STATE]})

    whole = world.first(look)
    files = found[0].files if found else {}
    unpack(state, _tensors(whole.path, files, state), json.loads(whole.files[STATE]))
    return whole


def _tensors(path: Path, files: Mapping[str, bytes], state: TrainState | None) -> dict[str, Tensor]:
    """The tensors of a checkpoint; those of weights that a state has laid out over processes come laid out so.

    Args:
        path: The folder.
        files: What was read of it before, if anything was.
        state: None: all tensors are wanted whole.
    """
    if (path / TENSORS).is_file():
        return from_bytes(files.get(TENSORS) or (path / TENSORS).read_bytes(), str(path / TENSORS))
    from chainrule.training.sharded import read_sharded

    laid = {} if state is None else _laid_out(state)

    def like(name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        given = laid.get(name.rpartition("/")[0] if name.startswith("optimizer/") else name)
        if given is not None and given.shape == shape:
            return torch.empty_like(given, dtype=dtype, requires_grad=False)
        return torch.empty(shape, dtype=dtype)

    return read_sharded(path, like)


def _require_own(run: str | None, path: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Refuse what is whole but stands in another place than it was written for: a folder renamed, or of another run."""
    if STATE not in files or not any(name.endswith(".safetensors") for name in files):
        missing = TENSORS if STATE in files else STATE
        raise CheckpointCorrupt(f"{shown(path)} is no checkpoint", expected=f"a file {missing}")
    try:
        step = json.loads(files[STATE])["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointCorrupt(f"{shown(path / STATE)} is no state", expected="JSON with the step") from None
    if type(step) is not int or step_folder(path.parent, step) != path or facts.get("step", step) != step:
        told = {STATE: step, "the manifest": facts.get("step", step)}
        raise CheckpointCorrupt(
            f"{shown(path)} does not hold the step of its name",
            got=", ".join(f"step {str(value)[:20]!r} in {where}" for where, value in told.items()),
        )
    if run is not None and facts.get("run") != run:
        raise CheckpointCorrupt(f"{shown(path)} is of another run", expected=run, got=facts.get("run"))


def checkpoint_weights(path: Path, kind: str, *, run: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of one network out of a checkpoint: kind "model", or the name of an average.

    Raises:
        CheckpointCorrupt: It is damaged, or not that step of the run with this `id` (None: any).
    """
    files, facts = read_folder(path)
    _require_own(run, path, files, facts)
    prefix = "model/" if kind == "model" else f"average/{kind}/"
    tensors = _tensors(path, files, None)
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def prune(parent: Path, *, keep: int, protected: set[int]) -> None:
    """Remove old checkpoints, oldest first; the newest `keep` and the protected steps stay, and other folders too.

    Raises:
        StorageError: The folder cannot be read, or a checkpoint not be removed.
    """
    steps = _steps(parent)
    for step in steps[: max(0, len(steps) - keep)]:
        if step not in protected:
            remove_folder(step_folder(parent, step))


def newest_step(parent: Path) -> int:
    """Return the step of the newest checkpoint; 0 where there is none."""
    if not parent.is_dir():
        return 0
    return max(_steps(parent), default=0)


def _steps(parent: Path) -> list[int]:
    with translated("read", parent):
        names = set(os.listdir(parent))
    numbers = {int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdecimal()}
    return sorted(step for step in numbers if step_folder(parent, step).name in names)


def recut(carry: Mapping[int, Carry], parts: int) -> dict[int, Carry]:
    """Cut what is carried into another number of parts: (examples of a part, ...) each, one part after the other.

    Example:
        >>> pieces = recut({0: {"h": torch.zeros(3, 2)}, 1: {"h": torch.ones(2, 2)}}, 3)
        >>> [len(piece["h"]) for piece in pieces.values()]
        [2, 2, 1]
    """
    if len(carry) in (0, parts) or not any(carry.values()):
        return dict(carry)
    whole = {name: torch.cat([carry[part][name] for part in sorted(carry)]) for name in carry[min(carry)]}
    pieces = {name: value.tensor_split(parts) for name, value in whole.items()}
    return {part: {name: pieces[name][part] for name in pieces} for part in range(parts)}


def pack(state: TrainState) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Return all tensors of a state by name, and the plain numbers of its optimizers."""
    tensors = {f"model/{name}": value for name, value in state.model.state_dict().items()}
    numbers: dict[str, float] = {}
    for average, model in state.averages.items():
        tensors |= {f"average/{average}/{name}": value for name, value in model.state_dict().items()}
    for name, slots, _ in _slots(state):
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"{name}/{slot}"] = value
            elif value is not None:
                numbers[f"{name}/{slot}"] = value
    for part, carry in state.carry.items():
        tensors |= {f"carry/{part}/{name}": value for name, value in carry.items()}
    return tensors, numbers


def unpack(state: TrainState, tensors: Mapping[str, Tensor], small: Mapping[str, Any]) -> None:
    """Put packed tensors and numbers back; the opposite of `pack`.

    Raises:
        CheckpointError: Names or shapes are not those of this network.
    """
    _fill(state.model, "model/", tensors)
    for average, model in state.averages.items():
        _fill(model, f"average/{average}/", tensors)
    by_owner: dict[str, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *small["numbers"].items()]:
        if name.startswith("optimizer/"):
            owner, _, slot = name.rpartition("/")
            by_owner.setdefault(owner, {})[slot] = value
    for name, slots, parameter in _slots(state):
        slots.update({slot: _like(value, parameter) for slot, value in by_owner.get(name, {}).items()})
    carry: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("carry/"):
            _, part, key = name.split("/", 2)
            carry.setdefault(int(part), {})[key] = value
    state.carry = dict(carry)
    state.step, state.skipped = small["step"], small["skipped"]
    state.scale, state.steady = small.get("scale", 1.0), small.get("steady", 0)
    state.history = tuple((step, {k: float(v) for k, v in metrics.items()}) for step, metrics in small["history"])


def _slots(state: TrainState) -> Iterator[tuple[str, dict[str, Any], Tensor]]:
    """(name, the optimizer's own dictionary, parameter) of every parameter that an optimizer holds."""
    names = {id(parameter): name for name, parameter in state.model.named_parameters()}
    for phase, optimizer in state.optimizers.items():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield f"optimizer/{phase}/{names[id(parameter)]}", optimizer.state[parameter], parameter


def _laid_out(state: TrainState) -> dict[str, Tensor]:
    """What a state has laid out over processes, by name in a checkpoint; an optimizer's under its parameter's name."""
    named = {f"model/{name}": value for name, value in state.model.state_dict().items()}
    for average, model in state.averages.items():
        named |= {f"average/{average}/{name}": value for name, value in model.state_dict().items()}
    named |= {name: parameter for name, _, parameter in _slots(state)}
    return {name: value for name, value in named.items() if is_laid_out(value)}


def _like(value: Any, parameter: Tensor) -> Any:
    """A slot of the parameter's shape takes its layout in memory too, so that the same kernels run."""
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        value = laid_as(value, parameter)
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value.clone() if isinstance(value, Tensor) else value


def _fill(model: nn.Module, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    given = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    if isinstance(model, Fitted):
        model.make_room(given)
    own = model.state_dict()
    odd = sorted(set(own) ^ set(given)) or [n for n in own if own[n].shape != given[n].shape]
    if odd:
        raise CheckpointError("the checkpoint belongs to another network", got=f"{odd[0]} does not fit")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(laid_as(given[name], value))
