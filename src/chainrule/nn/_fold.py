"""Batch norms as part of the convolution or fully connected layer before them, for inference."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from chainrule.core.log import warn

_NORM_AFTER: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
    nn.Linear: nn.BatchNorm1d,
}
"""Exactly these classes: what derives from them may compute something else."""
_POINTWISE = (nn.Linear, nn.BatchNorm1d, nn.Dropout, nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Sigmoid,
              nn.Tanh)  # fmt: skip
"""What makes rows (N, D') of rows (N, D)."""


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Return a copy in which each batch norm that stands right behind a layer with weights is part of that layer.

    With the running averages mu and var a batch norm is a scale and a shift for each channel, and so is what a
    convolution does last:

        gamma (w * x + b - mu) / sqrt(var + eps) + beta = (s w) * x + s (b - mu) + beta,   s = gamma / sqrt(var + eps).

    A norm is folded where torch.fx, following the network symbolically, sees that it is all that reads the layer's
    output; that both are used once; and that the norm does not use statistics of the batch. Before a fully connected
    layer it must also see that examples are flattened, since a norm behind sequences works along another axis. All
    other norms stay as they are, and so does a network that cannot be followed: with hooks, in training mode, or with
    branches that depend on its input.

    Args:
        model: In evaluation mode; it is left as it is.

    Returns:
        The copy, for evaluation only, its modules under the same names; a folded norm is an `Identity`. The network
        itself where nothing can be folded.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()).eval()
        >>> fold_batch_norms(model)
        Sequential(
          (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
          (1): Identity()
          (2): ReLU()
        )

    Source:
        LECTURES C6 (at test time), D1; Jacob et al. 2018, section 3.2.

    Departures:
        Equal up to rounding: the product and the sum are taken in another order, the new weights in float64. Transposed
        convolutions are left alone.
    """
    norms = [module for module in model.modules() if type(module) in _NORM_AFTER.values()]
    if not norms:
        return model
    reason = _obstacle(model, norms)
    try:
        if reason is None:
            folded = copy.deepcopy(model)
            pairs = _pairs(folded)
            for layer, norm in pairs:
                _absorb(folded, layer, norm)
            if pairs:
                fx.Tracer().trace(folded)  # fails if a norm that is gone is still called some other way
                return folded
    except Exception as error:  # a network of a person's own can fail in any way when it is followed
        reason = f"it cannot be followed symbolically ({type(error).__name__})"
    if reason is not None:
        warn(f"the batch norms of {type(model).__name__} are computed as they are: {reason}")
    return model


def _obstacle(model: nn.Module, norms: list[nn.Module]) -> str | None:
    if any(norm.training for norm in norms):
        return "they are in training mode"
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return "the network has hooks, which may look at what comes between"
    return None


def _pairs(model: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """Layers, each with the norm that alone reads what it gives."""
    graph, modules = fx.Tracer().trace(model), dict(model.named_modules(remove_duplicate=False))
    calls = Counter(modules[str(node.target)] for node in graph.nodes if node.op == "call_module")
    read = {modules[owner] for node in graph.nodes if node.op == "get_attr" for owner in _owners(str(node.target))}
    found = []
    for node in graph.nodes:
        if node.op != "call_module" or len(node.users) != 1:
            continue
        (user,) = node.users
        if user.op != "call_module" or user.all_input_nodes != [node]:
            continue
        layer, norm = modules[str(node.target)], modules[str(user.target)]
        alone = calls[layer] == calls[norm] == 1 and not {layer, norm} & read
        if alone and _fit(layer, norm) and (type(layer) is not nn.Linear or _gives_rows(node, modules)):
            found.append((layer, norm))
    return found


def _owners(target: str) -> Iterator[str]:
    """The module that a parameter or buffer belongs to, by its name in the graph."""
    owner, dot, _ = target.rpartition(".")
    if dot:
        yield owner


def _fit(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether the two can be one layer: classes, channels, types, and averages that are there."""
    if _NORM_AFTER.get(type(layer)) is not type(norm) or "forward" in {**vars(layer), **vars(norm)}:
        return False
    weight, mean = layer.weight, norm.running_mean
    return (
        isinstance(weight, Tensor)
        and isinstance(mean, Tensor)
        and weight.is_floating_point()
        and (weight.dtype, weight.device, len(weight)) == (mean.dtype, mean.device, len(mean))
        and bool(torch.stack([part.isfinite().all() for part in _joined(layer, norm)]).all())
    )


def _gives_rows(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a value is certainly of shape (N, D), one row an example."""
    while node.op == "call_module" and type(modules[str(node.target)]) in _POINTWISE:
        node = node.all_input_nodes[0]
    if node.op == "call_module":
        flatten = modules[str(node.target)]
        return isinstance(flatten, nn.Flatten) and (flatten.start_dim, flatten.end_dim) == (1, -1)
    return node.target in (torch.flatten, "flatten") and node.args[1:] == (1,) and not node.kwargs


def _joined(layer: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Weights and biases of both in one."""
    weight, mean = layer.weight.detach().double(), norm.running_mean.double()
    bias, gamma, beta = (
        torch.full_like(mean, default) if given is None else given.detach().double()
        for given, default in ((layer.bias, 0.0), (norm.weight, 1.0), (norm.bias, 0.0))
    )
    scale = gamma * torch.rsqrt(norm.running_var.double() + norm.eps)  # (K,): one factor for each output channel
    scaled = weight * scale.view(-1, *[1] * (weight.ndim - 1))  # (K, ...)
    return scaled.to(layer.weight.dtype), (scale * (bias - mean) + beta).to(layer.weight.dtype)


def _absorb(model: nn.Module, layer: Any, norm: nn.Module) -> None:
    """Give the layer both weights, and put an `Identity` in the norm's place, or places."""
    learns = layer.weight.requires_grad
    weight, bias = _joined(layer, norm)
    layer.weight, layer.bias = nn.Parameter(weight, requires_grad=learns), nn.Parameter(bias, requires_grad=learns)
    identity = nn.Identity().eval()
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is norm:
                parent._modules[name] = identity
