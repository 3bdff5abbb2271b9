"""Settings that nothing reads: attributes of another name, copies of options, methods that are named and not called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import torch

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_NOTHING
from chainrule.diagnosis.doctor.checks._program import line_of, loops, spelled
from chainrule.diagnosis.doctor.checks.learning._loop import number
from chainrule.diagnosis.doctor.findings import Fact, Finding

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
_ARTICLES = {"optimizer": "an"}
APART = 1.5
"""How many times another rate must be to matter."""


@check("attribute-that-nothing-reads")
def attribute_not_read(case: Case) -> Iterator[Finding]:
    """What was set on optimizers, weights, modules, loaders and losses, beside what these read."""
    for kind, names, things in _looked_at(case):
        for thing in things:
            own = vars(thing) if hasattr(thing, "__dict__") else {}
            for name in sorted(names & own.keys()):
                yield _unread(case, kind, thing, name, own[name])
                return
    for optimizer in case.optimizers:
        told = _by_group(optimizer) or _of_a_copy(case, optimizer)
        if told is not None:
            yield _unread(case, "optimizer", optimizer, *told)
            return


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


def _of_a_copy(case: Case, optimizer: torch.optim.Optimizer) -> tuple[str, Any] | None:
    """A rate that the program writes to the defaults, which count for groups to come, or to a copy of the state."""
    for node in (each for each in ast.walk(case.source.tree) if isinstance(each, ast.Assign)):
        for target in node.targets:
            text = spelled(target)
            copied = ".defaults[" in text or ".state_dict()[" in text
            if isinstance(target, ast.Subscript) and copied and "lr" in text:
                return text, spelled(node.value)
    return None


def _by_group(optimizer: torch.optim.Optimizer) -> tuple[str, Any] | None:
    """A rate that stands in a group under another name."""
    for group in optimizer.param_groups if _is_torchs(optimizer) else ():
        for name in sorted((RATES - {"lr"}) & group.keys()):
            return f"param_groups[0]['{name}']", group[name]
    return None


def _unread(case: Case, kind: str, thing: Any, name: str, value: Any) -> Finding:
    """What was set, and what it would have to be."""
    rate = kind == "optimizer" and (name in RATES or "lr" in name or "rate" in name)
    wanted = value if isinstance(value, (int, float)) else None
    used = max((max(m.rates) for m in case.moves if m.optimizer is thing), default=0.0) if rate else 0.0
    matters = not rate or wanted is None or not used or not 1 / APART < float(wanted) / used < APART
    change = {
        "optimizer": 'for group in optimizer.param_groups: group["lr"] = rate (or a scheduler)',
        "weight": "parameter.requires_grad_(False)",
        "module": "module.requires_grad_(False), with parentheses: it goes to all parameters inside",
        "loss": "give it when the loss is made, by the name that its documentation has",
        "loader": "DataLoader(..., shuffle=True): the sampler is chosen when it is made",
    }[kind]
    node = _assigned(case.source.tree, name)
    facts = [Fact("set", f"{name} = {str(value)[:40]}")]
    if rate:
        facts.append(Fact("rate that the steps were taken with", f"{number(used)} at most"))
    return Finding(
        "attribute-that-nothing-reads",
        f"`{name}` is set on {_ARTICLES.get(kind, 'a')} {kind}, where nothing reads it.",
        "fault" if matters else "warning",
        0.97 if matters else 0.8,
        tuple(facts),
        change,
        case.place(line_of(case, node)),
        explains=(*LEARNS_NOTHING, "rate-too-high", "loss-diverges", "data-not-shuffled", "overfits")
        if matters
        else (),
    )


def _assigned(tree: ast.AST, name: str) -> ast.AST | None:
    last = name.split("['")[-1].rstrip("']")
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Attribute) and target.attr == last:
                return node
            if isinstance(target, ast.Subscript) and spelled(target.slice).strip("'\"") == last:
                return node
    return None


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
