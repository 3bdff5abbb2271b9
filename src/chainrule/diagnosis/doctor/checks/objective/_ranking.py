"""Lists of the best: which end of the order is taken, and what must not stand in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case, output_of
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, functions, line_of, name_of, spelled
from chainrule.diagnosis.doctor.checks.learning._wanted import wanted as good_end
from chainrule.diagnosis.doctor.findings import Fact, Finding

_SCORES = ("score", "similarit", "prob", "logit", "rating", "relevan", "affinit", "likelihood")
"""Parts of names of a network's answers that are better the larger they are."""
_SAME = frozenset({"item", "cpu", "numpy", "detach", "tolist", "squeeze", "flatten", "ravel", "float", "view",
                   "reshape", "sigmoid", "softmax", "log_softmax", "cat", "concat", "concatenate", "stack", "array",
                   "tensor", "asarray", "double", "unsqueeze", "t", "exp", "log"})  # fmt: skip
"""What leaves the order of numbers as it is."""
_BEST = ("best", "top", "recommend", "retriev", "nearest", "neighbo", "recall", "hit", "ndcg", "precision", "closest",
         "found", "suggest", "mrr", "match")  # fmt: skip
"""Parts of names of what is wanted from the good end."""
_WORST = ("worst", "least", "low", "uncert", "hard", "outlier", "bottom", "drop", "prune", "remov", "neg", "far", "bad",
          "weak", "anomal", "reject", "mask", "forget", "small")  # fmt: skip
"""The same of the other end."""
_FAR = frozenset({"cdist", "pairwise_distance", "pdist", "euclidean_distances", "pairwise_distances"})
"""Functions whose results are distances."""
_NEAR = frozenset({"cosine_similarity"})
"""Functions whose results are similarities."""
_TAKEN_OUT = frozenset({"masked_fill", "masked_fill_", "setdiff1d", "isin", "in1d", "where", "delete", "difference",
                        "discard", "remove", "inf", "index_fill", "index_fill_", "scatter_", "scatter"})  # fmt: skip
"""What takes some out of a list before its best are chosen."""
USERS, LIST = 48, 10
"""Users that are asked for, and how many items are taken for each."""
KNOWN = 0.3
"""Share of the best items that are known ones, from which they fill the list."""


@check("worst-taken-for-best")
def worst_for_best(case: Case) -> Iterator[Finding]:
    """Read what is sorted and which end is taken: the first of an ascending order of scores are the worst."""
    for function in (*functions(case.source.tree).values(), case.source.tree):
        for node, ordered, small, wanted in _ends(function):
            good = _good(case, ordered, function)
            named = f"{wanted} {getattr(function, 'name', '')}".lower()
            if not any(word in named for word in _BEST) or any(word in wanted.lower() for word in _WORST):
                continue
            near = any(word in named for word in ("near", "neighbo", "closest", "retriev", "recall", "hit", "match"))
            wrong = good == "large" and small
            if not wrong and not (good == "small" and not small and near):
                continue
            what = spelled(ordered)
            yield Finding(
                "worst-taken-for-best",
                f"The list of the best holds those with the {'lowest' if wrong else 'largest'} `{what}`.",
                "warning",
                0.6,
                (
                    Fact("what is taken", f"`{spelled(node)[:100]}`"),
                    Fact("order", "ascending: the first ones are the lowest" if wrong else "the largest come first"),
                ),
                change=f"np.argsort({what})[::-1][:k], torch.topk({what}, k)" if wrong
                else f"torch.topk({what}, k, largest=False), np.argsort({what})[:k]",
                where=case.place(line_of(case, node)),
                explains=("underfits", "decision-inverted", "ranking-upside-down", "known-items-recommended"),
            )  # fmt: skip
            return


