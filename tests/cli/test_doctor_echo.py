"""What a script prints is shown line by line, whatever pieces it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.cli._console import console
from chainrule.cli._echo import LAST, Echo, last_state
from chainrule.core.program import ProgramError


def shown(pieces: list[str], capsys: pytest.CaptureFixture[str], *, quiet: bool = False) -> str:
    console.cache_clear()
    capsys.readouterr()
    with Echo(quiet=quiet) as echo:
        for piece in pieces:
            echo(piece)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["one\ntwo"], "one\ntwo\n"),
        (["a", "b\r", "\nc\n"], "ab\nc\n"),
        (["\r 5%", "\r10%", "\r", "15%\n", "end\n"], "15%\nend\n"),
        (["\x1b[1mbold\x1b[0m [red]\n"], "bold [red]\n"),
        (["\x1b]0;title\x07\n"], "\\x1b]0;title\\x07\n"),
        ([], ""),
    ],
)
def test_lines(pieces: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(pieces, capsys) == said
    assert shown(pieces, capsys, quiet=True) == ""


def test_the_last_lines_of_a_quiet_script_that_failed_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.cache_clear()
    echo = Echo(quiet=True)
    for number in range(3 * LAST):
        echo(f"line {number}\n")
    error = ProgramError("it failed")
    echo.__exit__(type(error), error, None)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"line {number}" for number in range(2 * LAST, 3 * LAST)]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.text("a\r\n", max_size=6), max_size=6))
def test_pieces_make_no_difference(pieces: list[str]) -> None:
    def lines(parts: list[str]) -> list[str]:
        found: list[str] = []
        echo = Echo()
        echo._show = lambda line: found.append(last_state(line, ended=True))  # type: ignore[method-assign]
        with echo:
            for part in parts:
                echo(part)
        return found

    assert lines(pieces) == lines(["".join(pieces)])
