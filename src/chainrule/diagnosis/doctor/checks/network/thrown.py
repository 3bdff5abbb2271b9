"""Results that nobody keeps: a layer that is called, a function without effect on its argument, and no assignment."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.analysis._tape_modules import Call
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._events import is_network
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import name_of
from chainrule.diagnosis.doctor.findings import Fact, Finding

PURE = frozenset(
    {"relu", "gelu", "elu", "silu", "leaky_relu", "sigmoid", "tanh", "softmax", "log_softmax", "dropout", "normalize",
     "masked_fill", "where", "view", "reshape", "flatten", "squeeze", "unsqueeze", "permute", "transpose", "expand",
     "repeat", "contiguous", "clamp", "clip", "scatter", "index_fill", "index_add", "masked_scatter", "float", "double",
     "long", "int", "bool", "half", "cat", "stack", "add", "sub", "mul", "div", "mean", "sum", "std", "abs", "exp",
     "log", "sqrt", "pow", "matmul", "bmm", "mm", "layer_norm", "batch_norm", "one_hot", "round", "roll", "flip",
     "detach", "clone", "tril", "triu", "max_pool2d", "avg_pool2d", "interpolate", "pad", "chunk", "split", "narrow",
     "gather", "index_select", "astype", "type_as", "swapaxes", "rot90", "fliplr", "flipud", "maximum", "minimum"}
)  # fmt: skip
"""Functions that change nothing: they are called for what they return."""
LISTS = frozenset({"add", "split", "round", "pad", "clip", "sum", "log", "repeat", "transpose", "max", "int", "float",
                   "bool", "abs", "chunk", "gather", "where", "view", "expand", "std", "mean", "pow", "double", "half",
                   "scatter", "flip", "stack", "normalize", "interpolate", "roll", "long", "flatten"})  # fmt: skip
"""Those of these names that other objects have methods of: sets, writers, strings. They count where tensors were seen
at that line."""
MODULES = frozenset({"torch", "F", "functional", "np", "numpy"})
"""Where such functions are called from."""
WITHOUT_MEANING = frozenset({"detach", "contiguous", "clone", "float", "mean", "sum"})
"""What changes little where it is forgotten."""


@check("result-thrown-away")
def result_thrown_away(case: Case) -> Iterator[Finding]:
    """Statements that compute something of tensors and keep nothing of it; layers of the network that are so called."""
    layer = _unheard(case)
    if layer is not None:
        yield layer
        return
    for statement, call in _statements(case.source.tree):
        name = name_of(call)
        if name not in PURE or any(k.arg in ("inplace", "out") for k in call.keywords):
            continue
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        of_torch = isinstance(owner, ast.Name) and owner.id in MODULES
        ran = _ran(case, statement)
        if owner is None or not (of_torch or ran or name not in LISTS):
            continue
        mild = name in WITHOUT_MEANING
        text = ast.unparse(statement)
        target = ast.unparse(call.args[0] if of_torch and call.args else owner)
        yield Finding(
            "result-thrown-away",
            f"`{text[:60]}` returns a new value and nobody keeps it: `{target[:30]}` stays as it was",
            "note" if mild else "fault",
            0.5 if mild else 0.98 if ran else 0.9,
            (
                Fact("the statement", text[:120]),
                Fact("what is assigned of it", "nothing"),
                *([Fact("seen while it ran", "a result that nothing uses")] if ran else []),
            ),
            f"{target} = {text}" if len(text) < 100 else "assign the result",
            f"{case.source.path.name}:{statement.lineno}" if case.source.path else "",
            None,
            () if mild else ("underfits", "no-activation", "padding-seen", "overfits"),
        )
        if not mild:
            return


def _statements(tree: ast.AST) -> Iterator[tuple[ast.Expr, ast.Call]]:
    """Calls that stand alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node, node.value


def _ran(case: Case, statement: ast.Expr) -> bool:
    """Whether operations of tensors were seen at these lines in a recorded step that the loss does not depend on."""
    path = case.source.path
    for batch in case.batches[:2]:
        needed = {o.index for o in batch.tape.operations}
        for index, line in batch.event.lines.items():
            inside = statement.lineno <= line[1] <= (statement.end_lineno or statement.lineno)
            if inside and index not in needed and path is not None and line[0].endswith(path.name):
                return True
    return False


def unheard(batch: Batch) -> list[Call]:
    """The outermost calls of layers with weights in a step whose outputs nothing uses, and the network does not return.

    Told by the values: none of what the call gave goes into anything that ran afterwards.
    """
    used = {i for o in batch.tape.operations for i in o.inputs} | set(batch.outputs)
    used |= {i for call in batch.tape.calls for i in call.inputs}
    found: list[Call] = []
    for call in batch.tape.calls:
        if call.parent is None or not call.outputs or not is_network(call.module):
            continue
        if used & set(call.outputs) or any(i in batch.outputs for i in call.outputs):
            continue
        if any(_within(call, each) for each in found):
            continue
        found.append(call)
    return found


def _within(call: Call, outer: Call) -> bool:
    parent = call.parent
    while parent is not None:
        if parent is outer:
            return True
        parent = parent.parent
    return False


def _unheard(case: Case) -> Finding | None:
    """A layer whose output nothing uses, in every recorded step."""
    if len(case.batches) < 2:
        return None
    each = [{call.path: call for call in unheard(batch)} for batch in case.batches[:3]]
    common = [path for path in each[0] if all(path in other for other in each)]
    common = [path for path in common if not _heard_elsewhere(case, path)]
    if not common:
        return None
    call = each[0][common[0]]
    line = line_of(case, call)
    if line is None:
        return None
    code = case.source.line(line)
    return Finding(
        "result-thrown-away",
        f"the layer `{common[0]}` is called and what it returns is not used",
        "fault",
        0.96,
        (
            Fact("layers whose output goes nowhere", ", ".join(common[:4])),
            Fact("parameters that so learn nothing", f"{sum(p.numel() for p in call.module.parameters()):,}"),
        ),
        f"x = {code}, or x = x + {code}",
        f"{case.source.path.name}:{line}" if case.source.path else common[0],
        None,
        ("unused-layer", "graph-cut", "past-unseen", "frozen-at-random"),
    )


def _heard_elsewhere(case: Case, path: str) -> bool:
    """Whether another call of the layer is used."""
    for batch in case.batches[:3]:
        silent = {id(call) for call in unheard(batch)}
        if any(call.path == path and id(call) not in silent for call in batch.tape.calls):
            return True
    return False


def line_of(case: Case, call: Call) -> int | None:
    """The line of a statement that calls an attribute of this name and keeps nothing."""
    last = next((part for part in reversed(call.path.split(".")) if not part.isdigit()), "")
    for statement, made in _statements(case.source.tree):
        if last and name_of(made) == last:
            return statement.lineno
    return None