def _ends(function: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, bool, str]]:
    """Where one end of an order is taken: where, of what, whether the small end, and for which name."""
    orders = {
        node.targets[0].id: found
        for node in _own(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (found := _order(node.value))
    }
    for statement in _own(function):
        if not isinstance(statement, (ast.Assign, ast.Return, ast.Expr, ast.For, ast.AugAssign)):
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        value = statement.iter if isinstance(statement, ast.For) else statement.value
        wanted = spelled(target)
        for node in ast.walk(value) if value is not None else ():
            if isinstance(node, ast.Subscript) and (end := _end(node.slice)) is not None:
                known = orders.get(node.value.id) if isinstance(node.value, ast.Name) else _order(node.value)
                if known is not None:
                    yield node, known[0], known[1] == end, wanted
            elif isinstance(node, ast.Call) and name_of(node) == "topk":
                owner = node.func.value if isinstance(node.func, ast.Attribute) else None
                method = owner is not None and spelled(owner) != "torch"
                ordered = owner if method else node.args[0] if node.args else None
                given = next((k.value for k in node.keywords if k.arg == "largest"), None)
                if ordered is not None:
                    flat, turned = _plain(ordered)
                    smallest = isinstance(given, ast.Constant) and given.value is False
                    yield node, flat, smallest != turned, wanted


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, not those of functions inside; of a program what stands outside of functions."""
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        yield node
        todo.extend(ast.iter_child_nodes(node))


def _order(node: ast.AST) -> tuple[ast.AST, bool] | None:
    """What an expression sorts, and whether small ones come first; None where it sorts nothing."""
    turned = False
    while True:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Slice, ast.Tuple)):
            steps = [s.step for s in ast.walk(node.slice) if isinstance(s, ast.Slice) and s.step is not None]
            if not steps or spelled(steps[-1]) != "-1":
                return None
            turned, node = not turned, node.value
        elif isinstance(node, ast.Call) and name_of(node) in ("flip", "flipud", "fliplr", "reversed"):
            inner = node.func.value if isinstance(node.func, ast.Attribute) else None
            node = inner if inner is not None and spelled(inner) not in ("np", "torch", "numpy") else node.args[0]
            turned = not turned
        elif isinstance(node, ast.Attribute) and node.attr == "indices":
            node = node.value
        elif isinstance(node, ast.Call) and name_of(node) in ("numpy", "tolist", "cpu", "detach"):
            node = node.func.value if isinstance(node.func, ast.Attribute) else node
        else:
            break
    if not isinstance(node, ast.Call) or name_of(node) not in ("argsort", "sort", "argpartition"):
        return None
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    library = owner is None or spelled(owner) in ("np", "numpy", "torch", "jnp")
    if library and not node.args:
        return None
    ordered = node.args[0] if library else owner
    assert ordered is not None
    flags = {k.arg: k.value for k in node.keywords}
    down = any(isinstance(flags.get(n), ast.Constant) and flags[n].value for n in ("descending", "reverse"))  # type: ignore[attr-defined]
    if "descending" in flags and not isinstance(flags["descending"], ast.Constant):
        return None
    flat, negated = _plain(ordered)
    return flat, (down == turned) != negated


def _plain(node: ast.AST) -> tuple[ast.AST, bool]:
    """Without its minus sign, and whether it had one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand, True
    return node, False


def _end(index: ast.AST) -> bool | None:
    """Whether a slice takes the first ones (True) or the last (False); None where it takes neither."""
    last = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else index
    if not isinstance(last, ast.Slice) or last.step is not None:
        return None
    if last.lower is None and last.upper is not None:
        return None if isinstance(last.upper, ast.UnaryOp) else True
    return False if isinstance(last.lower, ast.UnaryOp) and last.upper is None else None


def _good(case: Case, node: ast.AST, function: ast.AST) -> str:
    """Whether "large" or "small" ones are the good ones, by what the numbers are; empty where that cannot be told."""
    called = spelled(node).lower()
    scores = any(word in called for word in _SCORES)
    kinds = {_kind(case, each, scores, where) for each, where in _made_of(node, function, case.source.tree)}
    return kinds.pop() if len(kinds) == 1 else ""


def _kind(case: Case, node: ast.AST, scores: bool, function: ast.AST, depth: int = 3) -> str:
    """The same of one expression that the numbers are made by; `scores`: whether they are called so."""
    flat, turned = _plain(node)
    flat = _unwrapped(flat)
    good = ""
    if isinstance(flat, ast.Name) and depth:
        made = _made_of(flat, function, case.source.tree)
        deeper = {_kind(case, each, scores, where, depth - 1) for each, where in made}
        good = deeper.pop() if len(deeper) == 1 else ""
    elif _is_product(flat):
        good = "large" if scores else ""
    elif isinstance(flat, ast.Call) and _is_distance(flat):
        good = "small"
    elif isinstance(flat, ast.Call) and name_of(flat) in _NEAR:
        good = "large"
    elif isinstance(flat, ast.Call):
        by_name = {-1: "small", 0: "", 1: "large"}[good_end(name_of(flat))]
        good = by_name or ("large" if scores and _asks(case, flat) else "")
    return {"small": "large", "large": "small"}.get(good, "") if turned else good


def _unwrapped(node: ast.AST) -> ast.AST:
    """Without what only picks numbers or changes their scale."""
    while True:
        if isinstance(node, ast.Subscript):
            node = node.value
        elif not isinstance(node, ast.Call) or name_of(node) not in _SAME:
            return node
        elif isinstance(node.func, ast.Attribute) and spelled(node.func.value) not in ("torch", "np", "numpy", "F"):
            node = node.func.value
        elif node.args:
            node = node.args[0]
        else:
            return node


def _is_product(node: ast.AST) -> bool:
    """Whether all are multiplied with all, as features of queries and answers are."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)


def _is_distance(call: ast.Call) -> bool:
    """Whether a function gives distances: by its name, or the norm of a difference."""
    parts = [*call.args, *([call.func.value] if isinstance(call.func, ast.Attribute) else [])]
    differs = any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) for part in parts)
    return name_of(call) in _FAR or (name_of(call) == "norm" and differs)


def _asks(case: Case, call: ast.Call) -> bool:
    """Whether a call was seen to be one of a network, and no function of what it gives."""
    lines = {f.line[1] for f in case.forwards if f.line is not None}
    inner = [n for argument in call.args for n in calls(argument)]
    return call.lineno in lines and not any(isinstance(n.func, ast.Name) for n in inner)


def _made_of(node: ast.AST, function: ast.AST, tree: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The expressions that a name stands for, each with the function or program that it stands in.

    What it is made of, what is appended to it, and what a parameter is given.
    """
    if not isinstance(node, ast.Name):
        return [(node, function)]
    found: list[tuple[ast.AST, ast.AST]] = []
    for each in _own(function):
        if isinstance(each, ast.Assign) and any(spelled(target) == node.id for target in each.targets):
            found += [] if isinstance(each.value, ast.List) and not each.value.elts else [(each.value, function)]
        elif isinstance(each, ast.Call) and spelled(each.func) == f"{node.id}.append" and each.args:
            found.append((each.args[0], function))
    if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        named = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        place = named.index(node.id) if node.id in named else len(named)
        for body in (*functions(tree).values(), tree):
            for call in _own(body):
                if isinstance(call, ast.Call) and name_of(call) == function.name and place < len(named):
                    given = [k.value for k in call.keywords if k.arg == node.id] or call.args[place : place + 1]
                    found += [(each, body) for each in given]
    return found


@check("known-items-recommended", experiment=True)
def known_recommended(case: Case) -> Iterator[Finding]:
    """Ask a network of users and items for each user's best: are most of them those that it was trained on?"""
    place = _list_made(case)
    network = case.network
    if place is None or network is None or sum(isinstance(m, nn.Embedding) for m in network.modules()) < 2:
        return
    pairs = _liked(case)
    if pairs is None or len(pairs) < 200:
        return
    share = _share(case, network, pairs)
    if share is None or share[0] < max(KNOWN, 3 * share[1]):
        return
    yield Finding(
        "known-items-recommended",
        "The list of the best is filled with what the user is known to have: nothing takes it out.",
        "fault",
        0.9,
        (
            Fact(f"of the {LIST} best items of a user, known from training", f"{share[0]:.0%}"),
            Fact("of all items", f"{share[1]:.0%}"),
            Fact("takes known ones out before the best are chosen", "nothing in the program"),
        ),
        change='scores[train] = float("-inf") before topk or argsort',
        where=case.place(line_of(case, place)),
        explains=("underfits", "validation-among-training", "metric-on-training-data"),
    )


def _list_made(case: Case) -> ast.AST | None:
    """Where the best of a list are taken, in a program that takes nothing out of it."""
    tree = case.source.tree
    names = {name_of(n) for n in ast.walk(tree) if isinstance(n, (ast.Attribute, ast.Name))}
    if names & _TAKEN_OUT or any(isinstance(n, ast.NotIn) for n in ast.walk(tree)):
        return None
    if any(isinstance(n, ast.Constant) and n.value in ("inf", "-inf") for n in ast.walk(tree)):
        return None
    bodies: list[ast.AST] = [*functions(tree).values(), tree]
    for body in bodies:
        for node, ordered, _, _ in _ends(body):
            changed = any(
                isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Subscript)
                and spelled(n.targets[0].value) == spelled(ordered)
                for n in _own(body)
            )  # fmt: skip
            return None if changed else node
    return None


