"""What an answer depends on beside the input: chance, and earlier calls."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from chainrule.analysis._record import record
from chainrule.analysis._tape import Operation
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import (
    MOVED,
    askable,
    difference,
    probing,
)
from chainrule.diagnosis.doctor.checks.network.structure import _rebuilds
from chainrule.diagnosis.doctor.findings import Fact, Finding

DROPPING = frozenset({"dropout", "dropout_", "feature_dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                      "feature_alpha_dropout", "bernoulli", "bernoulli_", "native_dropout"})  # fmt: skip
FLIPS, NOISY = 0.02, 0.1
"""Share of answers that chance changes, and their mean change over their spread, from which it costs."""
REPEATED = 3
"""Calls with equal inputs in one evaluation from which chance in them is meant: an average over draws."""


@check("dropout-always-on", "random-in-evaluation", experiment=True)
def chance(case: Case) -> Iterator[Finding]:
    """The same input twice in evaluation mode: the same answer twice, unless something is drawn at random."""
    for title, forward in askable(case):
        with probing(case, title, forward) as probe:
            if probe is None:
                continue
            one, two, third = probe.ask(seed=1), probe.ask(seed=2), probe.ask(seed=1)
            if one is None or two is None or third is None or one.shape != two.shape:
                continue
            moved = float(difference(one, two).max())
            if moved <= MOVED or float(difference(one, third).max()) > MOVED:
                continue
            tape = record(probe.module, *probe.given[0], **probe.given[1])
            dropped = [o for o in tape.operations if o.function in DROPPING and _is_on(o)]
            meant = _averaged(case, forward.module)
            fault = bool(dropped) and not meant
            costs = not dropped and not meant and _costs(case, one, two)
            own = [(b, o) for b in case.batches[:1] for o in b.tape.operations if o.function in DROPPING and _is_own(o)]
            yield Finding(
                "dropout-always-on" if dropped else "random-in-evaluation",
                "dropout stays on in evaluation mode"
                if dropped
                else "the network's answers in evaluation are drawn at random",
                "fault" if fault or costs else "note",
                0.95 if fault else 0.88 if costs else 0.5,
                (Fact("the same input twice in evaluation mode: largest difference over the spread", f"{moved:.2g}"),),
                "F.dropout(x, p, training=self.training), or nn.Dropout as an attribute"
                if dropped
                else "draw in training alone: if self.training: ...; begin states with zeros",
                case.place(own[0][0].line(own[0][1])) if own else _drawn(case) or title,
            )
            return


def _costs(case: Case, one: Tensor, two: Tensor) -> bool:
    """Whether chance alone changes what is answered, in a network that is asked for classes or numbers."""
    batch = case.batches[0] if case.batches else None
    if batch is None or case.task == "own" or batch.targets is None or _rebuilds(batch):
        return False
    if case.task == "numbers":
        return float(difference(one, two).mean()) > NOISY
    other = one.argmax(-1) != two.argmax(-1) if one.ndim > 1 and one.shape[-1] > 1 else (one > 0) != (two > 0)
    return float(other.double().mean()) > FLIPS or float(difference(one, two).mean()) > NOISY


def _drawn(case: Case) -> str:
    """The line in the network at which numbers are drawn."""
    for batch in case.batches[:1]:
        for operation in batch.tape.operations:
            if operation.call is not None and operation.function.startswith(("rand", "normal", "bernoulli")):
                return case.place(batch.line(operation))
    return ""


def _is_on(operation: Operation) -> bool:
    return operation.arguments[2:3] != (False,) and operation.options.get("training") is not False


def _is_own(operation: Operation) -> bool:
    call = operation.call
    return call is not None and not type(call.module).__module__.startswith("torch.")


def _averaged(case: Case, module: nn.Module) -> bool:
    """Whether evaluations call it several times with the same examples: an average over draws."""
    for passed in case.evaluations:
        first = [f.forward.rows[0].item() for f in passed if f.forward.module is module and f.forward.rows is not None]
        if first and max(first.count(each) for each in set(first)) >= REPEATED:
            return True
    return False


@check("state-carried-over", experiment=True)
def state_carried(case: Case) -> Iterator[Finding]:
    """A call with another input in between changes the answer: the network keeps something from call to call."""
    for title, forward in askable(case):
        with probing(case, title, forward) as probe:
            if probe is None or not any(t.is_floating_point() or t.ndim > 1 for t in probe.tensors):
                continue
            fresh = probe.ask()
            second = probe.ask()
            third = probe.ask()
            if fresh is None or second is None or third is None or fresh.shape != third.shape:
                continue
            moved = float(difference(fresh, second).max())
            if moved <= MOVED:
                continue
            stateful = _language(case)
            yield Finding(
                "state-carried-over",
                "the answer depends on what the network was called with before: a state is kept from call to call",
                "note" if stateful else "fault",
                0.5 if stateful else 0.9,
                (
                    Fact(
                        "the same input twice: largest difference over the spread", f"{moved:.2g} (0 without a memory)"
                    ),
                ),
                "begin each sequence with a state of zeros: leave the state out, or reset it before each batch",
                title,
                None,
                ("examples-leak",),
            )
            return


def _language(case: Case) -> bool:
    """Whether each place of a sequence has a target: there batches may continue each other."""
    batch = case.batches[0] if case.batches else None
    if batch is None or batch.targets is None or not batch.inputs:
        return False
    inputs = batch.inputs[0]
    return inputs.ndim > 1 and batch.targets.numel() == inputs.shape[0] * inputs.shape[1]
