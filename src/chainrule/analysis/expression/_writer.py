"""Formulas as people write them: as text in the language of expressions, and as LaTeX.

One walk over the formula, two styles. sigmoid(s) is written as sigma with a legend, so that a derivative reads
sigma (1 - sigma) x as in the lectures; a sum starts with a positive term where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import sympy

from chainrule.analysis.expression._symbols import Expr, sigmoid

_SUM, _PRODUCT, _POWER, _ATOM = range(4)
_GREEK: Final = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
]  # fmt: skip
_GREEK_LETTERS: Final = dict(zip("αβγδεζηθικλμνξπρστφχψω", _GREEK, strict=True))


class Style(Protocol):
    """How the parts of a formula are put together."""

    def name(self, name: str) -> str:
        """A variable."""
        ...

    def number(self, number: Expr) -> str:
        """A number that is not negative."""
        ...

    def product(self, factors: Sequence[str]) -> str:
        """Factors beside each other."""
        ...

    def fraction(self, above: str, below: str, *, bracket: bool) -> str:
        """One over the other; `bracket` where what is below is a product or a sum."""
        ...

    def power(self, base: str, exponent: str) -> str:
        """Base and exponent."""
        ...

    def bracketed(self, inside: str) -> str:
        """In round brackets."""
        ...

    def function(self, name: str, arguments: Sequence[str]) -> str:
        """A function of its arguments."""
        ...


class Text:
    """The language of expressions: what is written can be read back."""

    def name(self, name: str) -> str:
        """As it is."""
        return name

    def number(self, number: Expr) -> str:
        """3, 1/2 or 0.25."""
        return f"{float(number):.6g}" if number.is_Float else str(number)

    def product(self, factors: Sequence[str]) -> str:
        """a*b."""
        return "*".join(factors)

    def fraction(self, above: str, below: str, *, bracket: bool) -> str:
        """a/b."""
        return f"{above}/({below})" if bracket else f"{above}/{below}"

    def power(self, base: str, exponent: str) -> str:
        """a**b."""
        return f"{base}**{exponent}"

    def bracketed(self, inside: str) -> str:
        """(a)."""
        return f"({inside})"

    def function(self, name: str, arguments: Sequence[str]) -> str:
        """f(a, b)."""
        return f"{name}({', '.join(arguments)})"


class Latex:
    """LaTeX's mathematics, with nothing beyond amsmath."""

    def name(self, name: str) -> str:
        r"""w0 is w_{0}, delta1 is \delta_{1}, yhat is \hat{y}; other long names are upright.

        Example:
            >>> print(*map(Latex().name, ("w0", "delta1", "yhat", "x[2]", "loss", "σ")))
            w_{0} \delta_{1} \hat{y} x_{2} \mathrm{loss} \sigma
        """
        if name.endswith("]"):
            base, _, position = name[:-1].partition("[")
            return self._with_index(base, position)
        match = re.fullmatch(r"(.*?[^\W\d_])_?([0-9]+)", name)
        return self._with_index(match[1], match[2]) if match else self._letters(name)

    def _with_index(self, base: str, index: str) -> str:
        inner = self.name(base)
        return f"{{{inner}}}_{{{index}}}" if "_" in inner.replace(r"\_", "") else f"{inner}_{{{index}}}"

    def _letters(self, name: str) -> str:
        if name.lower() in _GREEK:
            lower = name.islower()
            return f"\\{name}" if lower else f"\\mathrm{{{name}}}"
        if name in _GREEK_LETTERS:
            return f"\\{_GREEK_LETTERS[name]}"
        if name.endswith("hat") and len(name) == 4:
            return f"\\hat{{{name[0]}}}"
        escaped = name.replace("_", r"\_")
        return escaped if len(name) == 1 else f"\\mathrm{{{escaped}}}"

    def number(self, number: Expr) -> str:
        r"""3, \frac{1}{2} or 0.25."""
        if number.is_Float:
            mantissa, _, exponent = f"{float(number):.6g}".partition("e")
            return f"{mantissa} \\cdot 10^{{{int(exponent)}}}" if exponent else mantissa
        return str(number) if number.is_Integer else f"\\frac{{{number.p}}}{{{number.q}}}"

    def product(self, factors: Sequence[str]) -> str:
        r"""a b; a dot before a number."""
        text = factors[0]
        for factor in factors[1:]:
            text += f" \\cdot {factor}" if factor[0].isdigit() or factor.startswith(r"\frac") else f" {factor}"
        return text

    def fraction(self, above: str, below: str, *, bracket: bool) -> str:
        r"""\frac{a}{b}, which needs no brackets."""
        return f"\\frac{{{above}}}{{{below}}}"

    def power(self, base: str, exponent: str) -> str:
        """a^{b}."""
        return f"{{{base}}}^{{{exponent}}}"

    def bracketed(self, inside: str) -> str:
        r"""\left(a\right)."""
        return f"\\left({inside}\\right)"

    def function(self, name: str, arguments: Sequence[str]) -> str:
        r"""\sin\left(x\right), \max\{a, b\}, |x|, e^{x}, \sqrt{x}."""
        inside = ", ".join(arguments)
        match name:
            case "abs":
                return f"\\left|{inside}\\right|"
            case "sqrt":
                return f"\\sqrt{{{inside}}}"
            case "exp":
                return f"e^{{{inside}}}"
            case "max" | "min":
                return f"\\{name}\\left\\{{{inside}\\right\\}}"
            case "sigmoid" | "relu":
                return f"\\operatorname{{{name}}}\\left({inside}\\right)"
        return f"\\{name}\\left({inside}\\right)"


