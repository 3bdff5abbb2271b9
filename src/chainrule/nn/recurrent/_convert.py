"""Fused recurrent layers as step forms, and back, in any network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import nn

from chainrule.nn.recurrent._form import MODES, StepForm

FUSED: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "rnn_relu": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {mode: cell for cell, mode in MODES.items()}


def step_form(network: nn.Module) -> nn.Module:
    """Return a copy of a network in which `nn.RNN`, `nn.LSTM` and `nn.GRU` take one step after the other.

    Weights, their names and all answers stay; what hides in one fused operation can be seen and recorded.

    Args:
        network: Any; a recurrent layer itself, or a network that holds some.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 4))
        >>> type(step_form(net)[1]).__name__, type(fused_form(step_form(net))[1]).__name__
        ('StepForm', 'GRU')

    Source:
        LECTURES G1-G3.

    Departures:
        Classes of one's own that inherit from torch's layers are left alone: what they do is not known.
    """
    return _converted(network, lambda part: _stepping(part) if type(part) in FUSED.values() else part)  # type: ignore[arg-type]


def fused_form(network: nn.Module) -> nn.Module:
    """Return a copy of a network in which each `StepForm` is torch's fused layer with the same weights."""
    return _converted(network, lambda part: _fused(part) if isinstance(part, StepForm) else part)


def _converted(network: nn.Module, convert: Callable[[nn.Module], nn.Module]) -> nn.Module:
    whole = copy.deepcopy(network)
    made = {id(part): convert(part) for part in whole.modules()}  # a layer that is used twice is converted once
    for part in list(whole.modules()):
        for name, child in list(part._modules.items()):  # `named_children` tells of a layer that stands here twice once
            if child is not None and made[id(child)] is not child:
                setattr(part, name, made[id(child)])
    return made[id(whole)]


def _stepping(layer: nn.RNNBase) -> StepForm:
    form = StepForm(
        CELLS[layer.mode],
        layer.input_size,
        layer.hidden_size,
        layer.num_layers,
        bias=layer.bias,
        batch_first=layer.batch_first,
        dropout=layer.dropout,
        bidirectional=layer.bidirectional,
        proj_size=layer.proj_size,
    )
    for name, weight in layer.named_parameters():
        setattr(form, name, weight)
    return form.train(layer.training)


def _fused(form: StepForm) -> nn.RNNBase:
    cell = CELLS[form.mode]
    options: dict[str, Any] = {"nonlinearity": "relu"} if cell == "rnn_relu" else {}
    if form.proj_size:
        options["proj_size"] = form.proj_size
    layer = FUSED[cell](
        form.input_size,  # type: ignore[arg-type]
        form.hidden_size,
        form.num_layers,
        bias=form.bias,
        batch_first=form.batch_first,
        dropout=form.dropout,
        bidirectional=form.bidirectional,
        **options,
    )
    for name, weight in form.named_parameters():
        setattr(layer, name, weight)
    layer.flatten_parameters()
    return layer.train(form.training)
