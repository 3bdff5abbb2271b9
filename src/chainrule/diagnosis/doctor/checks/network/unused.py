"""Layers that were made and reach no loss: never called, computed and dropped, the upper ones of a stack."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import modules_of
from chainrule.diagnosis.doctor.checks.network._trial import can_try
from chainrule.diagnosis.doctor.checks.network.gradients import reach, trained
from chainrule.diagnosis.doctor.findings import Fact, Finding, Level


def silent_parts(case: Case) -> Iterator[Finding]:
    """Layers or directions of a recurrent stack with a gradient of zero: the state of another one is read."""
    stacks = [(p, m) for p, m in modules_of(case) if isinstance(m, nn.RNNBase) and m.num_layers + m.bidirectional > 1]
    if not stacks or not can_try(case):
        return
    sums: dict[int, float] = {}
    for place in range(min(2, len(case.batches))):
        for key, gradient in case.rehearsal.gradients(place).items():
            sums[key] = sums.get(key, 0.0) + float(gradient.abs().sum())
    for path, module in stacks:
        named = {n: p for n, p in module.named_parameters() if n.startswith("weight_ih_l")}
        sizes = {n.removeprefix("weight_ih_"): sums.get(id(p)) for n, p in named.items()}
        silent = [name for name, size in sizes.items() if size == 0]
        if not silent or None in sizes.values() or not any(sizes.values()):
            continue
        backward = all(name.endswith("reverse") for name in silent)
        yield Finding(
            "unused-layer",
            f"of `{path}` the {'backward direction' if backward else 'upper part'} reaches no loss: another is read",
            "fault",
            0.93,
            (
                Fact(
                    "gradient of the weights of each part", ", ".join(f"{n}: {s or 0.0:.3g}" for n, s in sizes.items())
                ),
            ),
            "torch.cat([h[-2], h[-1]], 1) has both directions"
            if backward
            else "h[-1] is the last layer's state; h[0] is the first one's",
            path,
            None,
            ("underfits", "frozen-at-random"),
        )
        return


@check("unused-layer")
def unused_layer(case: Case) -> Iterator[Finding]:
    """A layer with parameters was made and given to the optimizer, and no loss that was seen depends on it."""
    if len(case.batches) < 3:
        return
    upper = next(silent_parts(case), None)
    if upper is not None:
        yield upper
        return
    used = frozenset().union(*(reach(batch).used for batch in case.batches))
    meant = {id(p) for p in trained(case).values()}
    ran = {id(call.module) for batch in case.batches for call in batch.tape.calls}
    now = case.final
    active = {id(t) for t in case.networks.values() if any(id(p) in used for p in t.parameters())}
    for title, network in case.networks.items():
        if id(network) not in active:
            continue  # a network of another use
        for path, module in network.named_modules():
            own = [p for p in module.parameters(recurse=False) if id(p) in meant]
            if not own or any(id(p) in used for p in own):
                continue
            if any(id(p) in now and not torch.equal(now[id(p)], case.seen.initial[id(p)]) for p in own):
                continue  # it was used later
            called = id(module) in ran
            sure, level = _meant_to_be_used(case, module, path, called)
            count = sum(p.numel() for p in own)
            yield Finding(
                "unused-layer",
                f"the layer `{path or title}` "
                + ("runs, but nothing that it gives reaches the loss" if called else "is never called"),
                level,
                sure,
                (
                    Fact("parameters in it", f"{count:,}"),
                    Fact("calls in the recorded steps", "some, without effect" if called else "none"),
                ),
                "use it in forward (in a loop: x = layer(x), and return behind it), or remove it",
                path or title,
                None,
                ("underfits", "frozen-at-random") if level == "fault" else (),
            )
            return


def _meant_to_be_used(case: Case, module: nn.Module, path: str, called: bool) -> tuple[float, Level]:
    """How sure, and how bad: what is computed and dropped is a mistake, and one of a list whose others are used."""
    if called:
        returned = {i for b in case.batches for c in b.calls for i in c.outputs}
        own = {i for b in case.batches for c in b.tape.calls if c.module is module for i in c.outputs}
        return (0.58, "warning") if own & returned else (0.82, "fault")
    parts = path.split(".")
    place = next((i for i in range(len(parts) - 1, -1, -1) if parts[i].isdigit()), None)
    if place is None:
        return 0.58, "warning"
    start = ".".join(parts[:place]) + "."
    ran = {id(c.module) for b in case.batches for c in b.tape.calls}
    others = [m for p, m in modules_of(case) if p.startswith(start) and id(m) in ran]
    return (0.86, "fault") if others else (0.58, "warning")
