"""Slips in right backward functions: the source is read as a tree, one place in it is changed, and compiled again."""

from __future__ import annotations

import ast
import copy
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chainrule.core.program import run_source

KINDS = ("sign", "factor", "dropped term", "transpose", "off by one")
"""What is changed."""
Change = Callable[[ast.expr], ast.expr]


class Mutant:
    """A function with one slip.

    Args:
        kind: Which of `KINDS`.
        text: The expression before and after.
        function: What can be called.
    """

    def __init__(self, kind: str, text: str, function: Callable[..., Any]) -> None:
        self.kind, self.text, self.function = kind, text, function


def mutants(function: Callable[..., Any], kind: str, rng: random.Random) -> Iterator[Mutant]:
    """All slips of one kind, in random order; factors are drawn anew at each call."""
    source = inspect.getsource(sys.modules[function.__module__])
    tree = ast.parse(source)
    (root,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function.__name__)
    places = [(node, name, index) for node in ast.walk(root) for name, index in _children(node)]
    rng.shuffle(places)
    for node, name, index in places:
        for change in _changes(_get(node, name, index), kind, rng):
            before = _get(node, name, index)
            after = change(copy.deepcopy(before))
            _set(node, name, index, after)
            try:
                yield Mutant(kind, f"{ast.unparse(before)}  ->  {ast.unparse(after)}", _compiled(tree, function))
            finally:
                _set(node, name, index, before)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None]]:
    """Where a node holds expressions; docstrings, annotations and what is assigned to are left alone."""
    if isinstance(node, ast.FunctionDef | ast.arguments | ast.arg | ast.AnnAssign):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    for name, value in ast.iter_fields(node):
        if name in ("target", "targets", "func", "annotation", "keywords"):
            continue
        if _read(value):
            yield name, None
        elif isinstance(value, list):
            yield from ((name, k) for k, item in enumerate(value) if _read(item))


def _read(value: object) -> bool:
    """Whether it is an expression that is read, and not assigned to."""
    return isinstance(value, ast.expr) and isinstance(getattr(value, "ctx", ast.Load()), ast.Load)


def _get(node: ast.AST, name: str, index: int | None) -> ast.expr:
    value = getattr(node, name)
    return value if index is None else value[index]


def _set(node: ast.AST, name: str, index: int | None, value: ast.expr) -> None:
    if index is None:
        setattr(node, name, value)
    else:
        getattr(node, name)[index] = value


def _changes(found: ast.expr, kind: str, rng: random.Random) -> Iterator[Change]:
    numeric = isinstance(found, ast.BinOp | ast.Call | ast.Attribute | ast.Name)
    if kind == "sign":
        if isinstance(found, ast.BinOp) and isinstance(found.op, ast.Add | ast.Sub):
            yield lambda e: ast.BinOp(e.left, ast.Sub() if isinstance(e.op, ast.Add) else ast.Add(), e.right)
        if isinstance(found, ast.BinOp) and isinstance(found.op, ast.Mult | ast.Div | ast.MatMult):
            yield lambda e: ast.UnaryOp(ast.USub(), e)
        if isinstance(found, ast.UnaryOp) and isinstance(found.op, ast.USub):
            yield lambda e: e.operand
        if isinstance(found, ast.Compare):
            yield lambda e: ast.Compare(e.left, [{ast.Gt: ast.Lt, ast.Eq: ast.NotEq}.get(type(e.ops[0]), ast.GtE)()],
                                        e.comparators)  # fmt: skip
    elif kind == "factor" and numeric:
        factor = rng.choice([2.0, 0.5, 3.0, 1 + 10 ** rng.uniform(-3.9, -0.5), 1 - 10 ** rng.uniform(-3.9, -0.5)])
        yield lambda e: ast.BinOp(e, ast.Mult(), ast.Constant(factor))
    elif kind == "dropped term" and isinstance(found, ast.BinOp):
        yield lambda e: e.left
        if isinstance(found.op, ast.Add | ast.Mult):
            yield lambda e: e.right
    elif kind == "transpose":
        if isinstance(found, ast.Attribute) and found.attr == "T":
            yield lambda e: e.value
        elif numeric:
            yield lambda e: ast.Attribute(e, "T", ast.Load())
        if isinstance(found, ast.BinOp) and isinstance(found.op, ast.MatMult):
            yield lambda e: ast.BinOp(e.right, ast.MatMult(), e.left)
    elif kind == "off by one":
        if isinstance(found, ast.Constant) and type(found.value) is int:
            yield lambda e: ast.Constant(e.value + 1)
            yield lambda e: ast.Constant(e.value - 1)
        elif isinstance(found, ast.Call) and ast.unparse(found.func) in ("range", "slice", "np.arange"):
            yield lambda e: ast.Call(e.func, [*e.args[:-1], ast.BinOp(e.args[-1], ast.Sub(), ast.Constant(1))], [])
        elif isinstance(found, ast.Name) and found.id in ("i", "j", "axis", "pad", "stride"):
            yield lambda e: ast.BinOp(e, ast.Add(), ast.Constant(1))


def _compiled(tree: ast.Module, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in its module with the slip, under a name of its own."""
    path = Path(f"mutant_of_{function.__name__}.py")
    module = run_source(path, ast.unparse(ast.fix_missing_locations(tree)).encode())
    return getattr(module, function.__name__)
