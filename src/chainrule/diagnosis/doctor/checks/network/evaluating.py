"""Layers of one's own that make another network of it in evaluation mode: averages that were never kept."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor._copies import copy_of
from chainrule.diagnosis.doctor._events import Forward
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import FAILURES, MOVED, difference
from chainrule.diagnosis.doctor.findings import Fact, Finding

OTHER = 0.1
"""Share of answers that are other classes from which it is another network."""


@check("evaluation-is-another-network", experiment=True)
def another_in_evaluation(case: Case) -> Iterator[Finding]:
    """A batch of the training in both modes: without torch's own norms and without chance the answers are near."""
    for network in case.networks.values():
        calls = [f for f in case.forwards if f.learning and f.module is network and f.given is not None]
        norms = any(isinstance(m, nn.modules.batchnorm._NormBase) for m in network.modules())
        if not calls or norms or case.task not in ("classes", "yes or no"):
            continue
        forward = calls[-1]
        one, again, other = (_answer(forward, mode, seed) for mode, seed in ((True, 0), (True, 1), (False, 0)))
        if one is None or again is None or other is None or not one.shape == again.shape == other.shape:
            continue
        if float(difference(one, again).max()) > MOVED or one.ndim < 2 or not torch.isfinite(other).all():
            continue  # drawn at random in training
        moved = one.argmax(-1) != other.argmax(-1) if one.shape[-1] > 1 else (one > 0) != (other > 0)
        share = float(moved.double().mean())
        if share < OTHER:
            continue
        still = [name for name, buffer in network.named_buffers() if _stayed(case, buffer)]
        yield Finding(
            "evaluation-is-another-network",
            "a layer of your own does something else in evaluation mode"
            + (f": its averages ({', '.join(still[:2])}) are never kept up" if still else ""),
            "fault",
            0.9,
            (
                Fact("answers to a batch of the training that are other ones in evaluation mode", f"{share:.0%}"),
                Fact("mean change of the scores, over their spread", f"{float(difference(one, other).mean()):.2g}"),
                *([Fact("buffers that ended as they began", ", ".join(still[:6]))] if still else []),
            ),
            "self.running_mean.mul_(0.9).add_(0.1 * mean.detach()) in training: the buffer itself is written",
            still[0] if still else type(network).__name__,
            None,
            ("overfits", "validation-prepared-differently"),
        )
        return


def _stayed(case: Case, buffer: Tensor) -> bool:
    first = case.seen.initial.get(id(buffer))
    return first is not None and buffer.is_floating_point() and torch.equal(first, buffer)


def _answer(forward: Forward, training: bool, seed: int) -> Tensor | None:
    """What the network, with the weights it has now, gives in a mode; dropout of torch's own is left out."""
    assert forward.given is not None
    try:
        module = copy_of(forward.module).train(training)
        for inner in module.modules():
            if isinstance(inner, nn.modules.dropout._DropoutNd):
                inner.p = 0.0
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(seed)
            args, options = tree_map(lambda t: t.clone() if isinstance(t, Tensor) else t, forward.given)
            found = output_of(module(*args, **options))
    except FAILURES:
        return None
    return found.double() if found is not None and found.is_floating_point() else None
