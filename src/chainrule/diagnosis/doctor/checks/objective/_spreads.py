"""A standard deviation where a variance is taken, or the other way round."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from chainrule.analysis._tape import Operation, Ref
from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._criteria import Criterion
from chainrule.diagnosis.doctor._events import Line
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.objective._answers import Answer, passes
from chainrule.diagnosis.doctor.checks.objective._comparisons import plain_name
from chainrule.diagnosis.doctor.findings import Fact, Finding

SPREAD = re.compile(r"(^|_)(std|stds|sigma|sigmas|spread|spreads|stddev|std_dev|sd|deviation)(_|$|\d)", re.I)
"""Names of standard deviations."""
VARIANCE = re.compile(r"(^|_)(var|vars|variance|variances)(_|$|\d)|(sq|squared)$", re.I)
"""Names of variances."""
EITHER = re.compile(r"2$")
"""Names that may be of both: `sigma2` is a square, or a second one."""
LOG_VARIANCE = re.compile(r"(^|_)(log_?var|logvariance|log_variance|lv)(_|$|\d)", re.I)
"""Names of their logarithms."""
NOISE = re.compile(r"randn|normal|(^|_)(eps|epsilon|noise|z)(_|$|\d)", re.I)
"""What is drawn, with spread one."""
SQUARED = re.compile(r"\*\*|square|pow|sqrt|exp\(0\.5|exp\(\.5|0\.5 \*|/ 2|log")
"""What makes one of the other."""
SAME = frozenset({"squeeze", "unsqueeze", "view", "reshape", "select", "index", "clamp", "clamp_min", "expand",
                  "detach", "*", "mul", "float", "flatten"})  # fmt: skip
"""What leaves a spread one, but for a factor."""
COMPARED = frozenset({"lt", "le", "gt", "ge"})
ADDING = frozenset({"+", "-", "add", "sub", "rsub", "neg"})
"""What only adds and subtracts."""
DRAWING = frozenset({"randn", "randn_like", "normal"})
"""What draws noise, in the shape of a tensor that may be learned."""
NOISES = 16
"""Numbers of which it is told whether they are noise."""
NAMED = 0.6
"""How sure is what names alone say."""


@check("spread-for-variance")
def spread_for_variance(case: Case) -> Iterator[Finding]:
    """What one value is used for: as a variance here, as a spread there; where nothing shows that, how it is called."""
    for tell in (_evaluated, _two_ways, _likelihood, _drawn):
        if (told := tell(case)) is not None:
            yield told
            return


def _finding(title: str, facts: tuple[Fact, ...], change: str, where: str, sure: float) -> Finding:
    return Finding(
        "spread-for-variance", title, "fault" if sure > NAMED else "warning", sure, facts, change, where,
        explains=("underfits", "variance-unpunished", "divergence-outweighs-reconstruction"),
    )  # fmt: skip


def _likelihood(case: Case) -> Finding | None:
    """A name of a spread in the place of the variance, or the other way, in a distribution."""
    tree = case.source.tree
    made = {
        spelled(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and name_of(node.value) == "GaussianNLLLoss"
    }
    for node in calls(tree):
        inline = isinstance(node.func, ast.Call) and name_of(node.func) == "GaussianNLLLoss"
        if name_of(node) == "gaussian_nll_loss" or spelled(node.func) in made or inline:
            given = _argument(node, 2, "var")
            if given is not None and _is(given, SPREAD, VARIANCE):
                return _finding(
                    "A normal likelihood takes a variance, and is given a standard deviation.",
                    (Fact("given as its variance", spelled(given)),),
                    f"loss(mean, target, {spelled(given)} ** 2), or take it for a variance throughout.",
                    case.place(line_of(case, node)),
                    NAMED,
                )
        if name_of(node) in ("Normal", "LogNormal"):
            given = _argument(node, 1, "scale")
            if given is not None and _is(given, VARIANCE, SPREAD):
                return _finding(
                    "A normal distribution takes a standard deviation, and is given a variance.",
                    (Fact("given as its scale", spelled(given)),),
                    f"Normal(mean, {spelled(given)}.sqrt()).",
                    case.place(line_of(case, node)),
                    NAMED,
                )
    return None


def _argument(node: ast.Call, place: int, name: str) -> ast.AST | None:
    named = next((k.value for k in node.keywords if k.arg == name), None)
    return named if named is not None else node.args[place] if len(node.args) > place else None


def _is(node: ast.AST, kind: re.Pattern[str], other: re.Pattern[str]) -> bool:
    """Whether an expression is of one kind by its last name, and nothing makes the other of it."""
    names = [
        n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))
    ]
    if SQUARED.search(spelled(node)) or any(other.search(n) or EITHER.search(n) for n in names):
        return False
    return any(kind.search(n) for n in names)


def _two_ways(case: Case) -> Finding | None:
    """Noise times exp(v), where exp(v) - v is in the loss as well: a divergence that takes exp(v) for the variance."""
    for batch in case.batches[:1]:
        for operation in batch.tape.operations:
            if plain_name(operation) != "exp" or len(operation.inputs) != 1 or operation.inputs[0] not in batch.learned:
                continue
            logarithm = operation.inputs[0]
            draw = next((o for o in batch.tape.operations if _draws(batch, o, operation.results[0])), None)
            if draw is not None and _in_divergence(batch, logarithm):
                return _finding(
                    "Noise is multiplied by the variance where it takes the standard deviation.",
                    (
                        Fact("noise is multiplied by", "exp(v)"),
                        Fact("the divergence adds", "exp(v) - v, in which exp(v) is the variance"),
                    ),
                    "torch.exp(0.5 * v) * noise, with v the logarithm of the variance.",
                    case.place(batch.line(draw)),
                    0.93,
                )
    return None


def _draws(batch: Batch, operation: Operation, spread: int) -> bool:
    """Whether an operation multiplies noise of spread one by this value."""
    if plain_name(operation) not in ("*", "mul") or spread not in operation.inputs or len(operation.inputs) != 2:
        return False
    other = next((i for i in operation.inputs if i != spread), spread)
    noise = batch.tape.values[other].tensor
    made = batch.made_by(other)
    if made is not None and plain_name(made) in DRAWING:
        return True
    if other in batch.learned or not noise.is_floating_point() or noise.numel() < NOISES:
        return False
    return abs(float(noise.mean())) < 0.3 and abs(float(noise.std()) - 1) < 0.3


def _in_divergence(batch: Batch, logarithm: int) -> bool:
    """Whether exp of this value, and the value itself, meet in a sum."""
    squares = {o.results[0] for o in batch.tape.operations if plain_name(o) == "exp" and o.inputs == (logarithm,)}
    plain, exponential = {logarithm}, set(squares)
    for operation in batch.tape.operations:
        if plain_name(operation) not in ADDING:
            continue
        first, second = plain.intersection(operation.inputs), exponential.intersection(operation.inputs)
        if first and second:
            return True
        plain.update(operation.results if first else ())
        exponential.update(operation.results if second else ())
    return False


def _drawn(case: Case) -> Finding | None:
    """Noise times the exponential of a logarithm of a variance: a draw whose spread is the variance."""
    for node in ast.walk(case.source.tree):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
            continue
        for one, other in ((node.left, node.right), (node.right, node.left)):
            inner = _exponent(one)
            if inner is None or not NOISE.search(_last(other)):
                continue
            if LOG_VARIANCE.search(_last(inner)) and isinstance(inner, (ast.Name, ast.Attribute)):
                return _finding(
                    "Noise is multiplied by the variance where it takes the standard deviation.",
                    (Fact("drawn", spelled(node)[:80]),),
                    f"torch.exp(0.5 * {spelled(inner)}) * noise.",
                    case.place(line_of(case, node)),
                    NAMED,
                )
    return None


def _exponent(node: ast.AST) -> ast.AST | None:
    """Of exp(x) and x.exp() the x."""
    if not isinstance(node, ast.Call) or name_of(node) != "exp":
        return None
    if node.args:
        return node.args[0]
    return node.func.value if isinstance(node.func, ast.Attribute) else None


def _last(node: ast.AST) -> str:
    return name_of(node)


def _evaluated(case: Case) -> Finding | None:
    """An output that is the variance of the likelihood, and in the evaluation is compared with plain errors."""
    for batch in case.batches[:2]:
        for criterion in batch.criteria:
            place = _variance_output(batch, criterion)
            if place is None:
                continue
            for answers in passes(case):
                for answer in answers[:2]:
                    line = _as_spread(answer, place)
                    if line is not None:
                        return _finding(
                            "The likelihood takes an output for a variance, the evaluation for a standard deviation.",
                            (Fact("output", f"number {place + 1}"), Fact("compared there with", "the size of errors")),
                            "loss(mean, target, spread ** 2), or variance.sqrt() in the evaluation.",
                            case.place(line),
                            0.92,
                        )
    return None


def _variance_output(batch: Batch, criterion: Criterion) -> int | None:
    """Which output of the network a likelihood is given as it is for its variance."""
    if criterion.kind != "normal likelihood" or len(batch.calls) != 1:
        return None
    given = criterion.operation.options.get("var")
    positional = criterion.operation.arguments
    given = given if given is not None else positional[2] if len(positional) > 2 else None
    outputs = [*batch.calls[0].outputs]
    if not isinstance(given, Ref) or len(outputs) < 2:
        return None
    value = given.value
    while value not in outputs:
        made = batch.made_by(value)
        if made is None or len(made.inputs) != 1 or plain_name(made) not in SAME - {"*", "mul"}:
            return None
        value = made.inputs[0]
    return outputs.index(value)


def _as_spread(answer: Answer, place: int) -> Line | None:
    """The line in which an output, but for a factor, is compared with what came of another one."""
    calls_of = [c for c in answer.tape.calls if c.parent is None and c.module is answer.seen.forward.module]
    if len(calls_of) != 1 or len(calls_of[0].outputs) <= place:
        return None
    todo = [calls_of[0].outputs[place]]
    while todo:
        value = todo.pop()
        for operation in answer.consumers(value):
            name = plain_name(operation)
            others = [i for i in operation.inputs if i != value]
            if name in COMPARED and any(i in answer.derived for i in others):
                return answer.seen.lines.get(operation.index)
            if name in SAME and not others:
                todo.extend(operation.results)
    return None
