"""For all tests of the command line: no terminal, so that no line is wrapped, whatever ran before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainrule.cli._console import console


@pytest.fixture(autouse=True)
def unwrapped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The width is not that of the environment; a console of another test's width is forgotten."""
    monkeypatch.delenv("COLUMNS", raising=False)
    console.cache_clear()
    yield
    console.cache_clear()
