"""`docs/attention.md`: its programs run, and the worked transformer is the book's, number by number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainrule.formulas import transformer_trace, worked_transformer

PAGE = (Path(__file__).parents[3] / "docs" / "attention.md").read_text(encoding="utf-8")


def test_programs_run(capsys: pytest.CaptureFixture[str]) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 6
    names: dict[str, object] = {}
    for program in programs:
        exec(program, names)  # each goes on where the last one stopped
    printed = capsys.readouterr().out
    assert "torch.Size([2, 3, 5])" in printed
    assert "'blocks.1.attention': (1, 2, 3, 3)" in printed


def test_the_worked_transformer_is_the_books() -> None:
    x, heads, blocks = worked_transformer()
    wanted = "\n".join(map(str, transformer_trace(x, blocks, heads)))
    (found,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert found == wanted
    assert len(re.findall(r"\d\.\d{4}", found)) == sum(line.value.size for line in transformer_trace(x, blocks, heads))
