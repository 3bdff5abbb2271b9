"""What is kept beyond its time, or only seems to be: weights, losses, states; and weights that nobody trained."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Loaded
from chainrule.diagnosis.doctor._graphs import node_of
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.learning._loop import looks_random
from chainrule.diagnosis.doctor.findings import Fact, Finding

TWICE = "Trying to backward through the graph a second time"
"""What autograd says when a loss leads into an earlier step."""
GROWS = 1.5
"""How many times more operations must be held at the end of what was recorded than in its middle."""
KEPT = 8
"""Losses with their graphs that are still held, from which on it is a history."""


@check("best-weights-not-copied")
def best_weights_not_copied(case: Case) -> Iterator[Finding]:
    """Weights that are loaded and are the network's own: kept without a copy, they went on changing."""
    for event in case.seen.of(Loaded):
        before = [moved for moved in case.moves if moved.at < event.at]
        if not before or not event.shared:
            continue
        tensors = dict(event.module.named_parameters())
        mine = [name for name in event.shared if name in tensors]
        if not mine:
            continue
        yield Finding(
            "best-weights-not-copied",
            "The weights that are loaded are the network's own: they were kept without a copy, and went on changing.",
            "fault",
            0.97,
            (
                Fact("loaded tensors that are the network's own", f"{len(mine)} of {len(tensors)} (usual: 0)"),
                Fact("steps before loading", f"{len(before)}"),
            ),
            "`copy.deepcopy(model.state_dict())` where the best weights are kept.",
            case.place(event.line),
            explains=("overfits",),
        )
        return
    yield from _by_reading(case)


def _by_reading(case: Case) -> Iterator[Finding]:
    """A network kept as the best one by its name alone: `best = model`, and `best` is used later."""
    networks = {
        call.func.value.id
        for call in ast.walk(case.source.tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("parameters", "train", "eval")
        and isinstance(call.func.value, ast.Name)
    }
    for loop in ast.walk(case.source.tree):
        if not isinstance(loop, (ast.For, ast.While)):
            continue
        for branch in (node for node in ast.walk(loop) if isinstance(node, ast.If)):
            for node in branch.body:
                if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)):
                    continue
                target = node.targets[0]
                if node.value.id in networks and isinstance(target, ast.Name) and "best" in target.id.lower():
                    yield Finding(
                        "best-weights-not-copied",
                        f"`{target.id} = {node.value.id}` is a second name for the network, which goes on learning.",
                        "fault",
                        0.85,
                        (Fact("kept as the best", f"`{target.id} = {node.value.id}`"),),
                        f"`{target.id} = copy.deepcopy({node.value.id})`.",
                        case.place((str(case.source.path), node.lineno)) if case.source.path else "",
                    )
                    return


@check("evaluated-another-model")
def evaluated_another_model(case: Case) -> Iterator[Finding]:
    """The network that is evaluated never learns, and is like the one that does."""
    taught = [f.module for f in case.forwards if f.grad and id(f.module) in _ids(_reached(case))]
    final = {id(m): m for m in taught}
    for module in _ids([e.forward.module for passed in case.evaluations for e in passed]).values():
        if id(module) in final or not case.moves:
            continue
        twin = next((t for t in final.values() if _shapes(t) == _shapes(module)), None)
        if twin is None or any(f.grad and f.training and f.module is module for f in case.forwards):
            continue
        if {id(p) for p in module.parameters()} & {id(p) for p in twin.parameters()}:
            continue
        mine = [(case.seen.initial.get(id(p)), p.detach()) for p in module.parameters()]
        if any(start is None or not torch.equal(start, now) for start, now in mine):
            continue  # an average that follows the weights
        first = [case.seen.initial.get(id(p)) for p in twin.parameters()]
        still = all(a is not None and torch.equal(a, b[1]) for a, b in zip(first, mine))
        random = [looks_random(p) for p in module.parameters() if p.ndim > 1]
        if still or (any(random) and not any(each is False for each in random) and _changed(case, twin)):
            yield Finding(
                "evaluated-another-model",
                "The network that is evaluated is another one than the one that is trained.",
                "fault",
                0.95 if still else 0.8,
                (
                    Fact("its weights", "those that the trained one had at first" if still else "as drawn at random"),
                    Fact("steps of the trained one", f"{len(case.moves)}"),
                ),
                "Evaluate the network that the optimizer moves (or copy it after training).",
                next((case.place(f.line) for f in case.forwards if f.module is module), ""),
            )
            return


