"""What one example's answer depends on beside it: the other examples of its batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from chainrule.analysis._record import record
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import spot
from chainrule.diagnosis.doctor.checks.network._probe import MOVED, Probe, batches_apart, difference
from chainrule.diagnosis.doctor.findings import Fact, Finding


@check("examples-leak", "batch-axis-as-time", "softmax-over-batch", experiment=True)
def examples_leak(case: Case) -> Iterator[Finding]:
    """One example is replaced in a batch; in evaluation the answers to the others must stay."""
    for probe, axis, count in batches_apart(case):
        found = _leak(probe, axis, count)
        if found is not None:
            yield _finding(case, probe, axis, count, found)
            return


def _replaced(tensor: Tensor, axis: int, count: int, which: int) -> Tensor:
    """The tensor with one example taken from another one."""
    if tensor.ndim <= axis or tensor.shape[axis] != count:
        return tensor.clone()
    order = torch.arange(count)
    flat = tensor.movedim(axis, 0).reshape(count, -1)
    other = (flat != flat[which]).any(1).nonzero().flatten()
    order[which] = int(other[-1]) if len(other) else which
    changed = tensor.index_select(axis, order)
    if tensor.is_floating_point() and not len(other):
        changed.select(axis, which).add_(1.0)
    return changed


@dataclass(frozen=True)
class _Leak:
    """Share of the other examples that moved, how far, and the network's answers."""

    share: float
    far: float
    which: int


def _leak(probe: Probe, axis: int, count: int) -> _Leak | None:
    before = probe.ask()
    if before is None or count not in before.shape or not torch.isfinite(before).all():
        return None
    again = probe.ask()
    if again is None or float(difference(before, again).max()) > MOVED:
        return None  # drawn at random each time: nothing can be said
    out = axis if before.ndim > axis and before.shape[axis] == count else before.shape.index(count)
    worst = None
    for which in (0, count // 2):
        after = probe.ask(lambda t, which=which: _replaced(t, axis, count, which))  # type: ignore[misc]
        if after is None or after.shape != before.shape:
            return None
        moved = difference(before, after).movedim(out, 0).reshape(count, -1).amax(1)
        if float(moved[which]) > 0 or float(moved.max()) > MOVED:
            others = torch.cat([moved[:which], moved[which + 1 :]])
            if float(others.max()) > MOVED:
                leak = _Leak(float((others > MOVED).float().mean()), float(others.max()), which)
                worst = leak if worst is None or leak.share > worst.share else worst
    return worst


def _finding(case: Case, probe: Probe, axis: int, count: int, found: _Leak) -> Finding:
    culprit = _culprit(probe, axis, count, found.which)
    label, how, change = _named(culprit, axis)
    batch = case.batches[0] if case.batches else None
    same = _as_recorded(batch, probe, culprit) if batch is not None and culprit is not None else None
    where = spot(case, batch, same) if batch is not None and same is not None else case.place(probe.forward.line)
    return Finding(
        label,
        f"the answer to an example depends on the other examples of its batch: {how}",
        "fault",
        0.97 if label != "examples-leak" else 0.95,
        (
            Fact("other examples whose answers moved when one example was replaced", f"{found.share:.0%}"),
            Fact("how far, over the spread of all answers", f"{found.far:.2g} (0 where examples are apart)"),
            Fact("examples are along dimension", f"{axis} of the input {tuple(probe.forward.inputs.shape)}"
                 if probe.forward.inputs else str(axis)),
        ),
        change,
        where,
        None,
        ("place-in-batch-matters", "order-ignored",
         "part-of-input-unseen", "padding-seen", "input-ignored", "no-causal-mask", "underfits",
         "one-batch-is-not-learned", "loss-does-not-move"),
    )  # fmt: skip


def _named(culprit: Operation | None, axis: int) -> tuple[str, str, str]:
    """Label, what is wrong, and what to write instead, from the operation that lets examples meet."""
    module = culprit.call.module if culprit is not None and culprit.call is not None else None
    if culprit is not None and module is not None and getattr(module, "batch_first", True) is False:
        return (
            "batch-axis-as-time",
            f"{type(module).__name__} takes (time, batch, features) and gets the batch first: it runs over examples",
            "batch_first=True, or transpose(0, 1) before and after",
        )
    if culprit is not None and culprit.function == "batch_norm":
        return (
            "examples-leak",
            "batch normalization has no running averages and uses the batch in evaluation",
            "track_running_stats=True (the default), training=self.training",
        )
    if culprit is not None and culprit.function in ("softmax", "log_softmax", "softmin"):
        return (
            "softmax-over-batch",
            f"`{culprit.function}` runs along dimension {axis}, the examples",
            "softmax(dim=-1), or dim=1 for scores (N, C)",
        )
    name = f"`{culprit.function}`" if culprit is not None else "something in forward"
    return (
        "examples-leak",
        f"{name} mixes rows",
        "keep the batch apart: flatten(1), not view(-1, ...); permute or transpose, not reshape; means, norms and "
        "products over the other dimensions",
    )


def _culprit(probe: Probe, axis: int, count: int, which: int) -> Operation | None:
    """The first operation into which examples go apart and out of which they come mixed."""
    changed = tree_map(
        lambda leaf: _replaced(leaf, axis, count, which) if isinstance(leaf, Tensor) else leaf, probe.given
    )
    tapes = [record(probe.module, *given[0], **given[1]) for given in (probe.given, changed)]
    one, other = ([value.tensor for value in tape.values] for tape in tapes)
    for operation in tapes[0].operations if len(one) == len(other) else ():
        out = operation.results[0] if operation.results else operation.changed[0]
        if all(_apart(one[i], other[i], count, which) for i in operation.inputs) and not _apart(
            one[out], other[out], count, which
        ):
            return operation
    return None


def _as_recorded(batch: Batch, probe: Probe, operation: Operation) -> Operation | None:
    """The same operation in a recorded step: where its line is known."""
    tape = record(probe.module, *probe.given[0], **probe.given[1])
    number = sum(o.function == operation.function for o in tape.operations[: operation.index])
    inside = [o for o in batch.tape.operations if o.call is not None and o.function == operation.function]
    return inside[number] if number < len(inside) else None


def _apart(one: Tensor, other: Tensor, count: int, which: int) -> bool:
    """Whether two tensors differ at one example only, along some dimension."""
    moved = difference(one.double(), other.double()) > MOVED
    if not bool(moved.any()):
        return True
    for axis, size in enumerate(one.shape):
        if size == count:
            rest = moved.movedim(axis, 0).reshape(count, -1).any(1)
            rest[which] = False
            if not bool(rest.any()):
                return True
        elif size and size % count == 0 and axis == 0:  # places of an example in a row
            rest = moved.reshape(count, -1).any(1)
            rest[which] = False
            if not bool(rest.any()):
                return True
    return False
