"""What any network is made of, measured by running it once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def network_table(model: nn.Module, shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return one row for each layer, in the order in which they run.

    Args:
        model: The network; its modes and buffers are as before when this returns.
        shape: Of one example.

    Returns:
        Rows `{"name", "kind", "output": shape of one example, "parameters", "multiply_adds", "depth"}`; multiply-adds
        of convolutions and fully connected layers for one example, None for other layers.

    Example:
        >>> rows = network_table(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10)), (1, 8, 8))
        >>> [(row["kind"], row["parameters"], row["multiply_adds"]) for row in rows]
        [('Conv2d', 20, 648), ('Flatten', 0, None), ('Linear', 730, 720)]

    Source:
        LECTURES D3.
    """
    rows: list[dict[str, Any]] = []
    leaves = [(name, module) for name, module in model.named_modules() if not any(True for _ in module.children())]
    hooks = [module.register_forward_hook(_recorder(rows, name)) for name, module in leaves]
    modes = [(module, module.training) for module in model.modules()]
    parameter = next(model.parameters(), None)
    try:
        model.eval()
        with torch.inference_mode():
            model(torch.zeros(1, *shape, dtype=parameter.dtype if parameter is not None else torch.float32))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return rows


def _recorder(rows: list[dict[str, Any]], name: str) -> Any:
    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        shape = list(output.shape[1:]) if isinstance(output, Tensor) else []
        rows.append(
            {
                "name": name or type(module).__name__,
                "kind": type(module).__name__,
                "output": shape,
                "parameters": sum(p.numel() for p in module.parameters(recurse=False)),
                "multiply_adds": _multiply_adds(module, shape),
                "depth": name.count("."),
            }
        )

    return record


def _multiply_adds(module: nn.Module, shape: list[int]) -> int | None:
    if isinstance(module, nn.Conv2d):
        return int(module.weight[0].numel() * torch.Size(shape).numel())
    if isinstance(module, nn.Linear):
        return module.in_features * torch.Size(shape).numel()
    return None
