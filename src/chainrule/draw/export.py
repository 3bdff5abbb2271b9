"""The curves of a run as a picture file, for a README or a paper."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from chainrule.core.errors import DataError, UsageError
from chainrule.draw.chart import STATIC_POINTS
from chainrule.draw.curve import Curve, curves, softened, thin, wants_smoothing
from chainrule.draw.facts import read_facts
from chainrule.draw.palette import PALETTES, Theme, matplotlib_style
from chainrule.draw.scale import wants_log
from chainrule.draw.sections.history import TITLES, is_share, ordered

_COLORS = {"train": 0, "": 0, "valid": 1, "test": 2}


def save_curves(
    folder: str | os.PathLike[str],
    *,
    format: Literal["png", "svg"] = "png",
    theme: Theme = "light",
    names: Sequence[str] | None = None,
) -> bytes:
    """Return the curves of a run as a PNG or SVG file, side by side.

    Args:
        folder: The run folder.
        format: `png` (two pixels a point) or `svg`.
        theme: `light` or `dark`.
        names: Which quantities; loss and accuracy, or the first two, without it.

    Raises:
        CheckpointError: The folder is no run.
        DataError: The run logged nothing, or not a quantity that is named.
        UsageError: Another format or theme.

    Example:
        >>> import pathlib, tempfile
        >>> run = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (run / "metrics.jsonl").write_text('{"step": 1, "loss": 2.3}')
        >>> save_curves(run)[:4]
        b'\\x89PNG'
    """
    if format not in ("png", "svg") or theme not in PALETTES:
        raise UsageError("this picture cannot be made", expected="png or svg, light or dark", got=f"{format}, {theme}")
    found = curves(read_facts(folder).metrics)
    wanted = list(names) if names is not None else ordered(found)[:2]
    lost = [name for name in wanted if name not in found]
    if lost or not wanted:
        what = f'the run logged no "{lost[0]}"' if lost else "the run logged no number"
        raise DataError(what, remedy=f"it logged: {', '.join(found) or 'nothing'}")
    return _draw([(name, found[name]) for name in wanted], format, theme)


def _draw(charts: Sequence[tuple[str, list[Curve]]], format: str, theme: Theme) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = matplotlib_style(theme)
    with rc_context(style):
        figure = Figure(figsize=(4.8 * len(charts), 3.0), dpi=200, layout="constrained")
        FigureCanvasAgg(figure)
        for number, (name, lines) in enumerate(charts):
            _fill(figure.add_subplot(1, len(charts), number + 1), name, lines, theme)
        file = io.BytesIO()
        # Without the date, equal curves give equal files.
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {"Software": None})
    return file.getvalue()


def _fill(axes: Any, name: str, lines: Sequence[Curve], theme: Theme) -> None:
    from matplotlib.ticker import PercentFormatter

    for place, curve in enumerate(lines):
        color = PALETTES[theme].series[_COLORS.get(curve.part, 3 + place) % 6]
        x, y = thin(curve.x, np.where(np.isfinite(curve.y), curve.y, np.nan), STATIC_POINTS)
        label = _literal(curve.part)
        if wants_smoothing(curve):
            axes.plot(x, y, color=color, alpha=0.28, linewidth=0.7)
            x, y = thin(curve.x, softened(curve).y, STATIC_POINTS)
        axes.plot(x, y, color=color, label=label, marker="o" if len(x) <= 40 else None, markersize=3)
    axes.set_title(_literal(TITLES.get(name, name)))
    axes.set_xlabel("step")
    if wants_log(np.concatenate([curve.y for curve in lines])):
        axes.set_yscale("log")
    elif is_share(name, lines):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if any(curve.part for curve in lines):
        axes.legend()


def _literal(text: str) -> str:
    # A dollar sign starts a formula, and a leading underscore hides a line from the legend.
    return text.replace("$", r"\$") if not text.startswith("_") else " " + text.replace("$", r"\$")
