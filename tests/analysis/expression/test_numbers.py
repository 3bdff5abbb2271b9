"""Gradients and formulas against torch: random expressions, read by Python's own parser for torch."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.analysis.expression import derive
from chainrule.core.errors import UsageError

NAMES = ("a", "b", "c", "d")
OPERATORS: dict[type, Any] = {
    ast.Add: torch.add, ast.Sub: torch.sub, ast.Mult: torch.mul, ast.Div: torch.div, ast.Pow: torch.pow,
}  # fmt: skip


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    triple = st.tuples(inner, inner, inner)
    return st.one_of(
        pair.map(lambda p: f"({p[0]} + {p[1]})"),
        pair.map(lambda p: f"({p[0]} - {p[1]})"),
        pair.map(lambda p: f"{p[0]}*{p[1]}"),
        pair.map(lambda p: f"{p[0]}/(1.5 + {p[1]}**2)"),
        inner.map(lambda x: f"(-{x})"),
        inner.map(lambda x: f"({x})**2"),
        inner.map(lambda x: f"({x})**3"),
        inner.map(lambda x: f"exp(-abs({x}))"),
        inner.map(lambda x: f"log(1 + {x}**2)"),
        inner.map(lambda x: f"sqrt(2 + {x}**2)"),
        inner.map(lambda x: f"(1.1 + abs({x}))**0.5"),
        *(inner.map(lambda x, name=name: f"{name}({x})") for name in ("sin", "cos", "tanh", "sigmoid", "relu", "abs")),
        triple.map(lambda t: f"max({t[0]}, {t[1]}, {t[2]})"),
        triple.map(lambda t: f"min({t[0]}, {t[1]}, {t[2]})"),
        triple.map(lambda t: f"sum([{t[0]}, {t[1]}]*[{t[2]}, 0.5])"),
        triple.map(lambda t: f"max(conv1d([{t[0]}, {t[1]}, {t[2]}], [0.5, -1], 0.25))"),
    )


expressions = st.recursive(st.sampled_from([*NAMES, "0.7", "2", "1.25"]), _calls, max_leaves=9)


def by_torch(text: str, values: dict[str, float]) -> tuple[float, dict[str, float]]:
    """Value and gradients; the text is read by Python's own parser, whose rules for signs and powers are ours."""
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}
    out = _torch(ast.parse(text, mode="eval").body, leaves)
    out = torch.as_tensor(out, dtype=torch.float64)
    if out.requires_grad:
        out.backward()
    return float(out.detach()), {
        name: float(leaf.grad) if leaf.grad is not None else 0.0 for name, leaf in leaves.items()
    }


def _first(values: list[torch.Tensor], sign: int) -> torch.Tensor:
    shape = torch.broadcast_shapes(*(value.shape for value in values))
    stacked = torch.stack([value.expand(shape) for value in values])
    return (stacked.max(dim=0) if sign > 0 else stacked.min(dim=0)).values


