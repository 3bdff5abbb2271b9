"""A network of torch's own layers in a row as the Python that makes it."""

from __future__ import annotations

from torch import nn

PLAIN = (
    nn.AdaptiveAvgPool2d,
    nn.AvgPool2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.Conv2d,
    nn.Dropout,
    nn.Dropout2d,
    nn.ELU,
    nn.Flatten,
    nn.GELU,
    nn.Identity,
    nn.LayerNorm,
    nn.LeakyReLU,
    nn.Linear,
    nn.MaxPool2d,
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
)
"""Layers whose text is the call that makes them."""


def module_code(model: nn.Module, indent: str = "") -> str | None:
    """Return an expression that makes such a network with weights that mean nothing; None where it is another.

    Args:
        model: `nn.Sequential` of torch's layers, or of others like it.
        indent: Before each line but the first.

    Example:
        >>> print(module_code(nn.Sequential(nn.Flatten(), nn.Linear(4, 2))))
        nn.Sequential(OrderedDict([
            ("0", nn.Flatten(start_dim=1, end_dim=-1)),
            ("1", nn.Linear(in_features=4, out_features=2, bias=True)),
        ]))
        >>> module_code(nn.LSTM(2, 3)) is None
        True
    """
    if type(model) in PLAIN:
        return f"nn.{model!r}"
    if type(model) is not nn.Sequential:
        return None
    inner, lines = indent + "    ", []
    for name, part in model.named_children():
        code = module_code(part, inner)
        if code is None:
            return None
        lines.append(f'{inner}("{name}", {code}),\n')
    return f"nn.Sequential(OrderedDict([\n{''.join(lines)}{indent}]))"
