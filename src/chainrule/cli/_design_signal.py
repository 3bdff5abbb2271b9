"""`chainrule design --signal`: how activations and gradients are spread at the start, on real data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from math import isfinite, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer

if TYPE_CHECKING:
    from chainrule.analysis.design.signal import Signal
    from chainrule.core.recipe import Recipe

BATCH = 128
SCHEMES = {"0.01": "gaussian"}
"""As the lectures call them -> as recipes do."""


def run(args: argparse.Namespace) -> Answer:
    """Measure the signal of a registered model, layers in the notation, a run, or a module of one's own.

    Raises:
        UsageError: There is no such network, data set or scheme.
    """
    import torch

    from chainrule.analysis.design.signal import measure_signal
    from chainrule.core.errors import UsageError
    from chainrule.tasks.images._classification import Classification
    from chainrule.tasks.tables import images_only

    opened, network = _recipe(args)
    recipe = images_only(opened, "--signal")
    job = Classification(recipe, network=network)
    if "train" not in job.parts:
        raise UsageError(f"{job.images.name} has no training part to measure on", remedy="--signal digits")
    with torch.random.fork_rng():
        torch.manual_seed(recipe.train.seed)
        model = job.model()
        count = min(BATCH, len(job.parts["train"]))
        batch = job.examples("train").fetch(torch.arange(count), torch.zeros(count, dtype=torch.int64))
        inputs, targets = batch.inputs, batch.targets

        def loss(scores: Any) -> Any:
            return torch.nn.functional.cross_entropy(scores[0] if isinstance(scores, tuple) else scores, targets)

        found = measure_signal(model, inputs, loss)
    scheme = recipe.init.scheme
    facts = {"data": recipe.data.name, "examples": count, "init": scheme, "seed": recipe.train.seed}
    return Answer({**found.as_dict(), **facts}, _shown(found, facts))


def _recipe(args: argparse.Namespace) -> tuple[Recipe, Any]:
    from chainrule.cli._own import own_network
    from chainrule.core.sections import OWN
    from chainrule.notation import is_layers
    from chainrule.tasks import Run, open_recipe

    text, settings = " ".join(args.spec), dict(getattr(args, "settings", None) or {})
    init = {} if args.init is None else {"init.scheme": SCHEMES.get(args.init, args.init)}
    plain: dict[str, Any] = {"data": {"name": args.signal}, "train": {"epochs": 1}, "augment": {}}
    if (Path(text) / "run.json").is_file():
        return open_recipe(Run.open(text).recipe, {**init, **settings}), None
    if ".py:" in text:
        return open_recipe({**plain, "model": {"name": OWN}}, {**init, **settings}), own_network(text).build
    if len(args.spec) > 1 or is_layers(text):
        spec = text.partition("|")[2] if text.strip().upper().startswith("INPUT") else text
        return open_recipe({**plain, "model": {"name": "layers", "spec": spec.strip()}}, {**init, **settings}), None
    from chainrule.analysis.design.known import split_name

    name, options = split_name(text)
    return open_recipe({**plain, "model": {"name": name, **options}}, {**init, **settings}), None


def _shown(found: Signal, facts: Mapping[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Column, Table
    from rich.text import Text

    heads = ("mean", "spread", "zeros", "silent", "gradient")
    rows = [
        (*map(_short, (layer.mean, layer.spread)), *map(_percent, (layer.zeros, layer.silent)), _short(layer.gradient))
        for layer in found.layers
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    numbers = [Column(name, justify="right", no_wrap=True, min_width=width) for name, width in zip(heads, widths)]
    bars = [Column(name, no_wrap=True, min_width=len(name)) for name in ("activations", "gradients")]
    table = Table(Column("layer", overflow="fold"), *numbers, *bars, box=None, padding=(0, 1, 0, 0))
    forward = _bars([layer.spread for layer in found.layers])
    backward = _bars([layer.gradient for layer in found.layers])
    for layer, cells, there, back in zip(found.layers, rows, forward, backward):
        table.add_row(Text(f"{layer.name} {layer.kind}"), *cells, there, back)
    lead = f"{facts['examples']} examples of {facts['data']}, weights drawn: {facts['init']}; loss {found.loss:.4g}"
    return Group(Text(lead), "", table, "", *(Text(line) for line in found.verdict))


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.0e}"


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f} %"


def _bars(values: Sequence[float | None]) -> list[str]:
    """Small bars on a log scale: eight letters from the least to the greatest, at least a hundredfold."""
    seen = [log10(value) for value in values if value and isfinite(value)]
    high = max(seen, default=0.0)
    low = min([*seen, high - 2])
    return [
        ("█" * max(1, round(8 * (log10(v) - low) / (high - low))) if v and isfinite(v) else "").ljust(8) for v in values
    ]
