"""The text of a training program, to show the line that a finding is about, and to read it where running tells less."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.diagnosis.doctor._events import Line


@dataclass(frozen=True)
class Source:
    """A program's text.

    Args:
        path: Its file; None without one.
        text: What stands in it.
        tree: The same, parsed.
    """

    path: Path | None
    text: str
    tree: ast.Module = field(repr=False)

    @classmethod
    def empty(cls) -> Source:
        """No text at all."""
        return cls(None, "", ast.Module([], []))

    @classmethod
    def read(cls, path: str | Path) -> Source:
        """Read a file of Python; one that is none gives an empty tree."""
        return cls.of(Path(path), Path(path).read_text(encoding="utf-8", errors="replace"))

    @classmethod
    def of(cls, path: Path, text: str) -> Source:
        """A text that is said to stand in a file."""
        try:
            return cls(path, text, ast.parse(text))
        except (SyntaxError, ValueError, RecursionError):
            return cls(path, text, ast.Module([], []))

    def line(self, number: int) -> str:
        """The text of a line, counted from 1; empty where there is none."""
        lines = self.text.splitlines()
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def place(self, line: Line | None) -> str:
        """A line as people write it: `train.py:12`; empty for none."""
        return f"{Path(line[0]).name}:{line[1]}" if line else ""

    def code(self, line: Line | None) -> str:
        """The code of a line, where it is in this file."""
        return self.line(line[1]) if line and self.path and Path(line[0]).name == self.path.name else ""
