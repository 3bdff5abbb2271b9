"""What a network costs and sees, whatever names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from chainrule.core.errors import UsageError
from chainrule.tasks._run import Run


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
    from chainrule.analysis.design import design_network

    name = None
    if isinstance(what, (str, Path)):
        text = str(what)
        if "|" in text or text.strip().upper().startswith("INPUT"):
            from chainrule.notation import table

            return table(text)
        if (Path(text) / "run.json").is_file():
            run = Run.open(text)
            what, shape = run.model(), run.features.shape_of(tuple(run.processing["shape"]))
            name = Path(text).name
        else:
            from chainrule.analysis.design.known import known_network

            given = tuple(inputs[0].shape[1:]) if inputs else None
            name, what, shape = known_network(text, given, options)
        inputs = inputs or (torch.zeros(1, *shape),)
    elif not inputs:
        remedy = "chainrule.design(network, torch.zeros(1, 3, 32, 32))"
        raise UsageError("the input of this network is not known", remedy=remedy)
    return design_network(what, inputs, optimizer=optimizer, object_size=object_size, name=name)
