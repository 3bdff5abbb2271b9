"""Settings that nothing reads: attributes of another name, copies of options, methods that are named and not called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks._program import calls, line_of, loops, spelled
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.checks.learning._reads import reads, written_at
from chainrule.diagnosis.doctor.findings import Fact, Finding, Level

OPTIONS = frozenset(
    {"lr", "learning_rate", "rate", "momentum", "weight_decay", "betas", "eps", "alpha", "lr_rate", "base_lr"}
)
"""What people set on an optimizer, and stands in its groups."""
WEIGHTS = frozenset(
    {"require_grad", "requires_gradient", "required_grad", "trainable", "requiresgrad", "freeze", "frozen"}
)
"""What people set on a weight for `requires_grad`."""
MODULES = frozenset({"requires_grad", "trainable", "require_grad", "learnable"})
"""What people set on a module for `requires_grad_`."""
LOADERS = frozenset({"shuffle"})
"""What people set on a loader after it was made."""
LOSSES = frozenset({"weights", "label_smooth", "smoothing", "class_weight", "class_weights", "ignore", "pos_weights"})
"""What people set on one of torch's losses, by another name than it has."""
RATES = frozenset({"lr", "learning_rate", "rate", "lr_rate", "base_lr"})
CALLED = frozenset(
    {"backward", "step", "zero_grad", "eval", "train", "update", "requires_grad_", "detach_", "reset", "update_bn",
     "shuffle", "clear", "reset_parameters"}
)  # fmt: skip
"""Methods that are of no use when they are only named."""
CHANGES = {
    "optimizer": 'for group in optimizer.param_groups: group["lr"] = rate (or a scheduler)',
    "weight": "parameter.requires_grad_(False)",
    "module": "module.requires_grad_(False), with parentheses: it goes to all parameters inside",
    "loss": "give it when the loss is made, by the name that its documentation has",
    "loader": "DataLoader(..., shuffle=True): the sampler is chosen when it is made",
}
"""What to write instead."""
_ARTICLES = {"optimizer": "an"}
APART = 1.5
"""How many times another rate must be to matter."""
CLOSE = 1e-6
"""How far apart two rates may be that are the same."""


@check("attribute-that-nothing-reads")
def attribute_not_read(case: Case) -> Iterator[Finding]:
    """What was set on optimizers, weights, modules, loaders and losses, beside what these and the program read."""
    for kind, names, things in _looked_at(case):
        for thing in things:
            own = vars(thing) if hasattr(thing, "__dict__") else {}
            for name in sorted(names & own.keys()):
                if not reads(case, kind, name):
                    yield _unread(case, kind, thing, name, own[name])
                    return
    for optimizer in case.optimizers:
        told = _by_group(case, optimizer) or _of_defaults(case, optimizer)
        if told is not None:
            yield _unread(case, "optimizer", optimizer, *told)
            return
    yield from _of_a_copy(case)


def _looked_at(case: Case) -> Iterator[tuple[str, frozenset[str], list[Any]]]:
    """Things, what they are, and names that nothing reads of them; classes of the user's may read what they like."""
    modules = [m for network in case.seen.networks.values() for m in network.modules()]
    yield "optimizer", OPTIONS, [o for o in case.optimizers if _is_torchs(o)]
    yield "weight", WEIGHTS, list(case.parameters.values())
    yield "module", MODULES, [m for m in modules if _is_torchs(m)]
    yield "module", frozenset({"requires_grad", "require_grad"}), modules
    yield "loss", LOSSES, [m for m in modules if _is_torchs(m) and next(m.parameters(), None) is None]
    yield "loader", LOADERS, [each["loader"] for each in case.seen.loaders if _is_torchs(each.get("loader"))]


def _is_torchs(thing: Any) -> bool:
    return type(thing).__module__.startswith("torch.")


def _of_defaults(case: Case, optimizer: torch.optim.Optimizer) -> tuple[str, Any] | None:
    """A rate that the program writes to the defaults, which count for groups to come, and that no group has."""
    rate = optimizer.defaults.get("lr")
    if not isinstance(rate, (int, float)) or any(calls(case.source.tree, frozenset({"add_param_group"}))):
        return None
    if reads(case, "defaults", "lr") or _used(case, optimizer, rate):
        return None
    written = written_at(case.source.tree, "lr", subscript=True)
    text = next((spelled(target) for _, target in written if ".defaults[" in spelled(target)), None)
    return (text, rate) if text else None


