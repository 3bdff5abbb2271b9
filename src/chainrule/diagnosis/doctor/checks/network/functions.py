"""Backward functions that somebody wrote: whether they give the gradient of what their forward computes."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from chainrule.analysis._tape import Operation, Ref
from chainrule.analysis.gradcheck import GradientCheck, check_gradient
from chainrule.core.errors import UsageError
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE, STANDSTILL
from chainrule.diagnosis.doctor.checks.network._probe import FAILURES
from chainrule.diagnosis.doctor.checks.network._trial import can_try, trial
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

SECONDS = 1.5
"""For the gradient check of one function."""
APART = 0.02
"""Relative error of a whole gradient from which it is another one: sums in another order differ by far less."""
ROWS = 8
"""Examples that a function of one tensor is checked with."""
SYMPTOMS = (*LEARNS_LITTLE, *STANDSTILL, "gradients-explode", "loss-diverges", "rate-too-high")


@check("backward-written-wrong", experiment=True)
def own_backward(case: Case) -> Iterator[Finding]:
    """The gradient that each `torch.autograd.Function` gives beside differences of its values."""
    for batch in case.batches[:1]:
        played: dict[int, Tensor] | None = None
        for operation in _first_uses(batch):
            if played is None:
                played = batch.played(case.rehearsal.start())
            found = _checked(operation, played)
            wrong = [t for t in found.tensors if t.state == "wrong" and (t.error or 1.0) > APART] if found else []
            if found is None or not wrong:
                continue
            kind = function_of(operation)
            worst = max(wrong, key=lambda each: each.error or 0.0)
            entry = worst.worst
            told = [] if entry is None else [
                Fact(f"{worst.place()}: what backward gives, and the slope of forward",
                     f"{entry.analytic:.4g}, {entry.numerical:.4g}")]  # fmt: skip
            tried = _tried(case, kind)
            yield Finding(
                "backward-written-wrong",
                f"the backward of `{kind.__name__}` is not the gradient of its forward",
                "fault",
                0.97 if tried is None or tried.helped else 0.9,
                (
                    Fact("gradient by", ", ".join(f"{t.name}: relative error {t.error or 1.0:.2g}" for t in wrong)),
                    *told,
                    *([Fact("what it looks like", worst.hint)] if worst.hint else []),
                ),
                "return the incoming gradient times the derivative, one for each input of forward, in their order; "
                f"chainrule.check_gradient({kind.__name__}, x) says where it is off",
                _place(kind),
                tried,
                SYMPTOMS,
            )
            return


def function_of(operation: Operation) -> Any:
    """The `torch.autograd.Function` of the user's that an operation is; None for any other."""
    owner = getattr(operation.target, "__self__", None)
    own = inspect.isclass(owner) and issubclass(owner, torch.autograd.Function)
    return owner if own and not owner.__module__.startswith("torch") else None


def _first_uses(batch: Batch) -> list[Operation]:
    """One operation of each such function."""
    found: dict[Any, Operation] = {}
    for operation in batch.tape.operations:
        kind = function_of(operation)
        if kind is not None and any(i in batch.learned for i in operation.inputs):
            found.setdefault(kind, operation)
    return list(found.values())


def _checked(operation: Operation, played: dict[int, Tensor]) -> GradientCheck | None:
    """The gradient check; None where there is none to check: a straight-through estimator, a reversal, a scaling."""
    alone = len(operation.inputs) == 1
    arguments = tree_map(
        lambda leaf: _few(played[leaf.value], alone) if isinstance(leaf, Ref) else leaf,
        operation.arguments,
        is_leaf=lambda leaf: isinstance(leaf, Ref),
    )
    if operation.options or not all(_finite(a) for a in arguments):
        return None
    kind = function_of(operation)
    try:
        if _meant(kind, arguments):
            return None
        return check_gradient(kind, *arguments, seconds=SECONDS)
    except (*FAILURES, UsageError, NotImplementedError):
        return None


def _few(tensor: Tensor, alone: bool) -> Tensor:
    """A copy; of the only input a few examples."""
    return (tensor[:ROWS] if alone and tensor.ndim > 1 else tensor).detach().clone()


def _finite(given: Any) -> bool:
    return not isinstance(given, Tensor) or bool(torch.isfinite(given.float()).all())


def _meant(kind: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether another gradient is the point of it: forward gives back its input, or is flat nearly everywhere."""
    given = [a.double() if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments]
    tensors = [a for a in given if isinstance(a, Tensor) and a.is_floating_point()]
    with torch.no_grad():
        out = _number(kind.apply(*given))
        if out is None or not tensors:
            return True
        if any(t.shape == out.shape and torch.allclose(t, out.to(t), rtol=1e-6) for t in tensors):
            return True
        moved = [a + 1e-7 * (1 + a.abs()) if isinstance(a, Tensor) and a.is_floating_point() else a for a in given]
        after = _number(kind.apply(*moved))
    return after is None or (float((after == out).double().mean()) > 0.99 and float(out.std(correction=0)) > 0)


def _number(output: Any) -> Tensor | None:
    first = output[0] if isinstance(output, (tuple, list)) and output else output
    return first.double() if isinstance(first, Tensor) and first.is_floating_point() else None


class _Context:
    """What forward is given in place of torch's own, where torch differentiates it."""

    saved_tensors: tuple[Tensor, ...] = ()
    needs_input_grad = (True,) * 16

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.saved_tensors = tensors

    def mark_dirty(self, *_: Tensor) -> None:
        pass

    mark_non_differentiable = mark_dirty

    def set_materialize_grads(self, _: bool) -> None:
        pass


def _tried(case: Case, kind: Any) -> Tried | None:
    """Steps with the gradient that torch finds for forward; None where it finds none."""
    if not can_try(case):
        return None

    def forward(*arguments: Any) -> Any:
        one = len(inspect.signature(kind.forward).parameters) == len(arguments) and "ctx" not in inspect.signature(
            kind.forward
        ).parameters  # fmt: skip
        return kind.forward(*arguments) if one else kind.forward(_Context(), *arguments)

    actions = {
        i: {o.index: forward for o in b.tape.operations if function_of(o) is kind} for i, b in enumerate(case.batches)
    }
    try:
        before, after = trial(case), trial(case, actions=actions)
    except FAILURES:
        return None
    if not math.isfinite(after.last):
        return None
    return Tried("torch's own gradient of forward", before.words(), after.words(), after.last < before.last)


def _place(kind: Any) -> str:
    """The line of the last return of its backward."""
    try:
        lines, first = inspect.getsourcelines(kind.backward)
        path = inspect.getsourcefile(kind.backward) or ""
    except (OSError, TypeError):
        return str(kind.__name__)
    returns = [i for i, line in enumerate(lines) if textwrap.dedent(line).startswith("return")]
    return f"{Path(path).name}:{first + (returns[-1] if returns else 0)}"
