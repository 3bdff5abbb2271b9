"""The report of an activation: the exam's items, what is known of the usual ones, and what is refused."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate

from chainrule.analysis import find_activation, report_activation
from chainrule.analysis._activation_page import activation_page, activation_picture, fact_rows, plot_text, verdict
from chainrule.core.errors import UsageError
from chainrule.core.program import ProgramError


def report(text: str):
    return report_activation(find_activation(text))


@pytest.mark.parametrize(
    ("text", "serves"),
    [
        ("max(0.25*x, 0.75*x)", True),
        ("min(0, x)", True),
        ("0.7*x", False),
        ("step", False),
        ("x/abs(x)", False),
        ("3*x + 2", False),
        ("0*x + 1", False),
        ("log(x)", False),
        ("1/x", False),
        ("max(-1, min(1, x))", True),
        *((name, True) for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu")),
        ("identity", False),
    ],
)
def test_what_serves_and_what_does_not(text: str, serves: bool) -> None:
    found = report(text)
    assert found.serves is serves
    assert found.why
    assert ("does not serve" in verdict(found)) is not serves


def test_reasons_are_told_apart() -> None:
    assert "linear" in report("0.7*x").why[0]
    assert "gradient is zero" in report("step").why[0]
    assert "jumps" in report("x/abs(x) + x").why[0]
    assert "not a finite number" in report("sqrt(x)").why[0]
    assert any("explodes" in why for why in report("x**3").why)
    assert any("vanishes" in why for why in report("sigmoid").why)
    assert any("dead" in why for why in report("relu").why)


def test_where_the_gradient_is_zero_and_how_much_of_a_normal_input_that_is() -> None:
    relu, clipped = report("max(0, x)"), report("max(-1, min(1, x))")
    assert relu.zero_on == ((-10.0, 0.0),)
    assert relu.zero_share == pytest.approx(0.5, abs=1e-4)
    assert clipped.zero_on == ((-10.0, -1.0), (1.0, 10.0))
    assert clipped.zero_share == pytest.approx(math.erfc(1 / math.sqrt(2)), abs=1e-4)
    assert report("leaky_relu").zero_share == 0
    assert report("step").zero_share == pytest.approx(1)


@pytest.mark.parametrize("text", ["relu", "sigmoid", "tanh", "elu", "gelu", "x*sigmoid(x)", "abs(x) - 1"])
def test_mean_and_deviation_are_those_of_an_integral(text: str) -> None:
    function, found = find_activation(text), report(text)

    def moment(power: int) -> float:
        density = lambda x: float(function.value(np.array(x)) ** power) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731
        return scipy.integrate.quad(density, -9, 9, points=[0.0], limit=200)[0]

    assert found.mean == pytest.approx(moment(1), abs=1e-6)
    assert found.deviation == pytest.approx(math.sqrt(moment(2) - moment(1) ** 2), abs=1e-6)
    assert found.zero_centered is (text == "tanh")


def test_saturation_says_where_and_at_what() -> None:
    assert report("sigmoid").saturates == {"left": 0.0, "right": 1.0}
    assert report("elu").saturates == {"left": -1.0}
    assert report("relu").saturates == {"left": 0.0}
    assert report("leaky_relu").saturates == {}
    assert report("x*x").saturates == {}
    assert report("log(x*x + 1)").saturates == {}


def test_kinks_are_found_where_they_are_and_only_there() -> None:
    assert report("max(0.25*x, 0.75*x)").kinks == ((0.0, 0.25, 0.75),)
    assert report("abs(x - 1.2345) + max(0, x + 3)").kinks == ((-3.0, -1.0, 0.0), (1.2345, 0.0, 2.0))
    for smooth in ("sigmoid", "tanh", "gelu", "elu", "x**3", "sin(5*x)", "exp(x)"):
        assert report(smooth).kinks == ()
        assert report(smooth).jumps == ()
    assert report("(x - 2)/abs(x - 2)").jumps == (2.0,)


def test_direction_and_growth() -> None:
    directions = [report(text).monotone for text in ("tanh", "-x**3", "gelu", "0*x")]
    assert directions == ["increasing", "decreasing", "", "constant"]
    assert report("exp(x)").slope_grows
    assert report("x**2").slope_grows
    assert not report("relu").slope_grows
    assert not report("sin(x)").slope_grows
    assert report("tanh").slopes[1] == pytest.approx(1, abs=1e-6)


def test_functions_of_a_file_in_every_manner(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import math\nimport numpy as np\nimport torch\n"
        "def array(x): return np.maximum(0, x)\n"
        "def number(x): return x if x > 0 else math.expm1(x)\n"
        "def tensor(x): return torch.relu(x)\n"
        "def broken(x): raise ValueError('no')\n"
        "def several(x): return np.array([1.0, 2.0, 3.0])\n"
        "five = 5\n"
    )
    for name in ("array", "tensor"):
        found = report(f"{file}:{name}")
        assert found.zero_on == ((-10.0, 0.0),)
        assert [(place, round(a, 3), round(b, 3)) for place, a, b in found.kinks] == [(0.0, 0.0, 1.0)]
        assert not found.exact
    assert report(f"{file}:number").saturates == {"left": -1.0}
    with pytest.raises(ProgramError, match="ValueError: no"):
        report(f"{file}:broken")
    for name in ("several", "five"):
        with pytest.raises(UsageError):
            report(f"{file}:{name}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relue", 'did you mean "relu"'),
        ("x + y", r"2 \(x, y\)"),
        ("3 + 4", "0 "),
        ("[x, x]", "one number"),
        ("max(x,", "column"),
        ("maxout", "largest of several"),
        ("nowhere.py:f", "no such file"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_activation(text)


def test_a_function_that_is_nowhere_a_number_is_told_and_still_drawn() -> None:
    function = find_activation("log(-1 - x*x)")
    found = report_activation(function)
    assert not found.serves
    json.dumps(found.as_dict(), allow_nan=False)
    assert plot_text(function)
    assert activation_picture(function, format="svg").startswith(b"<?xml")
    assert "does not serve" in activation_page(function, found, command="x")


def test_pictures_and_the_page() -> None:
    function = find_activation("max(0.25*x, 0.75*x)")
    found = report_activation(function)
    assert activation_picture(function, format="png", theme="dark")[:4] == b"\x89PNG"
    page = activation_page(function, found, command="chainrule activation <x>")
    assert "kink at 0" in page
    assert "<x>" not in page.split("</head>")[1]
    lines = plot_text(function, width=41, height=9).splitlines()
    assert max(map(len, lines)) <= 50
    assert dict(fact_rows(found))["kinks"] == "x = 0 (slope 0.25 to 0.75)"


def test_it_needs_no_torch() -> None:
    code = (
        "import sys\nfrom chainrule.analysis import find_activation, report_activation\n"
        "report_activation(find_activation('max(0, x)'))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_cost_is_measured_beside_relu() -> None:
    import torch

    from chainrule.analysis._activation_cost import _in_torch, cost_beside_relu

    x = torch.linspace(-3, 3, 101, dtype=torch.float64)
    for text in ("max(0.25*x, 0.75*x)", "x*sigmoid(x) - sqrt(x*x + 1)", "exp(-x)/(1 + x**2)", "gelu", "leaky_relu"):
        function = find_activation(text)
        np.testing.assert_allclose(_in_torch(function)(x).numpy(), function.value(x.numpy()), rtol=1e-6, atol=1e-12)
    found = cost_beside_relu(find_activation("tanh"))
    assert all(value > 0 for value in found.values())
    with pytest.raises(UsageError, match="cannot be measured"):
        cost_beside_relu(find_activation("step"))
