"""What the program's text says: names that stand for something to be made small or large, and what a loop calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

LOW = re.compile(r"(loss|err|mse|mae|nll|perplex|ppl|distance|cost|rmse)", re.I)
HIGH = re.compile(r"(acc|f1|auc|score|r2|precision|recall|bleu|iou|right|correct|kappa|dice)", re.I)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def wanted(name: str) -> int:
    """Whether something of this name should fall (-1) or rise (1); 0 where the name does not say.

    Example:
        >>> wanted("valid_loss"), wanted("accuracy"), wanted("metric"), wanted("error_score")
        (-1, 1, 0, 0)
    """
    low, high = LOW.search(name) is not None, HIGH.search(name) is not None
    return 0 if low == high else (-1 if low else 1)


def spelled(node: ast.AST | None) -> str:
    """An expression as it is written."""
    return ast.unparse(node) if node is not None else ""


def functions(tree: ast.AST) -> dict[str, Function]:
    """Functions and methods by name."""
    return {node.name: node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls inside."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def called(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def reaches(node: ast.AST, names: frozenset[str], known: dict[str, Function], depth: int = 4) -> str:
    """The first of these names that is called inside, in functions of the same program too; empty where none is."""
    for each in calls(node):
        name = called(each)
        if name in names:
            return name
        if depth and name in known and (found := reaches(known[name], names, known, depth - 1)):
            return found
    return ""


def loops(tree: ast.AST, line: int) -> list[ast.For | ast.While]:
    """The loops around a line, the outermost first."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.For, ast.While)) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return sorted(found, key=lambda node: node.lineno)
