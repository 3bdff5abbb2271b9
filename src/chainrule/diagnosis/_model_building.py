"""Checks 1 to 5 of a network: building, writing down, copying."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

from chainrule.core.paths import shown
from chainrule.core.store import write_file
from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check
from chainrule.diagnosis._compare import require_near, require_same_table
from chainrule.diagnosis._model_subject import ModelSubject, scores
from chainrule.models import MODELS
from chainrule.models._fitted import Fitted
from chainrule.runtime.weights import from_bytes, load_weights, read_weights, to_bytes
from chainrule.tasks.tables import TABLES, open_recipe, options


@check(
    "builds from its configuration alone",
    "a run can build its network again, on another machine, at another time",
    "a generator other than torch's, the time, a file, a module or tensor kept between two calls",
)
def builds(subject: ModelSubject) -> Evidence:
    first, second = subject.network(), subject.network()
    shared = {p.data_ptr() for p in first.parameters()} & {p.data_ptr() for p in second.parameters() if p.numel()}
    if first is second or shared:
        raise Violation("two networks that were built one after the other share their weights", shared=len(shared))
    tensors = require_same_table("built twice from one seed", second.state_dict(), first.state_dict())
    for name, parameter in first.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise Violation(f"the new weights {name} are not finite", tensor=name)
    count = sum(parameter.numel() for parameter in first.parameters())
    return Evidence(f"{count:,} parameters, {tensors} tensors, equal twice", parameters=count, tensors=tensors)


@check(
    "configuration survives writing and reading",
    "the recipe in a run folder describes the network that was trained",
    "an option whose value YAML changes (tuples become lists), or that the builder changes in place",
)
def round_trip(subject: ModelSubject) -> Evidence:
    if subject.name is None:
        raise DoesNotApply("it is built by a function, which has no configuration to write down")
    data = {"data": {"name": "digits"}, "model": {"name": subject.name, **_plain(subject.options)}}
    data["train"] = {"steps": 1}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recipe.yaml")
        write_file(path, open_recipe(data).to_yaml().encode())
        again = options(TABLES["model"], open_recipe(str(path)).model, "model")
    before = json.dumps(_plain(again), sort_keys=True)
    other = ModelSubject(
        lambda shape: MODELS.resolve(str(subject.name))(shape, subject.classes, **again),
        subject.shape,
        subject.classes,
        subject.seed,
    )
    wanted, found = subject.network(), other.network()
    if json.dumps(_plain(again), sort_keys=True) != before:
        raise Violation("the builder changed the options that it was given", before=before)
    if str(found) != str(wanted):
        raise Violation("the network that is built from what was read has other layers")
    count = require_same_table("built from what was read", found.state_dict(), wanted.state_dict())
    return Evidence(f"{len(again)} options through YAML and back, {count} tensors equal", options=len(again))


def _plain(options: object) -> dict[str, object]:
    """Options as JSON data."""
    return json.loads(json.dumps(dict(options)))  # type: ignore[call-overload]


@check(
    "saved and loaded weights give the same outputs, bit for bit",
    "what is evaluated or deployed is what was trained",
    "a tensor outside of parameters and persistent buffers, or one that `load_state_dict` does not restore",
)
def save_and_load(subject: ModelSubject) -> Evidence:
    network, x = subject.settled, subject.inputs(3)
    fresh = subject.network(subject.seed + 1)
    data = to_bytes(network.state_dict())
    if isinstance(fresh, Fitted):
        fresh.make_room(from_bytes(data))
    load_weights(fresh, from_bytes(data))
    require_near("the output after loading", scores(fresh.eval(), x), scores(network, x), 0)
    return Evidence(f"{len(data):,} bytes of weights, outputs equal", bytes=len(data))


@check(
    "a fresh process gives the same outputs",
    "nothing that this process remembers takes part in the network",
    "a value at the level of a module, a hash of text, an environment variable, the order of a set",
)
def fresh_process(subject: ModelSubject) -> Evidence:
    if subject.target is None:
        raise DoesNotApply("what builds it is no function that another process could import by its name")
    x = subject.inputs(3)
    wanted = scores(subject.settled, x)
    plan = {"target": subject.target, "options": _plain(subject.options), "threads": torch.get_num_threads()}
    plan |= {"shape": list(subject.shape), "classes": subject.classes} if subject.name is not None else {}
    with tempfile.TemporaryDirectory() as folder:
        write_file(Path(folder, "plan.json"), json.dumps(plan).encode())
        write_file(Path(folder, "weights.safetensors"), to_bytes(subject.settled.state_dict()))
        write_file(Path(folder, "inputs.safetensors"), to_bytes({"x": x}))
        done = subprocess.run(  # noqa: S603 - this Python, a file of this package
            [sys.executable, "-m", "chainrule.diagnosis._model_child", folder],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise Violation(f"the fresh process failed: {shown(last)[:200]}", status=done.returncode)
        found = read_weights(Path(folder, "outputs.safetensors"))["scores"]
    apart = require_near("the output of the fresh process", found, wanted, 0)
    return Evidence("outputs equal bit for bit", difference=apart)


@check(
    "a copy is equal and stands alone",
    "averages, ensembles and trials work on copies without touching the original",
    "a function or a closure that holds the first network's layers, or a `__deepcopy__` that shares",
)
def copies(subject: ModelSubject) -> Evidence:
    network, x = subject.like(subject.settled), subject.inputs(3)
    wanted = scores(network, x)
    twin = copy.deepcopy(network)
    require_near("the copy's output", scores(twin, x), wanted, 0)
    own = {p.data_ptr() for p in (*network.parameters(), *network.buffers()) if p.numel()}
    if any(p.data_ptr() in own for p in (*twin.parameters(), *twin.buffers())):
        raise Violation("the copy shares memory with the original")
    _disturb(twin)
    moved = scores(twin, x)
    require_near("the original's output after the copy was changed", scores(network, x), wanted, 0)
    require_near("the changed copy, beside a new network with its weights,", moved, scores(subject.like(twin), x), 1e-5)
    return Evidence("outputs equal, no memory shared", tensors=len(twin.state_dict()))


def _disturb(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.01).add_(0.001)


BUILDING: tuple[Check[ModelSubject], ...] = (builds, round_trip, save_and_load, fresh_process, copies)
"""Checks 1 to 5."""