@dataclass(frozen=True)
class Writer:
    r"""Writes formulas in one style.

    Args:
        style: Text or LaTeX.
        short: Formulas that are written by a name, as sigmoid(s) by sigma.

    Example:
        >>> x, y = sympy.symbols("x y")
        >>> print(Writer(Text()).write(-x * (y - 1) / (2 * y**2)), Writer(Latex()).write(x / (2 * y)))
        x*(1 - y)/(2*y**2) \frac{x}{2 y}
    """

    style: Style
    short: Mapping[Expr, str] = field(default_factory=dict)

    def write(self, formula: Expr) -> str:
        """Return a formula as text."""
        return self._write(formula)[0]

    def _write(self, formula: Expr) -> tuple[str, int]:
        """The text, and how tightly it holds together."""
        if formula in self.short:
            return self.style.name(self.short[formula]), _ATOM
        if formula.is_Symbol:
            return self.style.name(formula.name), _ATOM
        if formula.is_Number:
            return self._number(formula)
        if formula.is_Add:
            return self._sum(formula)
        if isinstance(formula, sympy.exp):
            return self.style.function("exp", [self.write(formula.args[0])]), _ATOM
        if formula == sympy.E:
            return self.style.function("exp", ["1"]), _ATOM
        if formula.is_Mul or (formula.is_Pow and formula.exp.could_extract_minus_sign() and formula.exp.is_Number):
            return self._product(formula)
        if formula.is_Pow:
            return self._power(formula.base, formula.exp)
        name = {"Abs": "abs"}.get(type(formula).__name__, type(formula).__name__)
        return self.style.function(name, [self.write(part) for part in formula.args]), _ATOM

    def _number(self, number: Expr) -> tuple[str, int]:
        if number.is_negative:
            return "-" + self.style.number(-number), _SUM
        return self.style.number(number), _ATOM if number.is_Integer or number.is_Float else _PRODUCT

    def _sum(self, formula: Expr) -> tuple[str, int]:
        text = ""
        for part in sorted(formula.as_ordered_terms(), key=lambda one: one.could_extract_minus_sign()):
            word, level = self._write(part)
            if level == _SUM and part.is_Add:
                word = self.style.bracketed(word)
            if not text:
                text = word
            else:
                text += f" - {word[1:]}" if word.startswith("-") else f" + {word}"
        return text, _SUM

    def _product(self, formula: Expr) -> tuple[str, int]:
        number, factors = formula.as_coeff_mul()
        factors = [factor for one in factors for factor in sympy.Mul.make_args(one)]
        above = [one for one in factors if not _is_below(one)]
        below = [1 / one for one in factors if _is_below(one)]
        number, above = _without_minus(number, above)
        sign = "-" if number.is_negative else ""
        number = abs(number)
        top, bottom = (number.p, number.q) if number.is_Rational else (number, 1)
        upper = ([sympy.sympify(top)] if top != 1 or not above else []) + sorted(above, key=self._rank)
        lower = ([sympy.Integer(bottom)] if bottom != 1 else []) + sorted(below, key=self._rank)
        text = self._factors(upper, alone=not lower)
        if lower:
            word = self._factors(lower, alone=False)
            simple = len(lower) == 1 and self._write(lower[0])[1] >= _POWER
            if len(upper) == 1 and isinstance(self.style, Latex):
                text = self.write(upper[0])
            if len(lower) == 1 and isinstance(self.style, Latex):
                word = self.write(lower[0])
            text = self.style.fraction(text, word, bracket=not simple and len(lower) > 1)
        return sign + text, _SUM if sign else _PRODUCT

    def _factors(self, factors: Sequence[Expr], *, alone: bool) -> str:
        words = []
        for one in factors:
            word, level = self._write(one)
            words.append(self.style.bracketed(word) if level < _PRODUCT or (level == _PRODUCT and not alone) else word)
        return self.style.product(words)

    def _power(self, base: Expr, exponent: Expr) -> tuple[str, int]:
        if exponent == sympy.Rational(1, 2):
            return self.style.function("sqrt", [self.write(base)]), _ATOM
        word, level = self._write(base)
        above, above_level = self._write(exponent)
        if above_level < _POWER and isinstance(self.style, Text):
            above = self.style.bracketed(above)
        return self.style.power(word if level == _ATOM else self.style.bracketed(word), above), _POWER

    def _rank(self, factor: Expr) -> tuple[int, int, str]:
        """The logistic function and what is made of it first, then names, functions, sums."""
        logistic = factor.has(sigmoid)
        base = factor.base if factor.is_Pow and not isinstance(factor, sympy.exp) else factor
        plain = factor.is_Symbol or (factor.is_Pow and base.is_Symbol and factor.exp.is_number)
        kind = 0 if plain or factor in self.short else 1 if base.is_Symbol else 2 if not base.is_Add else 3
        return (0 if logistic else 1), kind, str(base)


