"""Reverse mode on a graph: the lectures' gates by hand, every gate against torch and differences, ties, copies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from chainrule import formulas as f
from chainrule.core.errors import UsageError
from chainrule.formulas.graph import OPERATIONS

TORCH = {
    "add": lambda *x: sum(x[1:], x[0]),
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "power": torch.pow,
    "negate": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "relu": torch.relu,
    "max": lambda *x: torch.stack(x).amax(0),
    "min": lambda *x: torch.stack(x).amin(0),
}
INPUTS = {"add": 3, "subtract": 2, "multiply": 2, "divide": 2, "power": 2, "max": 3, "min": 3}


def test_the_gates_of_the_lectures_by_hand() -> None:
    gates = [("q", "add", ("x", "y")), ("f", "multiply", ("q", "z"))]
    values, cache = f.graph_forward(gates, {"x": -2.0, "y": 5.0, "z": -4.0})
    assert {name: float(value) for name, value in values.items()} == {"x": -2, "y": 5, "z": -4, "q": 3, "f": -12}
    local = f.local_derivatives(cache)
    assert [float(d) for d in local["q"]] == [1, 1]
    assert [float(d) for d in local["f"]] == [-4, 3]
    gradient = f.graph_backward({"f": 1.0}, cache)
    assert {name: float(value) for name, value in gradient.items()} == {"f": 1, "q": -4, "x": -4, "y": -4, "z": 3}


def test_the_table_of_gates_is_judged_as_a_whole() -> None:
    assert set(TORCH) == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_gate_is_torchs(operation: str, rng) -> None:
    count = INPUTS.get(operation, 1)
    data = [rng.uniform(0.3, 3, 40) for _ in range(count)]
    if operation not in ("log", "sqrt", "power"):
        data = [x * rng.choice([-1, 1], 40) for x in data]
    leaves = dict(enumerate(data))
    values, cache = f.graph_forward([("out", operation, tuple(leaves))], leaves)
    upstream = rng.standard_normal(40)
    gradient = f.graph_backward({"out": upstream}, cache)
    tensors = [torch.tensor(x, requires_grad=True) for x in data]
    out = TORCH[operation](*tensors)
    out.backward(torch.tensor(upstream))
    np.testing.assert_allclose(values["out"], out.detach().numpy(), rtol=1e-14)
    for i, tensor in enumerate(tensors):
        np.testing.assert_allclose(gradient[i], tensor.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_gate_by_differences(operation: str, rng, check_backward) -> None:
    count = INPUTS.get(operation, 1)
    data = [rng.uniform(0.5, 3, 7) for _ in range(count)]

    def forward(*x):
        values, cache = f.graph_forward([("out", operation, range(len(x)))], dict(enumerate(x)))
        return values["out"], cache

    def backward(dout, cache):
        gradient = f.graph_backward({"out": dout}, cache)
        return tuple(gradient[i] for i in range(count))

    check_backward(forward, backward, *data)


def test_a_copy_adds_what_comes_back() -> None:
    gates = [("s", "multiply", ("x", "x")), ("c", "multiply", ("s", "x")), ("f", "add", ("c", "s", "x"))]
    _, cache = f.graph_forward(gates, {"x": 3.0})  # x^3 + x^2 + x
    assert float(f.graph_backward({"f": 1.0}, cache)["x"]) == 27 + 6 + 1


def test_several_starts_add_up() -> None:
    gates = [("a", "multiply", ("x", "x")), ("b", "exp", ("a",))]
    _, cache = f.graph_forward(gates, {"x": 0.5})
    both = f.graph_backward({"a": 2.0, "b": 3.0}, cache)["x"]
    alone = [f.graph_backward({"a": 2.0}, cache)["x"], f.graph_backward({"b": 3.0}, cache)["x"]]
    assert both == pytest.approx(sum(alone), rel=1e-15)


@pytest.mark.parametrize("values", list(itertools.product([0.0, 1.0], repeat=3)))
@pytest.mark.parametrize("operation", ["max", "min"])
def test_ties_are_settled_by_torchs_two_rules(operation: str, values: tuple[float, ...]) -> None:
    _, cache = f.graph_forward([("out", operation, (0, 1, 2))], dict(enumerate(values)))
    for ties, reference in (
        ("first", lambda x: getattr(x, operation)(dim=0).values),
        ("shared", lambda x: getattr(x, "a" + operation)(dim=0)),
    ):
        tensor = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        reference(tensor).backward()
        gradient = f.graph_backward({"out": 1.0}, cache, ties)  # type: ignore[arg-type]
        assert [float(gradient[i]) for i in range(3)] == tensor.grad.tolist()


def test_kinks_are_torchs() -> None:
    for operation in ("relu", "abs"):
        _, cache = f.graph_forward([("out", operation, ("x",))], {"x": 0.0})
        assert float(f.graph_backward({"out": 1.0}, cache)["x"]) == 0
    _, cache = f.graph_forward([("out", "power", ("x", "n"))], {"x": 0.0, "n": 0.0})
    assert [float(d) for d in f.local_derivatives(cache)["out"]] == [0, 0]


def test_a_gate_that_leads_nowhere_sends_nothing() -> None:
    gates = [("lost", "sqrt", ("x",)), ("f", "multiply", ("x", "x"))]
    _, cache = f.graph_forward(gates, {"x": 0.0})
    gradient = f.graph_backward({"f": 1.0}, cache)  # 0 * infinity would be no number
    assert float(gradient["x"]) == 0
    assert float(gradient["lost"]) == 0


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(UsageError, match='no gate "multipy". Remedy: did you mean "multiply"'):
        f.graph_forward([("f", "multipy", ("x", "y"))], {"x": 1.0, "y": 2.0})
