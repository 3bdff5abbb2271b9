"""What a notebook and a prompt show of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from chainrule.core.figures import main_figure


def one_line(path: Path, info: Mapping[str, Any]) -> str:
    """Return a run in a line: where it stands, how it ended, and the figure that it is judged by.

    Args:
        path: Of its folder.
        info: What `run.json` says.

    Example:
        >>> one_line(Path("runs/a"), {"status": "finished", "result": {"valid": {"bits": 2.125, "loss": 1.5}}})
        "Run('runs/a', finished, valid bits 2.1250)"
    """
    said = [f"{str(path)!r}", str(info["status"])]
    for part, metrics in _parts(info):
        if (figure := main_figure(metrics)) is not None:
            said.append(f"{part} {figure.metric} {_number(metrics[figure.metric])}")
    return f"Run({', '.join(said)})"


def small_table(path: Path, info: Mapping[str, Any]) -> str:
    """Return a run as a table of HTML, with all its metrics.

    Args:
        path: Of its folder.
        info: What `run.json` says.
    """
    rows: dict[str, Any] = {
        "run": path,
        "status": info["status"],
        "parameters": f"{info.get('parameters') or 0:,}",
        **{
            f"{part} {name}": _number(value)
            for part, metrics in _parts(info)
            for name, value in metrics.items()
            if isinstance(value, float | dict)
        },
    }
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items()
    )
    return f"<table>{cells}</table>"


def _parts(info: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parts of the data that were measured."""
    result = info.get("result") or {}
    yield from ((part, result[part]) for part in ("valid", "test") if result.get(part))


def _number(value: float | Mapping[str, Any]) -> str:
    """One number, or mean and deviation of several seeds."""
    if isinstance(value, Mapping):
        return f"{value['mean']:.4f} ± {value['deviation']:.4f}"
    return f"{value:.4f}"