def sigmas(formulas: Sequence[Expr], taken: Sequence[str]) -> dict[Expr, str]:
    """Name every sigmoid(s) in some formulas: sigma, or sigma1, sigma2, ... where there are several.

    Example:
        >>> x, y = sympy.symbols("x y")
        >>> list(sigmas([sigmoid(x) * sigmoid(y)], ["σ1"]).values())
        ['σ_1', 'σ_2']
    """
    found = list(dict.fromkeys(one for formula in formulas for one in sorted(formula.atoms(sigmoid), key=str)))
    for mark in ("σ", "σ_", *(f"σ{'_' * i}" for i in range(2, 99))):
        names = [mark] if len(found) == 1 and mark == "σ" else [f"{mark}{i}" for i in range(1, len(found) + 1)]
        if not set(names) & set(taken):
            return dict(zip(found, names))
    return {}


def _is_below(factor: Expr) -> bool:
    return bool(factor.is_Pow and not isinstance(factor, sympy.exp) and factor.exp.is_Number and factor.exp.is_negative)


def _without_minus(number: Expr, factors: Sequence[Expr]) -> tuple[Expr, list[Expr]]:
    """-(a - 1) is 1 - a: a sum takes the sign where that leaves it a positive term."""
    if number.is_negative:
        for place, one in enumerate(factors):
            if one.is_Add and any(part.could_extract_minus_sign() for part in one.args):
                return -number, [*factors[:place], -one, *factors[place + 1 :]]
    return number, list(factors)
