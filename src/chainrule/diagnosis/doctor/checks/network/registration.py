"""Layers and weights that the network does not know of: in plain lists, no parameters, made in each call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import modules_of
from chainrule.diagnosis.doctor.findings import Fact, Finding


@check("layers-not-registered", "layers-made-in-forward")
def unregistered(case: Case) -> Iterator[Finding]:
    """Layers in plain lists or dictionaries, or weights that are no nn.Parameter: `.parameters()` has none of them."""
    known = {id(p) for network in case.networks.values() for p in network.parameters()}
    owned = case.owned
    hidden: dict[str, list[Tensor]] = {}
    for path, module in modules_of(case):
        for name, held in vars(module).items():
            if name.startswith("_"):
                continue
            missing = [p for p in [*_held(held), *_computed(held, module)] if id(p) not in known and id(p) not in owned]
            if missing and not isinstance(held, nn.Module):
                hidden[f"{path}.{name}"] = missing
    looked = set(case.rehearsal.used) | _lasting(case) if case.batches else set()
    used = {place: tensors for place, tensors in hidden.items() if any(id(t) in looked for t in tensors)}
    if used:
        count = sum(t.numel() for tensors in used.values() for t in tensors)
        place = next(iter(used))
        yield Finding(
            "layers-not-registered",
            f"the layers in `{place}` are not among the network's parameters, and no optimizer has them",
            "fault",
            0.97,
            (
                Fact("weights that the loss depends on and that nobody trains", f"{count:,}"),
                Fact(
                    "weights that .parameters() gives", f"{sum(p.numel() for p in case.parameters.values()) - count:,}"
                ),
            ),
            "keep layers in nn.ModuleList or nn.ModuleDict, weights in nn.Parameter or nn.ParameterList",
            place,
            None,
            (
                "parameters-left-out",
                "optimizer-of-another-model",
                "underfits",
                "frozen-at-random",
                "one-batch-is-not-learned",
            ),
        )
        return
    yield from _made_anew(case, known | owned)


def _held(held: Any) -> list[Tensor]:
    """The weights in a plain list, tuple or dictionary of layers, or a tensor that asks for gradients."""
    if isinstance(held, nn.Module):
        return []
    parts = list(held.values()) if isinstance(held, dict) else held if isinstance(held, (list, tuple)) else [held]
    found: list[Tensor] = []
    for part in parts:
        if isinstance(part, nn.Module):
            found += part.parameters()
        elif isinstance(part, Tensor) and part.requires_grad and part.is_leaf:
            found.append(part)
        elif isinstance(part, (list, tuple, dict)):
            found += _held(part)
    return [p for p in found if p.requires_grad]


def _computed(held: Any, module: nn.Module) -> list[Tensor]:
    """A weight that was multiplied, moved or scaled after it was made a parameter, and is none any more."""
    return [held] if isinstance(held, Tensor) and held.requires_grad and not held.is_leaf else []


def _lasting(case: Case) -> set[int]:
    """Tensors that ask for gradients, were made before the steps by an operation, and are used in several."""
    seen = [
        {id(v.tensor) for v in batch.tape.values if v.operation is None and v.tensor.requires_grad and v.shape}
        for batch in case.batches
    ]
    return {key for key in set().union(*seen) if sum(key in each for each in seen) > 1}


def _made_anew(case: Case, known: set[int]) -> Iterator[Finding]:
    """Layers with weights that are made in each call of the network."""
    ours = {id(module) for _, module in modules_of(case)}
    strange: list[set[str]] = []
    for batch in case.batches[:4]:
        strange.append(
            {
                call.kind
                for call in batch.tape.calls
                if call.parent is not None
                and id(call.module) not in ours
                and any(p.requires_grad and id(p) not in known for p in call.module.parameters(recurse=False))
            }
        )
    if len(strange) < 2 or not set.intersection(*strange):
        return
    modules = [{id(c.module) for c in b.tape.calls if c.parent is not None and id(c.module) not in ours}
               for b in case.batches[:2]]  # fmt: skip
    if modules[0] & modules[1]:
        return  # the same one each time, kept somewhere
    kinds = ", ".join(sorted(set.intersection(*strange)))
    yield Finding(
        "layers-made-in-forward",
        f"the network makes layers ({kinds}) anew in each call: random weights that are never trained",
        "fault",
        0.97,
        (Fact("layers with weights that belong to no network, other ones in each step", kinds),),
        "make them once, in __init__, as attributes of the network",
        kinds,
        None,
        ("parameters-left-out", "layers-not-registered", "underfits", "random-in-evaluation", "frozen-at-random"),
    )
