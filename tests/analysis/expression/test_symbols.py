"""Derivatives in symbols: the lectures' answers, cases by which input wins, ties, length and time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy

from chainrule.analysis.expression import derive
from chainrule.analysis.expression._graph import build_graph
from chainrule.analysis.expression._regions import regions
from chainrule.analysis.expression._symbol_check import compute, compute_terms

LECTURE = (
    "x=[x1,x2,x3,x4,x5]; k=[k1,k2,k3]; z=conv1d(x,k,b); v1=max(z[0],z[1],0); v2=max(z[1],z[2],0); "
    "yhat=w1*v1+w2*v2+a; L=(y-yhat)**2/2"
)


def texts(text: str, **options: object) -> dict[str, str]:
    found = derive(text, **options)
    assert found.formula_error is not None
    assert found.formula_error < 1e-9
    return {one.name: one.text for one in found.derivatives}


def test_the_sigmoid_is_recognized() -> None:
    found = derive("1/(1+exp(-(w0*x0+w1*x1+w2)))")
    assert [one.rows(found.writer)[0].formula for one in found.derivatives] == [
        "σ*(1 - σ)*x0", "σ*(1 - σ)*w0", "σ*(1 - σ)*x1", "σ*(1 - σ)*w1", "σ*(1 - σ)",
    ]  # fmt: skip
    assert {name: str(one) for one, name in found.sigmas.items()} == {"σ": "sigmoid(w0*x0 + w1*x1 + w2)"}


def test_the_exam_problem_in_named_intermediates_or_in_the_leaf() -> None:
    problem = "x = u*u; y = 3*u; z = x*y + sin(y)"
    assert texts(problem, in_terms_of="u,x,y") == {"u": "2*u*y + 3*x + 3*cos(y)"}
    assert texts(problem) == {"u": "9*u**2 + 3*cos(3*u)"}


def test_the_convnet_of_the_lectures() -> None:
    assert texts(LECTURE, upstream="v1=d1,v2=d2", wrt="z") == {
        "z[0]": "d1 if z[0] = max(z[0], z[1], 0); otherwise 0",
        "z[1]": "d1 + d2 if z[1] = max(z[0], z[1], 0) and z[1] = max(z[1], z[2], 0); "
        "d1 if z[1] = max(z[0], z[1], 0) and z[1] < max(z[1], z[2], 0); "
        "d2 if z[1] < max(z[0], z[1], 0) and z[1] = max(z[1], z[2], 0); otherwise 0",
        "z[2]": "d2 if z[2] = max(z[1], z[2], 0); otherwise 0",
    }
    assert texts(LECTURE, wrt="w1,a,y", in_terms_of="yhat") == {"w1": "v1*(yhat - y)", "a": "yhat - y", "y": "y - yhat"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(y-(w*x+b))**2/2", {"w": "x*(b + w*x - y)"}),
        ("log(x)/x", {"x": "(1 - log(x))/x**2"}),
        ("x**y", {"x": "y*x**(y - 1)", "y": "x**y*log(x)"}),
        ("sqrt(x**2 + y**2)", {"x": "x/sqrt(x**2 + y**2)"}),
        ("tanh(x)", {"x": "1 - tanh(x)**2"}),
        ("-log(sigmoid(s))", {"s": "sigmoid(s) - 1"}),
        ("0.5*x", {"x": "1/2"}),
        ("max(0.25*x, 0.75*x)", {"x": "1/4 if x/4 >= 3*x/4; 3/4 if x/4 < 3*x/4"}),
        ("relu(w*x)", {"w": "x if w*x > 0; otherwise 0"}),
        ("abs(x)", {"x": "1 if x > 0; -1 if x < 0"}),
        ("max(a, b)**2", {"a": "2*a if a >= b; otherwise 0", "b": "2*b if a < b; otherwise 0"}),
        ("min(x, 0)", {"x": "1 if x <= 0; otherwise 0"}),
        ("max(0, x)", {"x": "1 if x > 0; otherwise 0"}),
        ("x - x", {"x": "0"}),
        ("exp(1)*x", {"x": "exp(1)"}),
    ],
)  # fmt: skip
def test_formulas_are_as_people_write_them(text: str, expected: dict[str, str]) -> None:
    found = texts(text)
    assert {name: found[name] for name in expected} == expected


def test_what_was_written_can_be_read_back() -> None:
    text = "f = tanh(a*b)/(1 + c**2) - sigmoid(a/c)*exp(-b)**0.5"
    at = {"a": 0.3, "b": -0.7, "c": 1.9}
    found = derive(text, at=at)
    for one in found.derivatives:
        again = derive(one.text, at={name: value for name, value in at.items() if name in one.text})
        assert again.walk is not None
        assert again.walk.values[again.graph.output] == pytest.approx(found.gradients[one.name], rel=1e-12)


def test_tie_rules_in_symbols_are_those_of_the_numbers() -> None:
    for ties in ("first", "shared"):
        found = derive("max(a, b, c)*2 + min(a, b)", at="a=1,b=1,c=1", ties=ties)
        assert found.formula_error == 0
        assert list(found.gradients.values()) == (
            [3, 0, 0] if ties == "first" else pytest.approx([7 / 6, 7 / 6, 2 / 3])
        )


def convnet(rng: np.random.Generator) -> tuple[str, int, int, int, bool]:
    """A one-dimensional ConvNet as text: convolution, max pooling of stride 1, with 0 or without, weighted sum."""
    kernel, count = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    window, rectified = int(rng.integers(2, min(count, 3) + 1)), bool(rng.integers(2))
    size = count + kernel - 1
    zero = ", 0" if rectified else ""
    lines = [
        f"x = [{', '.join(f'x{i}' for i in range(size))}]",
        f"k = [{', '.join(f'k{i}' for i in range(kernel))}]",
        "z = conv1d(x, k, b)",
    ]
    pools = count - window + 1
    for p in range(pools):
        lines.append(f"v{p} = max({', '.join(f'z[{i}]' for i in range(p, p + window))}{zero})")
    lines.append("L = (y - (" + " + ".join(f"w{p}*v{p}" for p in range(pools)) + " + a))**2/2")
    return "; ".join(lines), count, kernel, window, rectified


def forward(values: dict[str, np.ndarray | float], z: np.ndarray, window: int, rectified: bool) -> float:
    """The ConvNet behind its convolution, written again in NumPy."""
    pools = [z[p : p + window].max() for p in range(len(z) - window + 1)]
    v = np.maximum(pools, 0) if rectified else np.array(pools)
    return float((values["y"] - (values["w"] @ v + values["a"])) ** 2 / 2)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(200))
def test_random_convnets_in_every_region(number: int) -> None:
    rng = np.random.default_rng(number)
    text, count, kernel, window, rectified = convnet(rng)
    found = derive(text, wrt="z,k")
    assert len(found.derivatives) == count + kernel
    assert found.agrees
    graph = found.graph
    routers = [n for n in graph.gates if graph.nodes[n].operation == "max"]
    seen = set()
    for order in itertools.permutations(range(count + rectified)):
        z = np.array(order[:count], dtype=float) - (order[count] if rectified else 0)
        z = z * 0.3 + 0.01 * np.sign(z)
        values = {"k": rng.normal(size=kernel), "w": rng.normal(size=len(routers)), "a": 0.3, "b": -0.2, "y": 0.7}
        values["k"] += np.sign(values["k"])
        matrix = np.stack([np.concatenate([np.zeros(i), values["k"], np.zeros(count - 1 - i)]) for i in range(count)])
        x = np.linalg.lstsq(matrix, z - values["b"], rcond=None)[0]
        names = {f"x{i}": x[i] for i in range(len(x))} | {f"k{i}": values["k"][i] for i in range(kernel)}
        names |= {f"z[{i}]": z[i] for i in range(count)} | {f"w{i}": values["w"][i] for i in range(len(routers))}
        names |= {"a": values["a"], "b": values["b"], "y": values["y"]}
        pools = [np.append(z[p : p + window], [0] if rectified else []) for p in range(len(routers))]
        names |= {f"v{p}": pool.max() for p, pool in enumerate(pools)}
        region = tuple(int(pool.argmax()) for pool in pools)
        seen.add(region)
        passes = {(n, i): float(i == won) for n, won in zip(routers, region) for i in range(window + rectified)}
        for derivative in found.derivatives:
            h, slopes = 1e-6, []
            for sign in (1, -1):
                if derivative.name.startswith("z"):
                    moved = z.copy()
                    moved[int(derivative.name[2:-1])] += sign * h
                else:
                    k = values["k"].copy()
                    k[int(derivative.name[1:])] += sign * h
                    moved = np.array([k @ x[i : i + kernel] for i in range(count)]) + values["b"]
                slopes.append(forward(values, moved, window, rectified))
            expected = (slopes[0] - slopes[1]) / (2 * h)
            assert compute_terms(derivative.terms, names, passes) == pytest.approx(expected, rel=1e-5, abs=1e-7)
            if derivative.cases is not None:
                (case,) = [case for case in derivative.cases if holds(case, dict(zip(routers, region)))]
                assert compute(case.formula, names) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    options = {n: tuple(range(window + rectified)) for n in routers}
    assert {tuple(one.values()) for one in regions(graph, options)} == seen


def holds(case, region: dict[int, int]) -> bool:
    """Whether a region is one of a case's, by the sets of inputs that its boxes name."""

    def fits(router: int, chosen: frozenset[int], excluded: frozenset[int]) -> bool:
        won = region[router]
        return won in chosen or (won not in excluded and -1 in chosen)

    return not case.boxes or any(all(fits(*choice) for choice in box.choices) for box in case.boxes)


