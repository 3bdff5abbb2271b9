"""`docs/notation.md`: every example is executed, and every layer and option has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from chainrule.nn import build
from chainrule.notation import format_spec, limits, parse, table
from chainrule.notation.layers import LAYERS

PAGE = (Path(__file__).parents[2] / "docs" / "notation.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```spec\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("spec", EXAMPLES, ids=lambda spec: spec[:40].replace("\n", " "))
def test_examples_are_what_the_page_says(spec: str) -> None:
    found = table(spec)
    assert table(format_spec(parse(spec))).rows == found.rows
    net = build(spec)
    assert sum(p.numel() for p in net.parameters()) == found.parameters
    sizes = found.rows[0].output
    x = torch.zeros(2, *((sizes[2], *sizes[:2]) if len(sizes) == 3 else sizes))
    out = net(x)
    assert out.shape[0] == 2
    assert out[0].numel() == torch.Size(found.output).numel()
    if "224x224" in spec:
        quoted = " ".join(re.findall(r"^> (.*)$", PAGE, re.MULTILINE))
        assert found.warnings == (quoted,)
    else:
        assert found.warnings == ()


def test_every_layer_and_option_has_an_example() -> None:
    text = " | ".join(EXAMPLES)
    for name in [*LAYERS, "INPUT", "RES", "CAT"]:
        assert re.search(rf"\b{name}(?![A-Z])", text), name
    for option in (" /2", " pad1", " dil2", " groups2", " avg", " ceil", " nobias", " keep", ")*3", "CAT[ ;"):
        assert option in text, option


def test_every_kind_of_layer_has_an_example_that_works() -> None:
    for name, kind in LAYERS.items():
        assert table(kind.EXAMPLE).rows[-1].memory > 0
        assert name in kind.FORM


def test_the_lectures_table_on_the_page() -> None:
    spec = re.findall(r'chainrule design "(.*)"', PAGE)[0]
    found = table(spec)
    for row in found.rows:
        line = next(line for line in PAGE.splitlines() if line.startswith(row.layer) and f" {row.volume} " in line)
        assert f" {row.parameters:,} " in line
    assert f"total                    {found.parameters:,}" in PAGE


def test_the_limits_on_the_page() -> None:
    for number in (limits.LENGTH, limits.LAYERS, limits.NUMBER, limits.SIDE):
        assert f"{number:,}" in PAGE
    assert f"brackets {limits.NESTING} deep" in PAGE
    assert limits.ELEMENTS == 2**40
