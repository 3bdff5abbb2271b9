"""The language: what it means, where its mistakes are, and that nothing of it takes long or runs as code."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.analysis.expression import build_graph, derive
from chainrule.core.errors import UsageError
from chainrule.notation.source import PlacedError


def value(text: str, **at: object) -> float:
    found = derive(text, at=at)
    assert found.walk is not None
    return found.walk.values[next(iter(found.start))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 2*3", 8),
        ("2*3 - x", 4),
        ("12/x/3", 2),
        ("-x**2", -4),
        ("(-x)**2", 4),
        ("x**3**2", 512),
        ("x**-1", 0.5),
        ("--x", 2),
        ("+x", 2),
        ("x*-3", -6),
        ("1e-3*x", 0.002),
        (".5*x + 1.", 2),
        ("10 - 3 - x", 5),
        ("[x, 2*x, 5][1]", 4),
        ("sum([x, 1] * [3, 4])", 10),
        ("sum(x*[1, 2] - 1)", 4),
        ("max([x, 7, 3])", 7),
        ("min(x, 7, 3)", 2),
        ("max([x])", 2),
        ("sum(max([x, -1], 0))", 2),
        ("sum(conv1d([1, 2, x, 4], [1, 10]))", 21 + 22 + 42),
        ("conv1d([1, 2, x], [1, 0, -1], 5)[0]", 4),
        ("conv1d([1, x], [3], [10, 20])[1]", 26),
        ("sigmoid(x) + exp(-x) + log(x) + sin(x) + cos(x) + tanh(x) + relu(-x) + sqrt(x) + abs(-x)",
         1 / (1 + math.exp(-2)) + math.exp(-2) + math.log(2) + math.sin(2) + math.cos(2) + math.tanh(2) + 2**0.5 + 2),
        ("a = x + 1;; b = a*a\nc = b -\\\n a" .replace("\\\n", ""), 6),
        ("f = (x +\n 1)", 3),
        ("w = 3; w*x", 6),
    ],
)  # fmt: skip
def test_values(text: str, expected: float) -> None:
    assert value(text, x=2) == pytest.approx(expected, rel=1e-14)


def test_names_may_be_of_any_script_and_composed_in_any_way() -> None:
    assert value("größe*β + ∂é_1".replace("∂", ""), größe=2, β=3, é_1=1) == 7
    assert derive("e\u0301*2", at={"\u00e9": 3}).gradients == {"\u00e9": 2}


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("1 +", 4, "a value is missing after +"),
        ("", None, "empty"),
        (" ; \n ", None, "empty"),
        ("2x", 2, "a product needs its *"),
        ("a b", 3, "an operator is missing before b"),
        ("(a + b", 1, "never closed"),
        ("a + b)", 6, "closes nothing"),
        ("a + [b", 5, "never closed"),
        ("max()", 4, "nothing in these brackets"),
        ("x = []", 5, "nothing in these brackets"),
        ("(a, b)", 1, "square ones"),
        ("a = b = c", 5, "only a name can stand before ="),
        ("a + b = c", 1, "only a name can stand before ="),
        ("x[0] = 3", 1, "only a name can stand before ="),
        ("max = 3", 1, "is a function"),
        ("1; a", 1, "this one is lost"),
        ("a^2", 2, "write ** for a power"),
        ("a × b", 3, "write *"),
        ("f(x)", 1, "no function f"),
        ("sigmod(x)", 1, 'did you mean "sigmoid"'),
        ("exp(a, b)", 1, "wrong number of arguments"),
        ("exp + 1", 1, "write exp(...)"),
        ("[1, 2] + [1, 2, 3]", 1, "different sizes: got 2 and 3"),
        ("[[1, 2]]", 2, "a number"),
        ("x[-1]", 3, "counted from 0"),
        ("x[1.5]", 3, "counted from 0"),
        ("[a, b][2]", 1, "expected 0 to 1, got 2"),
        ("y = x; x = 2", 5, "used before it gets its value"),
        ("x = 1; x = 2", 8, "has its value already"),
        ("sum(x)", 5, "the size of x is not known"),
        ("sum(3)", 5, "takes a vector"),
        ("x[0] + x", 8, "by its elements elsewhere"),
        ("x + x[0]", 5, "used as a number above"),
        ("conv1d([a, b], [1, 2, 3])", 1, "longer than the input"),
        ("1e999*x", 1, "too large"),
        ("x\n+ y)", 4, "closes nothing"),
        ("x = 3 $ 4", 7, "no character '$'"),
    ],
)
def test_mistakes_point_at_their_column(text: str, column: int | None, says: str) -> None:
    with pytest.raises(UsageError) as found:
        build_graph(text)
    assert says in str(found.value)
    if column is not None:
        assert isinstance(found.value, PlacedError)
        assert found.value.column == column
        *_, line, carets = str(found.value).splitlines()
        assert carets.index("^") == 4 + found.value.column - 1
        assert line.startswith("    ")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 20_000,
        "(" * 5_000 + "x" + ")" * 4_000,
        "-" * 9_000 + "x",
        "x" + "**x" * 3_000,
        "x" + "+x" * 4_900,
        "exp(" * 2_000 + "x",
        "max(" + ",".join(["x"] * 4_000) + ")",
        "x[99999999999999999999]",
        "sum([" + ",".join(["x"] * 4_500) + "]**2)",
    ],
)
def test_what_is_too_large_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError):
        derive(text, at={"x": 1.0})


def test_a_long_sum_is_no_deep_one() -> None:
    assert value("x" + " + x" * 900, x=1) == 901


ALPHABET = [*"xyz019.+-*/()[],;= \n", "max(", "conv1d(", "sum(", "**", "é", "x[0]", "sqrt("]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(ALPHABET), max_size=18).map("".join))
def test_no_text_leads_anywhere_but_to_an_answer_or_an_explanation(text: str) -> None:
    graph = None
    with contextlib.suppress(UsageError):  # any other error is a bug
        graph = build_graph(text)
    if graph is not None:
        assert len(graph.labels) == len(graph.nodes)
        assert len({graph.labels[n] for n in (*graph.gates, *graph.leaves)}) == len(graph.gates) + len(graph.leaves)


def test_labels_never_take_a_name_of_the_text() -> None:
    graph = build_graph("g1 = a*b; f = g1 + n2; (g1*f)*2")
    labels = [graph.labels[n] for n in (*graph.gates, *graph.leaves)]
    assert len(set(labels)) == len(labels)
    assert "out" in labels
