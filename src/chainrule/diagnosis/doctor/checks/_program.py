"""Reading the text of a program: what is called, where, in which loops and functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Line

Function = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.While


def name_of(node: ast.AST) -> str:
    """The last part of what is called or named: `torch.manual_seed(1)` is `manual_seed`."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def spelled(node: ast.AST | None) -> str:
    """An expression as it is written."""
    return ast.unparse(node) if node is not None else ""


def line_of(case: Case, node: ast.AST | None) -> Line | None:
    """Where a piece of the program stands."""
    if node is None or case.source.path is None:
        return None
    return str(case.source.path), int(getattr(node, "lineno", 0))


def calls(tree: ast.AST, names: frozenset[str] | None = None) -> Iterator[ast.Call]:
    """The calls inside, methods as well; only those of these names, where some are given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (names is None or name_of(node) in names):
            yield node


def loops(tree: ast.AST) -> list[Loop]:
    """All loops."""
    return [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))]


def loops_around(tree: ast.AST, line: int) -> list[Loop]:
    """The loops around a line, the outermost first."""
    found = [node for node in loops(tree) if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return sorted(found, key=lambda node: node.lineno)


def learning_loops(case: Case) -> list[Loop]:
    """The loops around the line where the network is called to learn, the outermost first."""
    line = next((f.line for f in case.forwards if f.learning and f.line), None)
    return loops_around(case.source.tree, line[1]) if line and case.source.path and case.source.code(line) else []


def loops_to(tree: ast.AST, line: int) -> list[Loop]:
    """The loops that lead to a line: around it, or around a call of the function that it stands in."""
    known = functions(tree)
    holders = frozenset(name for name, f in known.items() if f.lineno <= line <= (f.end_lineno or f.lineno))
    around = loops_around(tree, line)
    return [loop for loop in loops(tree) if loop in around or (holders and reaches(loop, holders, known))]


def functions(tree: ast.AST) -> dict[str, Function]:
    """Functions and methods by name."""
    return {node.name: node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def reaches(node: ast.AST, names: frozenset[str], known: dict[str, Function], depth: int = 4) -> str:
    """The first of these names that is called inside, in functions of the same program too; empty where none is."""
    for each in calls(node):
        name = name_of(each)
        if name in names:
            return name
        if depth and name in known and (found := reaches(known[name], names, known, depth - 1)):
            return found
    return ""
