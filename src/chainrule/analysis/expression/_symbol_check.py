"""The judge of the formulas: each is computed at a point and compared with the gradient in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import sympy

from chainrule.analysis.expression._symbols import Expr, Terms
from chainrule.formulas.graph import OPERATIONS

_ARGUMENTS: Final = {"exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tanh": "tanh", "Abs": "abs"}


def compute(formula: Expr, values: Mapping[str, float]) -> float:
    """The value of a formula; nothing is evaluated as code.

    Args:
        formula: Of names, numbers and the functions of the language.
        values: The value of each name.

    Example:
        >>> x = sympy.Symbol("x")
        >>> compute(sympy.exp(x) / (1 + x) ** 2, {"x": 1.0}).__round__(4)
        0.6796
    """
    if formula.is_Symbol:
        return values[formula.name]
    if formula.is_number:
        return float(formula)
    parts = [compute(part, values) for part in formula.args]
    if formula.is_Add:
        return math.fsum(parts)
    if formula.is_Mul:
        return math.prod(parts)
    with np.errstate(all="ignore"):
        if formula.is_Pow and not isinstance(formula, sympy.exp):
            return float(np.power(parts[0], parts[1]))
        name = type(formula).__name__
        operation = OPERATIONS[_ARGUMENTS.get(name, name)]
        return float(operation.forward(*(np.float64(part) for part in parts)))


def compute_terms(terms: Terms, values: Mapping[str, float], passes: Mapping[tuple[int, int], float]) -> float:
    """The value of a derivative: each term times what its routers let through.

    Args:
        terms: The derivative.
        values: The value of each name.
        passes: For each router and input what it lets through: 1, 0, or a share where a tie is shared.
    """
    total = 0.0
    for guard, formula in terms.items():
        share = math.prod(passes[choice] for choice in guard)
        if share:
            total += share * compute(formula, values)
    return total
