"""Networks translated into machine code for inference: torch's compiler, where this machine has what it needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from chainrule.core.log import LOGGER, warn


def compiled(network: nn.Module, inputs: Tensor) -> Callable[[Tensor], Tensor] | None:
    """Translate a network for inputs of one shape, its weights as constants in the layout that their kernels like best.

    The weights are those of now; a later change of the network does not arrive. It takes a while (about
    15 seconds for ResNet-50), which docs/speed.md weighs against what it saves.

    Args:
        network: In evaluation mode.
        inputs: Of the shape and layout that all later inputs have; they are computed once.

    Returns:
        What computes the same up to rounding. None, which is said, where there is no C++ compiler or where this network
        cannot be translated: compute with the network itself.

    Example:
        `run = compiled(network, images)`; then `run(others)`, in inference mode, where `run` is not None.
    """
    missing = missing_compiler()
    if missing is not None:
        warn(f"not compiled: {missing}; it is computed without")
        return None
    from torch._inductor import config

    program = torch.compile(network, dynamic=False)

    def run(given: Tensor) -> Tensor:
        with torch.no_grad(), config.patch(freezing=True):
            return program(given)

    begun = time.perf_counter()
    try:
        run(inputs)
    except Exception as error:  # whatever the compiler does not know, in a network of anybody's
        warn(f"not compiled: torch's compiler fails on {type(network).__name__} ({type(error).__name__})")
        return None
    LOGGER.info("compiled in %.1f seconds", time.perf_counter() - begun)
    return run


@cache
def missing_compiler() -> str | None:
    """Return what torch's compiler lacks here, found by compiling a line once; None where it works."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(8))
    except Exception as error:
        if "InvalidCxxCompiler" in f"{type(error).__name__} {error}":
            return "there is no C++ compiler (g++ or clang++)"
        return f"torch's compiler does not work here ({type(error).__name__})"
    return None
