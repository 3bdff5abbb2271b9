"""What a network costs and sees, whatever names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from chainrule.analysis.design import design_network, without_data
from chainrule.analysis.design.known import known_network
from chainrule.core.errors import UsageError, unknown
from chainrule.models import MODELS
from chainrule.nn import build
from chainrule.notation import is_layers, resolve, table
from chainrule.tasks.images._processing import ImageProcessing
from chainrule.tasks.runs._run import Run


class Named(NamedTuple):
    """A network that words name, the shape of one of its inputs, and what it is called."""

    network: nn.Module
    shape: tuple[int, ...]
    name: str


def named_network(
    text: str,
    shape: tuple[int, ...] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    bare: bool = True,
) -> Named:
    """Return the network that words name: layers in the notation, a run folder, or a registered model.

    Args:
        text: The words.
        shape: Of one input, where that of the notation, the run or the card is not meant.
        options: Of a registered model.
        bare: Build it without data, where it is built.

    Raises:
        UsageError: There is no such network.

    Example:
        >>> named_network("INPUT 8x8x1 | CONV3-4 | FC-10").shape
        (1, 8, 8)
    """
    if is_layers(text) or (" " in text and not Path(text).exists()):
        size = shape or resolve(text).input.torch_shape
        if not bare:
            return Named(build(text), size, "layers")
        with without_data():
            return Named(build(text), size, "layers")
    if (Path(text) / "run.json").is_file():
        run = Run.open(text)
        return Named(run.model(), shape or ImageProcessing.read(run.processing).input_shape, Path(text).name)
    if Path(text).exists():
        raise UsageError(
            f"{text} is no run folder", expected="run.json in it", remedy="name a run, a model or FILE.py:NAME"
        )
    if text not in MODELS and not any(text.startswith(name) for name in MODELS):
        raise UsageError(
            f'there is no network "{text}"',
            expected="layers with | between them, a model, a run folder, or FILE.py:NAME",
            remedy=unknown("model", text, MODELS),
        )
    known = known_network(text, shape, options, bare=bare)
    return Named(known.network, known.shape, known.name)


def design(
    what: Any,
    *inputs: Any,
    optimizer: str = "adam",
    object_size: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return what a network costs and sees, layer by layer.

    Args:
        what: Layers in the notation, the name of a registered network (`resnet50`), a run folder, or any module.
        inputs: What it is called with; known for all but modules.
        optimizer: Whose memory is counted.
        object_size: Pixels that the things to be recognized span, for warnings.
        options: Of a registered network.

    Returns:
        A table that shows itself in a notebook: `notation.Table` of layers, `analysis.design.NetworkDesign` otherwise.

    Raises:
        UsageError: There is no such network, or it does not take its input.

    Example:
        >>> import chainrule
        >>> chainrule.design("INPUT 32x32x3 | CONV3-16 | RELU | FC-10").parameters
        164298
    """
    name = None
    if isinstance(what, (str, Path)):
        text = str(what)
        if is_layers(text) and not inputs:
            return table(text)
        what, shape, name = named_network(text, tuple(inputs[0].shape[1:]) if inputs else None, options)
        inputs = inputs or (torch.zeros(1, *shape),)
    elif not inputs:
        remedy = "chainrule.design(network, torch.zeros(1, 3, 32, 32))"
        raise UsageError("the input of this network is not known", remedy=remedy)
    return design_network(what, inputs, optimizer=optimizer, object_size=object_size, name=name)
