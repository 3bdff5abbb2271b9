"""What a derivation shows: text, tree, steps, LaTeX, picture, page, plain data."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from chainrule.analysis.expression import derive
from chainrule.analysis.expression._terminal import plain_lines, step_lines, tree_lines
from chainrule.core.errors import UsageError

SIGMOID = derive("1/(1+exp(-(w0*x0+w1*x1+w2)))", at="w0=2,x0=-1,w1=-3,x1=-2,w2=-3")
EXAM = derive("x = u*u; y = 3*u; z = x*y + sin(y)", in_terms_of="u,x,y")
POOL = derive("v1 = max(z1, z2, 0); v2 = max(z2, z3, 0)", upstream="v1=d1,v2=d2", wrt="z1,z2,z3")
ALL = [SIGMOID, EXAM, POOL, derive("x"), derive("größe**2*w[3]", at="größe=2,w[3]=-1"), derive("max(a, a)", at="a=1")]


def test_the_way_forward_and_back_of_the_lectures_example() -> None:
    lines = plain_lines(SIGMOID, 80).splitlines()
    assert max(map(len, lines)) <= 80
    cells = [" ".join(line.split()) for line in lines]
    for row in (
        "g1 w0*x0 -2 switcher",
        "g6 exp(g5) 0.3679",
        "f 1 g7 -1/g7**2 = -0.5344 -0.5344",
        "g1 0.1966 w0 x0 = -1 -0.1966 switcher",
        "w1 -3 -0.3932 -0.3932",
        "df/dw0 = σ*(1 - σ)*x0",
        "where σ = sigmoid(w0*x0 + w1*x1 + w2)",
    ):
        assert row in cells, row


def test_what_arrives_over_several_paths_is_added_before_the_readers_eyes() -> None:
    text = plain_lines(derive("x = u*u; y = 3*u; z = x*y + sin(y)", at="u=1"))
    assert "-0.99 + 1 = 0.01001" in text
    assert "0.03002 + 3 + 3 = 6.03" in text


def test_steps_and_tree() -> None:
    steps = list(step_lines(SIGMOID))
    assert "  g3 = g1 + g2 = 4   (distributor)" in steps
    assert "  g6 -> g5: upstream -0.5344 * local (g6 = 0.3679) = -0.1966" in steps
    assert steps.index("Backward") == 9
    tree = tree_lines(EXAM)
    assert tree[0] == "z = g1 + g2"
    assert sum("as above" in line for line in tree) == 1


@pytest.mark.parametrize("found", ALL)
def test_latex_is_whole(found) -> None:
    text = found.latex()
    for one, other in (("{", "}"), (r"\left", r"\right"), (r"\begin{align*}", r"\end{align*}")):
        assert text.count(one) == text.count(other)
    assert text.count(r"\begin{cases}") == text.count(r"\end{cases}")
    assert not re.search(r"(?<![\\{])_(?!\{)", text)
    assert "**" not in text


def test_latex_of_the_cases() -> None:
    assert (
        r"\frac{\partial L}{\partial z_{1}} &= \begin{cases} d_{1} & "
        r"\text{if } z_{1} = \max\left\{z_{1}, z_{2}, 0\right\}"
        r" \\ 0 & \text{otherwise} \end{cases}" in POOL.latex()
    )


@pytest.mark.parametrize("found", ALL)
def test_picture_page_and_notebook(found) -> None:
    picture = ElementTree.fromstring(found.svg())
    texts = [one.text for one in picture.iter() if one.tag.endswith("text")]
    wanted = found.graph.before(list(found.start))
    assert {found.graph.labels[n] for n in wanted} <= set(texts)
    page = found.html()
    assert page.startswith("<!doctype html>")
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "<table" in found._repr_html_()


def test_the_picture_has_values_and_gradients_on_its_edges() -> None:
    picture = ElementTree.fromstring(SIGMOID.svg())
    words = {kind: [e.text for e in picture.iter() if e.get("class") == f"graph-{kind}"] for kind in ("above", "below")}
    values = "2 -1 -3 -2 -2 6 4 -3 1 -1 0.3679 1.368 0.7311"
    assert sorted(words["above"]) == sorted(values.split())
    assert words["below"].count("0.1966") == 5
    assert "-0.5898" in words["below"]


def test_a_graph_too_large_for_a_picture_is_said_to_be() -> None:
    found = derive("x" + " + x" * 450, at="x=1")
    with pytest.raises(UsageError, match="too large for a picture"):
        found.svg()
    assert "Gradients" in found.html() or "gradient" in found.html()


@pytest.mark.parametrize("found", ALL)
def test_plain_data_is_json(found) -> None:
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert data["expression"] == found.graph.text
    assert [one["name"] for one in data["derivatives"]] == [found.graph.labels[n] for n in found.wrt]
    assert data["check"]["agrees"] is True


def test_plain_data_of_the_example() -> None:
    data = SIGMOID.as_dict()
    assert data["forward"][0] == {
        "gate": "g1", "operation": "multiply", "inputs": ["w0", "x0"], "formula": "w0*x0", "value": -2.0,
        "role": "switcher",
    }  # fmt: skip
    assert data["backward"][0]["to"] == "g7"
    assert data["gradients"]["w2"] == pytest.approx(0.19661193324148185)
    assert POOL.as_dict()["upstream"] == {"v1": "d1", "v2": "d2"}
    assert POOL.as_dict()["derivatives"][0]["rows"][0] == {
        "formula": "d1",
        "condition": "z1 = max(z1, z2, 0)",
        "here": None,
    }
