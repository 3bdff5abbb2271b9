"""What a gradient check found: one line, then a row for each tensor."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from chainrule.draw.table import Table

TensorState = Literal["right", "wrong", "unused", "empty", "kinks", "unclear", "skipped"]
_WORDS: dict[TensorState, str] = {
    "right": "right",
    "wrong": "WRONG",
    "unused": "not used",
    "empty": "empty",
    "kinks": "kinks only",
    "unclear": "not clear",
    "skipped": "no time",
}


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient: where, what is claimed, and what was measured."""

    index: tuple[int, ...]
    analytic: float
    numerical: float

    @property
    def error(self) -> float:
        """|a - n| / max(|a|, |n|)."""
        size = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) / size if size else 0.0


@dataclass(frozen=True)
class TensorCheck:
    """What was found of one tensor.

    Args:
        name: As the code calls it.
        shape: Of the tensor.
        state: `right`, `wrong`, `unused` (it has no gradient and needs none), `empty`, `kinks` (the function has a
            corner wherever it was looked at), `unclear` (the differences are too noisy to say), `skipped` (no time).
        error: Relative error of the whole gradient, |a - n| / max(|a|, |n|) in norms over what was looked at.
        noticed: Errors of one entry from this share of the largest entry on would have been noticed.
        worst: The entry with the largest relative error.
        entries: Entries looked at.
        directions: Random directions of all entries looked at.
        kinks: Entries at which the function has a corner.
        kinks_at: The first of them.
        hint: What the error looks like.
    """

    name: str
    shape: tuple[int, ...]
    state: TensorState
    error: float | None = None
    noticed: float | None = None
    worst: Entry | None = None
    entries: int = 0
    directions: int = 0
    kinks: int = 0
    kinks_at: tuple[tuple[int, ...], ...] = ()
    hint: str = ""

    def place(self) -> str:
        """The worst entry by name, such as `w[2, 3]`."""
        if self.worst is None or not self.worst.index:
            return self.name
        return f"{self.name}[{', '.join(map(str, self.worst.index))}]"


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of `check_gradient`; prints as its verdict and table.

    Args:
        right: Whether every gradient is right; None where that cannot be said.
        verdict: The answer in one line.
        tensors: What was found of each.
        notes: What else a reader should know.
        precision: `float64` or `float32`, in which the code computes.
        evaluations: Calls of the function.
        seconds: How long it took.
    """

    right: bool | None
    verdict: str
    tensors: tuple[TensorCheck, ...]
    notes: tuple[str, ...]
    precision: str
    evaluations: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable names."""
        return {
            "right": self.right,
            "verdict": self.verdict,
            "tensors": [_plain(tensor) for tensor in self.tensors],
            "notes": list(self.notes),
            "precision": self.precision,
            "evaluations": self.evaluations,
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> GradientCheck:
        """The inverse of `as_dict`."""
        tensors = tuple(_tensor(told) for told in found["tensors"])
        return cls(**{**found, "tensors": tensors, "notes": tuple(found["notes"])})

    def table(self) -> Table:
        """A row for each tensor."""
        from chainrule.draw.table import Column, Table

        columns = [Column("tensor"), Column("shape"), Column("gradient"), Column("error"), Column("at")]
        columns += [Column("analytic"), Column("numerical"), Column("entries")]
        columns += [Column("kinks", "count")] if any(t.kinks for t in self.tensors) else []
        rows = []
        for tensor in self.tensors:
            worst = tensor.worst
            size = prod(tensor.shape)
            looked = f"{tensor.entries:,} of {size:,}" if tensor.entries < size else f"{size:,}"
            row: list[Any] = [
                tensor.name,
                "x".join(map(str, tensor.shape)) or "scalar",
                _WORDS[tensor.state],
                "" if tensor.error is None else f"{tensor.error:.1e}",
                "" if worst is None else f"[{', '.join(map(str, worst.index))}]",
                "" if worst is None else f"{worst.analytic:.6g}",
                "" if worst is None else f"{worst.numerical:.6g}",
                looked,
            ]
            rows.append(row + ([tensor.kinks] if len(columns) == 9 else []))
        return Table("gradient check", columns, rows)

    def __str__(self) -> str:
        return self.verdict

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The verdict, the table, and the notes."""
        from rich.text import Text

        from chainrule.draw.table import table_text

        style = {True: "bold green", False: "bold red", None: "bold yellow"}[self.right]
        yield Text(self.verdict, style=style)
        if self.tensors:
            yield Text()
            yield table_text(self.table())
        yield Text()
        directions = max((t.directions for t in self.tensors if t.entries < prod(t.shape)), default=0)
        if directions:
            yield Text(
                f"Large tensors: random directions of all entries ({directions}), and a sample of single entries."
            )
        for note in self.notes:
            yield Text(f"note: {note}")
        yield Text(f"{self.evaluations:,} evaluations in {self.precision}, {self.seconds:.1f} s", style="dim")

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        from markupsafe import escape

        from chainrule.draw.table import table_html

        notes = "".join(f"<p>note: {escape(note)}</p>" for note in self.notes)
        return f"<p><b>{escape(self.verdict)}</b></p>{table_html(self.table())}{notes}"


def _plain(tensor: TensorCheck) -> dict[str, Any]:
    worst = tensor.worst
    return {
        **vars(tensor),
        "shape": list(tensor.shape),
        "kinks_at": [list(index) for index in tensor.kinks_at],
        "worst": None
        if worst is None
        else {
            "index": list(worst.index),
            "analytic": worst.analytic,
            "numerical": worst.numerical,
            "error": worst.error,
        },
    }


def _tensor(told: dict[str, Any]) -> TensorCheck:
    worst = told["worst"]
    entry = None if worst is None else Entry(tuple(worst["index"]), float(worst["analytic"]), float(worst["numerical"]))
    kinks_at = tuple(tuple(index) for index in told["kinks_at"])
    return TensorCheck(**{**told, "shape": tuple(told["shape"]), "kinks_at": kinks_at, "worst": entry})
