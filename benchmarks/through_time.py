"""How far back a gradient reaches: an RNN, a GRU and an LSTM on Tiny Shakespeare, before and after training.

    python benchmarks/through_time.py [--draw]

Trains one layer of each cell alike into `runs/measured/through-time` (what is finished there is not trained again) and
reads pieces of the validation part. Of each the gradient of the last character's loss by the state after every earlier
character is taken; what is written to `results/through_time.json` is the median over the pieces of its norm, over the
norm at the last step. With `--draw` the picture is drawn again from there. One thread, so that the figures do not
depend on the number of cores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from measure import RESULTS, write
from torch import nn
from torch.nn import functional

from chainrule import api
from chainrule.analysis import record_gates
from chainrule.draw import PALETTES, matplotlib_style

CELLS = ("rnn", "gru", "lstm")
RUNS = Path("runs", "measured", "through-time")
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "through-time.png"
BACK, PIECES = 100, 64
"""Characters before the one that is asked about, and how many texts."""
SETTINGS = {
    "model.width": 128,
    "model.embedding": 64,
    "model.layers": 1,
    "model.dropout": 0.0,
    "optim.lr": 0.002,
    "data.length": BACK,
    "train.batch": 32,
    "train.epochs": None,
    "train.steps": 700,
    "train.threads": 1,
    "train.test": False,
}
LABELS = {"rnn h": "RNN", "gru h": "GRU", "lstm h": "LSTM, h", "lstm c": "LSTM, cell c"}


def reach(model: nn.Module, tokens: torch.Tensor) -> dict[str, list[float]]:
    """Return by state the median norm of the gradient, from the last step back, over that at the last step."""

    def loss(given: Any) -> torch.Tensor:
        return functional.cross_entropy(given[0][:, -1], tokens[:, -1], reduction="sum")  # each piece has its own

    (record,) = record_gates(model, tokens[:, :-1], output=loss)
    relative = {name: (norms / norms[-1]).flip(0).median(dim=1).values for name, norms in record.gradients.items()}
    return {name: [float(f"{value:.4g}") for value in values] for name, values in relative.items()}


def pieces(job: Any) -> torch.Tensor:
    """Texts of the validation part, evenly apart, (PIECES, BACK + 1)."""
    place = job.parts["valid"]
    starts = torch.linspace(place.start, place.stop - BACK - 1, PIECES).long()
    return torch.stack([job.tokens[start : start + BACK + 1] for start in starts])


def main() -> None:
    """Train, read, write and draw."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"at the start": {}, "after training": {}}
    bits = {}
    for cell in CELLS:
        out = RUNS / cell
        settings = {**SETTINGS, "model.cell": cell}
        run = api.Run.open(out) if out.is_dir() else api.train("shakespeare-lstm", out=out, settings=settings)
        job = run.job()
        with torch.random.fork_rng():
            torch.manual_seed(run.recipe.train.seed)
            fresh = job.model().eval()
        tokens = pieces(job)
        for when, model in (("at the start", fresh), ("after training", run.model())):
            found[when] |= {f"{cell} {state}": values for state, values in reach(model, tokens).items()}
        bits[cell] = round((run.result or {})["valid"]["bits"], 3)
    write(
        "through_time",
        {
            "what": f"median over {PIECES} texts: norm of the gradient of the last character's loss by the state so "
            "many characters before, over that by the last state",
            "settings": {name: value for name, value in SETTINGS.items() if value is not None},
            "bits of validation": bits,
            "half is left after": {when: {k: below(v, 0.5) for k, v in each.items()} for when, each in found.items()},
            "a thousandth is left after": {
                when: {k: below(v, 1e-3) for k, v in each.items()} for when, each in found.items()
            },
            "norms": found,
        },
    )
    draw()


def below(values: list[float], share: float) -> int | None:
    """After how many characters the norm stays below a share; None where it never does."""
    alive = [number for number, value in enumerate(values) if value >= share]
    return alive[-1] + 1 if alive[-1] + 1 < len(values) else None


def draw() -> None:
    """Draw what was written."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    norms = json.loads((RESULTS / "through_time.json").read_text())["norms"]
    with rc_context(matplotlib_style()):
        figure = Figure(figsize=(9.6, 3.4), dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        both = figure.subplots(1, 2, sharey=True)
        for axes, (when, each) in zip(both, norms.items()):
            for (name, label), color in zip(LABELS.items(), PALETTES["light"].series):
                axes.plot(each[name], label=label, color=color, linestyle="--" if name == "lstm c" else "-")
            axes.set_yscale("log")
            axes.set_ylim(1e-10, 3)
            axes.set_title(when)
            axes.set_xlabel("characters back")
        both[0].set_ylabel("gradient by the state, of that at the end")
        both[1].legend()
        figure.savefig(PICTURE, metadata={"Software": None})


if __name__ == "__main__":
    draw() if "--draw" in sys.argv else main()
