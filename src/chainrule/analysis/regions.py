"""What classifiers of the plane say at every place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from chainrule.core.errors import UsageError

GROUP = 4096
"""Places that go through the network at once."""

Classifier = Callable[[Tensor], Tensor]
"""(N, 2) -> scores (N, K); a module, or a function."""


def decision_regions(
    model: Classifier,
    points: Float[Tensor, "n 2"],
    targets: Int[Tensor, " n"],
    *,
    size: int = 120,
    margin: float = 0.08,
    most_points: int = 500,
) -> dict[str, Any]:
    """Return the predicted class on a grid over the range of some points, and the points.

    A module's modes are as before when it returns, and no random number is drawn.

    Args:
        model: (N, 2) -> scores (N, K).
        points: Examples.
        targets: Their classes.
        size: Places along each axis, at least 2.
        margin: Room around the points, as a share of their range.
        most_points: At most so many examples are returned, evenly chosen.

    Returns:
        `{"x": [lowest, highest], "y": [lowest, highest], "grid": rows of class numbers from the lowest y up, the ends
        of the axes included, "points": [[x, y, class], ...]}`.

    Raises:
        UsageError: The points are no points of the plane, or none is finite.

    Example:
        >>> side = nn.Linear(2, 2)
        >>> _ = side.load_state_dict({"weight": torch.tensor([[0.0, 0.0], [1.0, 0.0]]), "bias": torch.zeros(2)})
        >>> found = decision_regions(side, torch.tensor([[-1.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 1]), size=4)
        >>> found["grid"][0]
        [0, 0, 1, 1]

    Source:
        LECTURES A2, A3.
    """
    found = region_panels({"": model}, points, targets, size=size, margin=margin, most_points=most_points)
    (panel,) = found.pop("panels")
    return {**found, "grid": panel["grid"]}


def region_panels(
    models: Mapping[str, Classifier],
    points: Float[Tensor, "n 2"],
    targets: Int[Tensor, " n"],
    *,
    size: int = 120,
    margin: float = 0.08,
    most_points: int = 500,
) -> dict[str, Any]:
    """Return the decision regions of several classifiers over the same points, and how often each is right on them.

    Args:
        models: Title -> classifier, as `decision_regions` takes it.
        points: Examples.
        targets: Their classes.
        size: Places along each axis, at least 2.
        margin: Room around the points, as a share of their range.
        most_points: At most so many examples are returned, evenly chosen.

    Returns:
        `{"x", "y", "points"}` as `decision_regions` has them, and `"panels": [{"title", "grid", "right": share of all
        finite points}, ...]`.

    Raises:
        UsageError: The points are no points of the plane, or none is finite.

    Example:
        >>> points, targets = torch.tensor([[-1.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 1])
        >>> left = lambda x: torch.stack([-x[:, 0], x[:, 0]], 1)
        >>> found = region_panels({"left": left, "always 0": lambda x: -x.abs().cumsum(1)}, points, targets, size=2)
        >>> [(panel["title"], panel["grid"], panel["right"]) for panel in found["panels"]]
        [('left', [[0, 1], [0, 1]], 1.0), ('always 0', [[0, 0], [0, 0]], 0.5)]

    Source:
        LECTURES A2, A3.
    """
    finite = points.isfinite().all(1)
    points, targets = points[finite], targets[finite]
    if not len(points):
        raise UsageError("decision regions need points of the plane", expected="(N, 2), finite", got=len(finite))
    axes = [_axis(points[:, k], size, margin) for k in (0, 1)]
    places = torch.cartesian_prod(axes[1], axes[0]).flip(1).to(points)  # rows of y, x running fastest
    panels = []
    for title, model in models.items():
        grid = _classes(model, places).reshape(size, size)
        right = (_classes(model, points) == targets).double().mean()
        panels.append({"title": title, "grid": grid.tolist(), "right": float(right)})
    chosen = torch.linspace(0, len(points) - 1, min(len(points), most_points)).round().long()
    kept = zip(points[chosen].tolist(), targets[chosen].tolist())
    reach = [[float(axis[0]), float(axis[-1])] for axis in axes]
    return {"x": reach[0], "y": reach[1], "points": [[x, y, label] for (x, y), label in kept], "panels": panels}


def hyperplanes(weights: Float[Tensor, "k 2"], bias: Float[Tensor, " k"]) -> list[list[float]]:
    """Return where the scores of a linear classifier of the plane are zero: [a, b, c] of each line a x + b y + c = 0.

    Example:
        >>> hyperplanes(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([-3.0, 0.5]))
        [[1.0, 0.0, -3.0], [0.0, 2.0, 0.5]]

    Source:
        LECTURES A3, the geometric view.
    """
    return torch.cat([weights.detach(), bias.detach()[:, None]], 1).double().tolist()


def _axis(values: Tensor, size: int, margin: float) -> Tensor:
    low, high = float(values.min()), float(values.max())
    room = (high - low) * margin or max(abs(high) * margin, 1.0)
    most = torch.finfo(values.dtype).max  # the room around the largest numbers there are
    return torch.linspace(max(low - room, -most), min(high + room, most), size, dtype=torch.float64)


def _classes(model: Classifier, places: Tensor) -> Tensor:
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [(module, module.training) for module in modules]
    for module in modules[:1]:
        module.eval()
    try:
        with torch.inference_mode(), torch.random.fork_rng():
            return torch.cat([model(group).argmax(1) for group in places.split(GROUP)])
    finally:
        for module, training in modes:
            module.training = training
