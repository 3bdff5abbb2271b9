"""What the text of a program says of its data: where it is seeded, split, changed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line

_SEEDS = frozenset({"manual_seed", "seed", "seed_everything", "set_seed", "default_rng", "RandomState", "Random"})
_DRAWS = frozenset({"randint", "randperm", "choice", "choices", "sample", "shuffle", "permutation", "integers", "rand",
                    "multinomial", "random", "randrange", "DataLoader"})  # fmt: skip


def name_of(node: ast.AST) -> str:
    """The last part of what is called or named: `torch.manual_seed(1)` is `manual_seed`."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def line_of(case: Case, node: ast.AST | None) -> Line | None:
    """Where a piece of the program stands."""
    if node is None or case.source.path is None:
        return None
    return str(case.source.path), int(getattr(node, "lineno", 0))


def calls(tree: ast.AST, names: frozenset[str]) -> Iterator[ast.Call]:
    """The calls of functions of these names, methods as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) in names:
            yield node


def loops(tree: ast.AST) -> list[ast.For | ast.While]:
    """All loops."""
    return [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))]


def functions(tree: ast.AST) -> dict[str, ast.FunctionDef]:
    """All functions by name."""
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def seeded_again(case: Case) -> ast.Call | None:
    """Where a generator that draws examples is seeded again and again: in a loop, or in what a loop calls."""
    tree = case.source.tree
    known = functions(tree)
    for loop in loops(tree):
        if any(isinstance(inner, (ast.For, ast.While)) for inner in ast.walk(loop) if inner is not loop):
            bodies: list[ast.AST] = []  # a seed of each epoch or each run: examples differ from step to step
        else:
            bodies = [loop]
        bodies += [known[name_of(node)] for node in ast.walk(loop) if isinstance(node, ast.Call)
                   and name_of(node) in known and not loops(known[name_of(node)])]  # fmt: skip
        for body in bodies:
            found = next(calls(body, _SEEDS), None)
            if found is not None and next(calls(body, _DRAWS), None) is not None:
                return found
    return None