def _by_group(case: Case, optimizer: torch.optim.Optimizer) -> tuple[str, Any] | None:
    """A rate that stands in a group under another name, and that no step was taken with."""
    for place, group in enumerate(optimizer.param_groups if _is_torchs(optimizer) else ()):
        for name in sorted((RATES - {"lr"}) & group.keys()):
            if not reads(case, "group", name) and not _used(case, optimizer, group[name], place):
                return f"param_groups[{place}]['{name}']", group[name]
    return None


def _of_a_copy(case: Case) -> Iterator[Finding]:
    """A rate that the program writes to a copy of an optimizer's state, as it is written."""
    for node, target in written_at(case.source.tree, "lr", subscript=True):
        if case.moves and ".state_dict()[" in spelled(target):
            yield Finding(
                "attribute-that-nothing-reads",
                f"`{spelled(target)}` is set in a copy of the optimizer's state, where nothing reads it.",
                "warning",
                0.6,
                (Fact("statement", spelled(node)[:90]),),
                CHANGES["optimizer"],
                case.place(line_of(case, node)),
                explains=LEARNS_NOTHING,
            )
            return


def _used(case: Case, optimizer: torch.optim.Optimizer, rate: Any, group: int | None = None) -> bool:
    """Whether a step was taken with this rate, of this group or of any."""
    taken = [m.rates if group is None else m.rates[group : group + 1] for m in case.moves if m.optimizer is optimizer]
    return isinstance(rate, (int, float)) and any(abs(r - rate) <= CLOSE * abs(rate) for rates in taken for r in rates)


def _unread(case: Case, kind: str, thing: Any, name: str, value: Any) -> Finding:
    """What was set, and what it would have to be."""
    rate = kind == "optimizer" and (name in RATES or "lr" in name or "rate" in name)
    used = max((max(m.rates) for m in case.moves if m.optimizer is thing), default=0.0) if rate else 0.0
    level, sure = _weighed(kind, thing, name, value, used)
    last = name.split("['")[-1].rstrip("']")
    node = next((node for node, _ in written_at(case.source.tree, last, subscript=last != name)), None)
    facts = [Fact("set", f"{name} = {str(value)[:40]}")]
    if rate:
        facts.append(Fact("rate that the steps were taken with", f"{number(used)} at most"))
    return Finding(
        "attribute-that-nothing-reads",
        f"`{name}` is set on {_ARTICLES.get(kind, 'a')} {kind}, where nothing reads it.",
        level,
        sure,
        tuple(facts),
        CHANGES[kind],
        case.place(line_of(case, node)),
        explains=(*LEARNS_NOTHING, "rate-too-high", "loss-diverges", "data-not-shuffled", "overfits")
        if level == "fault"
        else (),
    )


def _weighed(kind: str, thing: Any, name: str, value: Any, used: float) -> tuple[Level, float]:
    """How much it matters: nothing where things are as they were meant to be."""
    if kind in ("weight", "module"):
        frozen = name in ("freeze", "frozen")
        learns = [p.requires_grad for p in ([thing] if kind == "weight" else thing.parameters())]
        as_meant = all(each == (not value if frozen else bool(value)) for each in learns)
        return ("note", 0.9) if as_meant else ("fault", 0.97)
    if kind == "loader":
        shuffled = type(thing.sampler).__name__ == "RandomSampler"
        return ("note", 0.9) if shuffled == bool(value) else ("fault", 0.97)
    if kind == "optimizer" and all(group.get(name) == value for group in thing.param_groups):
        return "note", 0.9
    close = used and isinstance(value, (int, float)) and 1 / APART < float(value) / used < APART
    return ("warning", 0.8) if close else ("fault", 0.97)


@check("method-not-called")
def method_not_called(case: Case) -> Iterator[Finding]:
    """Statements that name a method and do not call it: `optimizer.zero_grad` without parentheses."""
    inside = {id(n) for loop in loops(case.source.tree) for n in ast.walk(loop)}
    for node in ast.walk(case.source.tree):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Attribute):
            continue
        if node.value.attr not in CALLED or not case.losses:
            continue
        yield Finding(
            "method-not-called",
            f"`{spelled(node.value)}` is only named: without parentheses nothing happens.",
            "fault",
            0.98,
            (
                Fact("statement", spelled(node.value)),
                Fact("in a loop", "yes" if id(node) in inside else "no"),
            ),
            f"`{spelled(node.value)}()`.",
            case.place(line_of(case, node)),
            explains=(
                *LEARNS_NOTHING,
                "gradients-not-cleared",
                "step-never-called",
                "backward-never-called",
                "evaluated-in-training-mode",
                "trained-in-evaluation-mode",
                "schedule-never-stepped",
                "rate-too-high",
                "loss-diverges",
                "loss-oscillates",
            ),
        )
        return
