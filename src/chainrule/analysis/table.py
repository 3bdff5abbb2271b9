"""What any network is made of, layer by layer, as a run's report shows it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from chainrule.analysis.design import design_network


def network_table(model: nn.Module, shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return one row for each layer and each operation between layers, in the order in which they run.

    Args:
        model: The network; its modes and buffers are as before when this returns.
        shape: Of one example.

    Returns:
        Rows `{"name", "kind", "output": shape of one example, "parameters", "multiply_adds", "depth"}`; parameters are
        counted where they are used first; multiply-adds of convolutions and matrix products for one example, None
        where there are none.

    Example:
        >>> rows = network_table(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10)), (1, 8, 8))
        >>> [(row["kind"], row["parameters"], row["multiply_adds"]) for row in rows]
        [('Conv2d', 20, 648), ('Flatten', 0, None), ('Linear', 730, 720)]

    Source:
        LECTURES D3.
    """
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    dtype = parameter.dtype if parameter is not None else torch.float32
    rows = design_network(model, [torch.zeros(1, *shape, dtype=dtype, device=device)]).rows
    return [
        {
            "name": row.path if row.kind and row.path else row.name,
            "kind": row.kind or row.label,
            "output": list(row.output[1:]) if row.output else [],
            "parameters": row.parameters,
            "multiply_adds": row.multiply_adds or None,
            "depth": row.path.count(".") + (0 if row.kind or not row.path else 1),
        }
        for row in rows
        if not row.inner or row.parameters
    ]
