"""Formulas made short, with a bound on the work.

Some forms are tried and the shortest is kept. Forms that could take long are tried only where the formula is small
enough, judged by how many terms it would have when multiplied out, so that the answer does not depend on the machine.
The logistic function is recognized: e^(-s) / (1 + e^(-s))^2 becomes sigma (1 - sigma), as the lectures write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sympy

from chainrule.analysis.expression._symbols import Expr, sigmoid, signs

_MOST_TERMS: Final = 24
"""Of a formula multiplied out: above this only common factors are taken out."""
_MOST_SYMBOLS: Final = 8
_LARGEST_POWER: Final = 16
_MOST_SIGNS: Final = 150


def shortest(formula: Expr) -> Expr:
    """Return the shortest of a few equal forms.

    Example:
        >>> from chainrule.analysis.expression._symbols import symbol
        >>> x, y = symbol("x"), symbol("y")
        >>> shortest(x * y - x * (y - 1)), shortest((x**2 - y**2) / (x - y))
        (x, x + y)
    """
    if signs(formula) > _MOST_SIGNS:
        return formula
    forms = []
    for one in dict.fromkeys([formula, _logistic(formula)]):
        forms += [one, sympy.factor_terms(one)]
        if _mixed(one) and terms(one) <= _MOST_TERMS and len(one.free_symbols) <= _MOST_SYMBOLS:
            forms += _forms(one)
    return min(forms, key=_length)


def terms(formula: Expr) -> int:
    """About how many terms a formula has when multiplied out; a million where powers are large.

    Example:
        >>> from chainrule.analysis.expression._symbols import symbol
        >>> terms((symbol("x") + symbol("y")) ** 2)
        4
    """
    if formula.is_Add:
        return min(sum(terms(part) for part in formula.args), 10**6)
    if formula.is_Mul:
        product = 1
        for part in formula.args:
            product = min(product * terms(part), 10**6)
        return product
    if formula.is_Pow and formula.exp.is_Integer:
        if abs(formula.exp) > _LARGEST_POWER:
            return 10**6
        return min(terms(formula.base) ** abs(int(formula.exp)), 10**6)
    return max((terms(part) for part in formula.args), default=1)


def _mixed(formula: Expr) -> bool:
    """Whether there are terms or fractions that might cancel."""
    return formula.is_Add or any(one.exp.is_negative and one.base.is_Add for one in formula.atoms(sympy.Pow))


def _forms(formula: Expr) -> Iterator[Expr]:
    """Forms that cost more than a look."""
    try:
        together = sympy.cancel(formula)
        yield together
        yield sympy.factor(together)
        yield sympy.expand_mul(formula)
    except (sympy.PolynomialError, ZeroDivisionError):  # fractions inside functions: the other forms stand
        return


def _logistic(formula: Expr) -> Expr:
    """Write e^u as (1 - s) / s with s = sigmoid(-u), wherever 1 / (1 + e^u) stands."""
    for power in formula.atoms(sympy.Pow):
        base = power.base
        if power.exp.is_negative and base.is_Add:
            for part in base.args:
                if isinstance(part, sympy.exp) and base - part == 1:
                    sigma = sympy.Dummy("sigma", positive=True)
                    written = sympy.factor(formula.subs(part, (1 - sigma) / sigma))
                    formula = written.subs(sigma, sigmoid(-part.args[0]))
    return formula


def _length(formula: Expr) -> int:
    """Signs; a minus and a fraction count as the operations that they are read as."""
    parts = list(sympy.preorder_traversal(formula))
    minus = sum(1 for part in parts if part.is_Mul and part.args[0].is_negative)
    return signs(formula) + minus + 2 * sum(1 for part in parts if part.is_Rational and not part.is_Integer)
