"""One module where several were meant: a list that holds the same layer n times, one norm for several layers."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils._pytree import tree_map

from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor._copies import copy_of
from chainrule.diagnosis.doctor._events import is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._probe import FAILURES, difference
from chainrule.diagnosis.doctor.findings import Fact, Finding

MOVES, FAR = 0.05, 0.3
"""Share of answers that are other ones, and their mean change over their spread, from which evaluation is another
network than training."""


@check("layers-are-one", "norm-shared-by-layers")
def sharing(case: Case) -> Iterator[Finding]:
    """Containers that hold one object several times; a batch norm that several layers of one pass go through."""
    for title, network in case.networks.items():
        for path, module in network.named_modules():
            repeated = _repeated(module)
            if repeated > 1:
                yield _one(case, path or title, repeated)
                return
    yield from _norms(case)


def _repeated(module: nn.Module) -> int:
    """How often a list or sequence of layers holds one layer with weights; 1 where all are others."""
    held = module._modules.values() if isinstance(module, (nn.ModuleList, nn.Sequential)) else ()
    counts = Counter(id(child) for child in held if child is not None and is_network(child))
    return max(counts.values(), default=1)


def _one(case: Case, path: str, count: int) -> Finding:
    line = next(
        (
            node.lineno
            for node in ast.walk(case.source.tree)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
            and any(isinstance(side, ast.List) and len(side.elts) == 1 and not isinstance(side.elts[0], ast.Constant)
                    for side in (node.left, node.right))
        ),
        None,
    )  # fmt: skip
    return Finding(
        "layers-are-one",
        f"`{path}` holds one layer {count} times: its places share the same weights",
        "fault",
        0.94,
        (
            Fact("different layers in it", "1"),
            Fact("places", str(count)),
        ),
        "[nn.Linear(...) for _ in range(n)], which makes n layers, in place of [nn.Linear(...)] * n",
        f"{case.source.path.name}:{line}" if line and case.source.path else path,
        None,
        ("layer-used-twice", "underfits", "layer-too-narrow"),
    )


def _norms(case: Case) -> Iterator[Finding]:
    """A batch norm with running averages that is called several times in one call of its owner."""
    for batch in case.batches[:1]:
        calls = [c for c in batch.tape.calls if isinstance(c.module, nn.modules.batchnorm._BatchNorm)]
        places = Counter((id(c.module), id(c.parent)) for c in calls if c.module.track_running_stats)
        (key, _), count = places.most_common(1)[0] if places else ((0, 0), 0)
        if count < 2:
            return
        call = next(c for c in calls if id(c.module) == key)
        far, other = _apart(case)
        bad = other >= MOVES or far >= FAR
        yield Finding(
            "norm-shared-by-layers",
            f"one batch norm, `{call.path}`, stands behind {count} layers: its running averages mix theirs",
            "fault" if bad else "note",
            0.9 if bad else 0.5,
            (
                Fact("uses in one pass", str(count)),
                Fact("mean change of the answers in evaluation mode, over their spread", f"{far:.2g}"),
                Fact("answers that are other ones in evaluation mode", f"{other:.0%}"),
            ),
            "a norm of its own for each layer: self.bn1, self.bn2, ...",
            call.path,
            None,
            ("batch-norm-statistics-off", "overfits", "underfits") if bad else (),
        )


def _apart(case: Case) -> tuple[float, float]:
    """How far the answers to a batch of the training are apart in both modes, and how many classes are others."""
    forward = next((f for f in reversed(case.forwards) if f.learning and f.given is not None), None)
    if forward is None or forward.given is None:
        return 0.0, 0.0
    answers = []
    for training in (True, False):
        module = copy_of(forward.module).train(training)
        for inner in module.modules():
            if isinstance(inner, nn.modules.dropout._DropoutNd):
                inner.p = 0.0
        try:
            with torch.no_grad(), torch.random.fork_rng():
                args, options = tree_map(lambda t: t.clone() if isinstance(t, torch.Tensor) else t, forward.given)
                answers.append(output_of(module(*args, **options)))
        except FAILURES:
            return 0.0, 0.0
    one, other = answers
    if one is None or other is None or one.shape != other.shape or not one.is_floating_point():
        return 0.0, 0.0
    classes = one.ndim > 1 and one.shape[-1] > 1
    moved = (one.argmax(-1) != other.argmax(-1)).float().mean() if classes else torch.zeros(())
    return float(difference(one, other).mean()), float(moved)
