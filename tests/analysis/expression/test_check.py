"""The judge: what is right agrees, what is wrong is found, a kink is a kink; ties are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chainrule.analysis.expression import derive
from chainrule.analysis.expression._check import compare
from chainrule.analysis.expression._tables import tie_lines, verdict


@pytest.mark.parametrize("factor", [1 + 1e-4, 1 - 1e-4, -1, 2, 0])
@pytest.mark.parametrize("text", ["x**3*y", "1/(1+exp(-x*y))", "1e4*x + y*x", "max(x, y)*x", "sin(30*x)*y"])
def test_a_wrong_gradient_is_found(text: str, factor: float) -> None:
    found = derive(text, at="x=0.8,y=-0.4")
    assert found.walk is not None
    assert [one.verdict for one in found.compared] == ["agrees"] * len(found.wrt)
    wrong = replace(found.walk, gradients=tuple(None if g is None else g * factor for g in found.walk.gradients))
    moved = [one for one in compare(found.graph, wrong, found.wrt) if found.walk.gradients[one.node]]
    assert [one.verdict for one in moved] == ["differs"] * len(moved)
    assert not replace(found, compared=tuple(moved)).agrees
    assert "DIFFERS" in verdict(replace(found, compared=tuple(moved)))


@pytest.mark.parametrize(
    ("text", "at", "sides", "gradient"),
    [
        ("relu(x)", "x=0", (0, 1), 0),
        ("abs(x)", "x=0", (-1, 1), 0),
        ("max(x, 3*x)", "x=0", (1, 3), 1),
        ("min(x, y)*2", "x=5,y=5", (2, 0), 2),
        ("max(x*x, 4)", "x=2", (0, 4), 4),
    ],
)
def test_a_kink_is_no_error(text: str, at: str, sides: tuple[float, float], gradient: float) -> None:
    found = derive(text, at=at, wrt="x")
    (one,) = found.compared
    assert one.verdict == "kink"
    assert one.sides == pytest.approx(sides, abs=1e-5)
    assert one.analytic == gradient
    assert found.agrees
    assert "x is at a kink of" in verdict(found)


def test_close_to_a_kink_is_not_on_it() -> None:
    found = derive("max(x, y)", at={"x": 1.0, "y": 1.00001})
    assert [one.verdict for one in found.compared] == ["agrees", "agrees"]


def test_what_differences_cannot_resolve_is_not_accused() -> None:
    found = derive("sin(1e9*x)", at="x=1")
    assert [one.verdict for one in found.compared] == ["unclear"]
    assert found.agrees


def test_ties_are_named_with_their_rule() -> None:
    (line,) = tie_lines(derive("max(a, b, 0)", at="a=2,b=2"))
    assert line.startswith("Tie: a and b are both 2 in max(a, b, 0); of equal ones the first wins")
    (line,) = tie_lines(derive("max(a, b, 0)", at="a=2,b=2", ties="shared"))
    assert "equal ones share" in line
    assert tie_lines(derive("max(a, b, 0)", at="a=2,b=1")) == []
    (line,) = tie_lines(derive("relu(a)", at="a=0"))
    assert line.startswith("Kink: relu(a) at a = 0")


def test_without_values_the_check_takes_a_point_of_its_own() -> None:
    found = derive("log(x)*sqrt(y - 1)")
    assert found.walk is None
    assert found.missing == ("x", "y")
    assert found.gradients == {}
    assert verdict(found).startswith("Checked at a random point: all 2 gradients agree")
    nowhere = derive("log(-x**2 - 1)")
    assert nowhere.compared == ()
    assert verdict(nowhere).startswith("Not checked")