def test_more_routers_than_cases_are_shown_as_a_sum() -> None:
    text = "; ".join([*(f"v{i} = max(w*x{i}, w*x{i + 1}, 0)" for i in range(9)), " + ".join(f"v{i}" for i in range(9))])
    found = derive(text, wrt="w", at={"w": 1.5} | {f"x{i}": (-1.0) ** i * i for i in range(10)})
    (one,) = found.derivatives
    assert one.cases is None
    assert one.kind == "sum"
    assert len(one.terms) == 18
    assert found.walk is not None
    assert compute(one.here(found.walk), {f"x{i}": (-1.0) ** i * i for i in range(10)}) == found.gradients["w"]


@pytest.mark.parametrize(
    "text",
    [
        "y0 = x*z; " + "; ".join(f"y{i} = y{i - 1}*sin(y{i - 1})" for i in range(1, 40)),
        "; ".join(["h0 = x", *(f"h{i} = relu(w*h{i - 1} + b) + relu(b*h{i - 1} - w)" for i in range(1, 14))]),
        "(a+b+c+d+e+f)**40",
        "0.5**1000000*x + 3**700*y*1e-300",
        "*".join(f"(a{i} + b{i})" for i in range(24)),
        "sum([" + ", ".join(f"sigmoid(w{i}*x{i} + b)" for i in range(24)) + "])",
        "exp(" * 30 + "x" + ")" * 30,
    ],
)
def test_formulas_that_grow_take_no_long_time(text: str) -> None:
    found = derive(text)  # hours or all memory without the bounds
    assert found.agrees
    assert all(len(one.text) < 20_000 for one in found.derivatives)


def test_a_formula_is_computed_without_running_code() -> None:
    x, y = sympy.symbols("x y")
    values = {"x": 0.7, "y": -1.3}
    formula = sympy.exp(-x) * sympy.Abs(y) ** sympy.Rational(1, 3) + sympy.tanh(x) / (1 + y**2) - 2
    assert compute(formula, values) == pytest.approx(float(formula.subs(values)), rel=1e-14)


def test_graph_regions_that_contradict_each_other_are_left_out() -> None:
    graph = build_graph("max(a, b) + max(b, a) + relu(c) + relu(-c)")
    pairs = [n for n in graph.gates if graph.nodes[n].operation == "max"]
    found = list(regions(graph, dict.fromkeys(pairs, (0, 1))))
    assert found == [{pairs[0]: 0, pairs[1]: 1}, {pairs[0]: 1, pairs[1]: 0}]