def _torch(node: ast.expr, leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    def go(one: ast.expr) -> torch.Tensor:
        return _torch(one, leaves)

    match node:
        case ast.Name(name):
            return leaves[name]
        case ast.Constant(number):
            return torch.tensor(float(number), dtype=torch.float64)
        case ast.List(elements):
            return torch.stack([go(one) for one in elements])
        case ast.UnaryOp(ast.USub(), one):
            return -go(one)
        case ast.BinOp(left, operator, right):
            a, b = go(left), go(right)
            return OPERATORS[type(operator)](a, b)
        case ast.Call(ast.Name(name), arguments):
            values = [go(one) for one in arguments]
            if name in ("max", "min"):
                sign = 1 if name == "max" else -1
                return _first(list(values[0]) if len(values) == 1 else values, sign)
            if name == "sum":
                return values[0].sum()
            if name == "conv1d":
                x, kernel, bias = values
                return torch.conv1d(x[None, None], kernel[None, None])[0, 0] + bias
            return getattr(torch, name)(values[0])
    raise AssertionError(ast.dump(node))


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(expressions, st.integers(0, 2**32 - 1))
def test_random_expressions_are_torchs_in_numbers_and_in_symbols(text: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = {name: float(rng.uniform(0.2, 2) * rng.choice([-1, 1])) for name in NAMES}
    output, gradients = by_torch(text, values)
    total = " + ".join([text, *(f"0*{name}" for name in NAMES)])  # so that every name is there
    found = derive(total, at=values)
    assert found.walk is not None
    assert found.walk.values[found.graph.output] == pytest.approx(output, rel=1e-11, abs=1e-12)
    scale = max(map(abs, gradients.values()))
    assert found.gradients == pytest.approx(gradients, rel=1e-9, abs=1e-12 * max(scale, 1))
    assert not [one for one in found.compared if one.verdict == "differs"], found.compared
    assert found.formula_error is None or found.formula_error < 1e-9


def test_the_sigmoid_of_the_lectures() -> None:
    found = derive("1/(1+exp(-(w0*x0+w1*x1+w2)))", at="w0=2,x0=-1,w1=-3,x1=-2,w2=-3")
    assert found.walk is not None
    assert round(found.walk.values[found.graph.output], 2) == 0.73
    assert {name: round(value, 2) for name, value in found.gradients.items()} == {
        "w0": -0.20, "x0": 0.39, "w1": -0.39, "x1": -0.59, "w2": 0.20,
    }  # fmt: skip
    assert all(one.verdict == "agrees" and one.error < 1e-9 for one in found.compared)


def test_minus_zero_is_zero() -> None:
    found = derive("-x*y", at="x=0,y=0")
    assert [str(value) for value in found.gradients.values()] == ["0.0", "0.0"]


@pytest.mark.parametrize(
    ("text", "at", "says", "column"),
    [
        ("1 + log(x)", "x=-1", "log has no finite value at -1", 5),
        ("y + sqrt(x)", "x=0,y=1", "sqrt has no finite derivative at 0", 5),
        ("exp(x)", "x=1000", "exp has no finite value", 1),
        ("2 + 1/x", "x=0", "divide has no finite value at 1, 0", 5),
        ("x**0.5", "x=-1", "power has no finite value", 1),
        ("x**300*x**100", "x=1e1", "no finite value", 1),
        ("(x*1e200)*(y*1e-250)*1e-100*1e200*1e150", "x=1,y=1", "too large", 2),
    ],
)
def test_where_there_is_no_number_the_gate_is_named(text: str, at: str, says: str, column: int) -> None:
    with pytest.raises(UsageError) as found:
        derive(text, at=at)
    assert says in str(found.value)
    assert f"column {column}:" in str(found.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"at": "z=1"}, 'no "z". Remedy: The names are'),
        ({"at": "x=1,x=2"}, "given twice"),
        ({"at": "x=[1,2]"}, "the result is a vector of 2"),
        ({"at": "x=y"}, "needs a finite number"),
        ({"at": "x=1/0"}, "needs a finite number"),
        ({"at": "x"}, "a = is missing after x"),
        ({"at": "=3"}, "a name is missing"),
        ({"at": {"x": float("nan")}}, "not finite"),
        ({"at": {"x": "2"}}, "needs a number"),
        ({"at": {"x": [[1, 2]]}}, "number or a vector"),
        ({"at": {"x": []}}, "number or a vector"),
        ({"at": {"x": object()}}, "needs a number"),
        ({"at": "q=1"}, "has its value in the expression"),
        ({"wrt": "z"}, '--wrt: the expression has no "z"'),
        ({"in_terms_of": "z"}, '--in-terms-of: the expression has no "z"'),
        ({"upstream": "f=x"}, "is a name of the expression"),
        ({"upstream": "f=[1,2]"}, "another size"),
        ({"upstream": "z=1"}, 'no "z"'),
        ({"ties": "last"}, "expected first or shared"),
    ],
)
def test_what_does_not_fit_the_expression_is_explained(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        derive("q = x*y; f = q + x", **options)


def test_a_vector_is_no_place_to_start_from() -> None:
    with pytest.raises(UsageError, match=r"a vector of 2.*--upstream"):
        derive("[x, y]*2")
    found = derive("v = [x, y]*x", at="x=3,y=5", upstream="v=[1, 10]")
    assert found.gradients == {"x": 6 + 50, "y": 30}


def test_nothing_to_derive_is_said() -> None:
    with pytest.raises(UsageError, match="nothing to derive"):
        derive("1 + 2")


def test_a_leaf_alone_is_its_own_derivative() -> None:
    found = derive("x", at="x=3")
    assert found.gradients == {"x": 1.0}
    assert [one.text for one in found.derivatives] == ["1"]


def test_vectors_are_given_by_sequence_array_or_elements() -> None:
    for at in ({"x": [1, 2]}, {"x": np.array([1.0, 2.0])}, "x=[1, 2]", {"x": torch.tensor([1.0, 2.0])}):
        assert derive("sum(x**2)", at=at).gradients == {"x[0]": 2, "x[1]": 4}
    assert derive("x[0]*x[3]", at="x[0]=2, x[3]=5").gradients == {"x[0]": 5, "x[3]": 2}


def test_gradients_from_outside_add_up_and_may_be_symbols_with_values() -> None:
    at = "x=0.5,d=3"
    found = derive("a = x*x; b = exp(a)", at=at, upstream="a=2,b=d")
    assert found.gradients["x"] == pytest.approx(2 * 1.0 + 3 * np.exp(0.25) * 1.0)
    assert found.derivatives[0].text in ("2*x*(d*exp(x**2) + 2)", "2*d*x*exp(x**2) + 4*x")


def test_an_intermediate_may_be_asked_for() -> None:
    found = derive("q = x + y; f = q**2*x", at="x=2,y=1", wrt="q,x")
    assert found.gradients == {"q": 12.0, "x": 21.0}
    assert [one.verdict for one in found.compared] == ["agrees", "agrees"]
    assert found.derivatives[0].text == "2*q*x"