def _liked(case: Case) -> Tensor | None:
    """Pairs of user and item that training calls good, (N, 2)."""
    found = []
    for batch in case.batches:
        given = [t for t in batch.inputs if not t.is_floating_point() and t.ndim]
        wanted = batch.targets
        if len(given) == 1 and given[0].ndim == 2 and given[0].shape[1] == 2:
            pair = given[0]
        elif len(given) == 2 and given[0].ndim == 1 and given[0].shape == given[1].shape:
            pair = torch.stack(given, 1)
        else:
            return None
        if wanted is None or wanted.numel() != len(pair):
            return None
        found.append(pair[wanted.reshape(-1) > float(wanted.double().mean())])
    return torch.cat(found).unique(dim=0) if found else None


def _share(case: Case, network: nn.Module, pairs: Tensor) -> tuple[float, float] | None:
    """Which share of users' best items they are known to like, and which of all items."""
    single = case.batches[0].inputs[0].ndim == 2
    items = int(pairs[:, 1].max()) + 1
    users = torch.bincount(pairs[:, 0]).topk(min(USERS, len(pairs[:, 0].unique()))).indices
    if items < 4 * LIST or items * len(users) > 1 << 20:
        return None
    every = torch.cartesian_prod(users, torch.arange(items))
    with case.answering(network) as module:
        try:
            answer = output_of(module(every) if single else module(every[:, 0], every[:, 1]))
        except (RuntimeError, IndexError, TypeError, ValueError):
            return None
    if answer is None or answer.numel() != len(every):
        return None
    scores = answer.reshape(len(users), items)
    known = torch.zeros(int(pairs[:, 0].max()) + 1, items, dtype=torch.bool)
    known[pairs[:, 0], pairs[:, 1]] = True
    liked = known[users]
    return float(liked.gather(1, scores.topk(LIST).indices).double().mean()), float(liked.double().mean())
