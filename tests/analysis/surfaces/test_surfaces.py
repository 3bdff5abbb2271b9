"""Surfaces: their slopes against differences and torch, and what Newton's method refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from chainrule.analysis.surfaces import SURFACES, Surface, exact_hessian, find_surface, named_surface
from chainrule.analysis.surfaces._network import network_surface
from chainrule.analysis.surfaces._own import function_surface
from chainrule.core.errors import UsageError
from chainrule.core.program import ProgramError

EXPRESSIONS = [
    ("x**2 + 10*y**2", lambda x, y: x**2 + 10 * y**2),
    ("exp(x*y) / (1 + y**2)", lambda x, y: torch.exp(x * y) / (1 + y**2)),
    ("sigmoid(3*x - y) * tanh(y) + sin(x)*cos(y)",
     lambda x, y: torch.sigmoid(3 * x - y) * torch.tanh(y) + torch.sin(x) * torch.cos(y)),
    ("a = 2; log(x**2 + a) + sqrt(y**2 + 1)", lambda x, y: torch.log(x**2 + 2) + torch.sqrt(y**2 + 1)),
    ("max(x, y)**3 + abs(x - 2*y) - relu(x)",
     lambda x, y: torch.maximum(x, y) ** 3 + (x - 2 * y).abs() - torch.relu(x)),
    ("(x**2 + 1)**y - min(x, 2*y)*x", lambda x, y: (x**2 + 1) ** y - torch.minimum(x, 2 * y) * x),
]  # fmt: skip


def by_differences(surface: Surface, x: np.ndarray, h: float = 1e-5) -> tuple[np.ndarray, np.ndarray]:
    aside = h * np.eye(len(x))
    slope = (surface.value(x + aside) - surface.value(x - aside)) / (2 * h)
    curve = (surface.gradient(x + aside) - surface.gradient(x - aside)) / (2 * h)
    return slope, curve


@pytest.mark.parametrize("name", SURFACES)
def test_slopes_and_curvatures_of_the_test_functions_are_those_of_differences(name: str) -> None:
    surface = named_surface(name)
    for x in np.random.default_rng(3).uniform(-1.5, 1.5, (8, 2)):
        slope, curve = by_differences(surface, x)
        np.testing.assert_allclose(surface.gradient(x[None])[0], slope, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(exact_hessian(surface, x), curve, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", SURFACES)
def test_nothing_in_the_window_is_lower_than_the_lowest(name: str) -> None:
    surface = named_surface(name)
    assert surface.window is not None
    assert surface.lowest is not None
    places = np.stack(np.meshgrid(*(np.linspace(low, high, 201) for low, high in surface.window)), -1).reshape(-1, 2)
    values = surface.value(places)
    assert surface.lowest - 1e-12 <= values.min() <= surface.lowest + 0.05


@pytest.mark.parametrize(("text", "function"), EXPRESSIONS)
def test_expressions_have_the_slopes_and_curvatures_of_torch(text: str, function: object) -> None:
    surface = find_surface(text, [0.3, 0.9])
    expected = function_surface(function, [0.3, 0.9])  # type: ignore[arg-type]
    for x in np.random.default_rng(5).uniform(-1, 1, (6, 2)):
        np.testing.assert_allclose(surface.value(x[None]), expected.value(x[None]), rtol=1e-12)
        np.testing.assert_allclose(surface.gradient(x[None]), expected.gradient(x[None]), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(exact_hessian(surface, x), exact_hessian(expected, x), rtol=1e-9, atol=1e-10)


def test_variables_take_the_start_in_the_order_of_their_names() -> None:
    surface = find_surface("100*x10 + 10*x2 + b", [1.0, 2.0, 3.0])
    assert surface.value(surface.start[None])[0] == 1 + 20 + 300


def test_the_network_is_a_real_one_with_exact_slopes() -> None:
    surface = network_surface()
    x = surface.start + 0.1 * np.random.default_rng(0).standard_normal(226)
    value, dx, curve = float(surface.value(x[None])[0]), surface.gradient(x[None])[0], exact_hessian(surface, x)
    assert 1.5 < value < 4
    aside = np.random.default_rng(1).standard_normal(226)
    aside /= np.linalg.norm(aside)
    h = 1e-5
    ahead, behind = x + h * aside, x - h * aside
    up, down = surface.value(np.stack([ahead, behind]))
    assert (up - down) / (2 * h) == pytest.approx(dx @ aside, rel=1e-6)
    up_slope, down_slope = surface.gradient(np.stack([ahead, behind]))
    np.testing.assert_allclose((up_slope - down_slope) / (2 * h), curve @ aside, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(curve, curve.T, atol=1e-12)


def test_minibatches_of_the_network_are_right_on_average() -> None:
    surface = network_surface()
    rng = np.random.default_rng(0)
    mean = np.mean([surface.noisy(surface.start[None], rng)[0] for _ in range(400)], axis=0)
    exact = surface.gradient(surface.start[None])[0]
    assert np.linalg.norm(mean - exact) < 0.15 * np.linalg.norm(exact)
    one = surface.noisy(surface.start[None], rng)[0]
    assert np.linalg.norm(one - exact) > 0.2 * np.linalg.norm(exact)


def test_a_function_that_knows_no_tensors_gets_differences_and_no_hessian() -> None:
    def f(v: np.ndarray) -> float:
        return float(np.sum(np.asarray(v) ** 2) + np.sin(v[0].item()))

    surface = function_surface(f, [1.0, 2.0], "f")
    np.testing.assert_allclose(surface.gradient(surface.start[None])[0], [2 + np.cos(1.0), 4.0], rtol=1e-8)
    with pytest.raises(UsageError, match="exact Hessian of f is not known"):
        exact_hessian(surface, surface.start)


def test_newton_refuses_what_is_too_large_and_says_how_large() -> None:
    surface = function_surface(lambda v: (v**2).sum(), np.ones(1001).tolist(), "f")
    with pytest.raises(UsageError, match="1,001 x 1,001 second derivatives") as error:
        exact_hessian(surface, surface.start)
    assert "first order" in str(error.value)


def test_a_function_of_as_many_arguments_as_numbers_gets_one_each() -> None:
    assert function_surface(lambda x, y, z: x - y * z, [1, 2, 3]).value(np.array([[1.0, 2.0, 3.0]]))[0] == -5
    assert function_surface(lambda v: v[0] - v[1], [1, 2]).value(np.array([[5.0, 2.0]]))[0] == 3
    with pytest.raises(UsageError, match="does not take this --start"):
        function_surface(lambda x, y, z: x, [1, 2])


def test_their_own_failure_is_shown_as_theirs() -> None:
    def broken(x: float, y: float) -> float:
        raise ValueError("not today")

    with pytest.raises(ProgramError, match="ValueError: not today") as error:
        function_surface(broken, [1, 2], "broken")
    assert "in broken" in error.value.user_traceback
    assert "_own.py" not in error.value.user_traceback


@pytest.mark.parametrize(
    ("text", "start", "said"),
    [
        ("ravin", None, 'did you mean "ravine"'),
        ("x + y", None, "needs a place to start"),
        ("x + y", [1.0], "for each of x, y"),
        ("x + y", [1.0, float("nan")], "finite number"),
        ("x", [1.0], "2 to 64 variables"),
        ("[x, y]", [1.0, 2.0], "one number"),
        ("x +* y", [1.0, 2.0], "column"),
        ("bowl", [1.0], "two finite numbers"),
        ("network", [1.0, 2.0], "draws its start"),
        ("there_is_no.py:f", [1.0, 2.0], "there is no such file"),
        ("+".join(f"x{i}" for i in range(70)), [1.0] * 70, "2 to 64 variables"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, start: list[float] | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_surface(text, start)


def test_a_function_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def f(x, y):\n    return x**2 + 3*y\nnumber = 5\n")
    assert find_surface(f"{file}:f", [2.0, 1.0]).value(np.array([[2.0, 1.0]]))[0] == 7
    with pytest.raises(UsageError, match="is no function"):
        find_surface(f"{file}:number", [2.0, 1.0])