def _reached(case: Case) -> list[nn.Module]:
    return [m for m in case.networks.values() if any(id(p) in case.seen.reached for p in m.parameters())]


def _ids(modules: list[nn.Module]) -> dict[int, nn.Module]:
    return {id(module): module for module in modules}


def _shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in module.parameters()]


def _changed(case: Case, module: nn.Module) -> bool:
    return any(
        not torch.equal(case.seen.initial[id(p)], p.detach()) for p in module.parameters() if id(p) in case.seen.initial
    )


@check("graph-kept", "state-keeps-graph")
def graph_kept(case: Case) -> Iterator[Finding]:
    """Losses or states of earlier steps that hold all that they were computed from."""
    passes: list[Backward] = case.seen.of(Backward)
    if case.seen.error is not None and TWICE in str(case.seen.error) and passes:
        yield Finding(
            "state-keeps-graph",
            "A tensor of an earlier step is used with all that it was computed from, so that backward leads into it.",
            "fault",
            0.93,
            (Fact("error", f"{TWICE} ..."), Fact("backward passes before it", f"{len(passes)}")),
            "`state = state.detach()` before the next step (of an LSTM both of its states).",
            case.place(passes[-1].line),
        )
        return
    held = max((each.kept for each in passes), default=0)
    behind = [each.behind for each in passes if each.score is not None]
    half = len(behind) // 2
    grows = len(behind) >= 6 and behind[-1] > GROWS * max(behind[half], 1) and behind[half] > GROWS * max(behind[1], 1)
    if held < KEPT and not grows:
        yield from _kept_beside(case)
        return
    carried = _carried(case) if grows else False
    yield Finding(
        "state-keeps-graph" if carried else "graph-kept",
        "Each step's loss leads back through all steps before."
        if carried
        else "Losses are kept together with all that they were computed from: memory grows with each step.",
        "fault" if carried else "warning",
        0.85 if carried else 0.8,
        (
            Fact("losses of earlier steps that are held with their graphs", f"{held} (usual: 0)"),
            Fact("operations of earlier steps that are held", f"{max(behind, default=0):,} (usual: 0)"),
        ),
        "`state.detach()` before the next step."
        if carried
        else "`loss.item()` (or `loss.detach()`) in sums and lists.",
        case.place(passes[0].line),
    )


def _kept_beside(case: Case) -> Iterator[Finding]:
    """What is kept of calls that no backward pass follows: losses or scores of an evaluation, scores in a list."""
    recorded = sum(
        any(v.operation is None and node_of(v.tensor) is not None for v in b.tape.values) for b in case.batches
    )
    if case.seen.graphs - recorded < KEPT:  # what two passes share is held by their records
        return
    evaluated = [each for passed in case.evaluations for each in passed if each.forward.grad]
    where = ""
    for each in evaluated[:1]:
        lines = [each.lines[o.index] for o in each.tape.operations if o.index in each.lines]
        where = case.place(next((line for line in lines if line != each.forward.line), each.forward.line))
    yield Finding(
        "graph-kept",
        "Losses or scores are kept together with all that they were computed from: memory grows with each batch.",
        "warning",
        0.8,
        (Fact("graphs of earlier batches that are held at once", f"{case.seen.graphs} (usual: 0)"),),
        "`with torch.no_grad():` around the evaluation, and `loss.item()` (or `scores.detach()`) in sums and lists.",
        where or next((case.place(f.line) for f in case.forwards), ""),
        explains=("gradients-in-evaluation",),
    )


def _carried(case: Case) -> bool:
    """Whether the tensors of before lead to the loss, and are not only added up beside it."""
    for batch in case.batches[2:]:
        inside = {index for operation in batch.score.needed for index in operation.inputs}
        for index in inside:
            value = batch.tape.values[index]
            tensor: Tensor = value.tensor
            if value.operation is None and tensor.requires_grad and tensor.grad_fn is not None:
                return True
    return False
