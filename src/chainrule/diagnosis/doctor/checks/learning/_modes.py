"""Which modules of a network do something else in training than in evaluation."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_leaves

from chainrule.analysis._record import record
from chainrule.analysis._tape import Operation, Tape
from chainrule.diagnosis.doctor._copies import copy_of
from chainrule.diagnosis.doctor._events import Forward

DROPS = {
    "dropout": 0.5,
    "dropout1d": 0.5,
    "dropout2d": 0.5,
    "dropout3d": 0.5,
    "alpha_dropout": 0.5,
    "feature_alpha_dropout": 0.5,
}
"""Functions that drop, and the probability that they have when none is given."""


def has_modes(module: nn.Module) -> bool:
    """Whether a module itself does something else in training, as far as its kind tells."""
    if isinstance(module, _DropoutNd):
        return module.p > 0.0
    if isinstance(module, _BatchNorm):
        return module.track_running_stats
    dropout = getattr(module, "dropout", 0.0)
    return isinstance(module, (nn.RNNBase, nn.MultiheadAttention)) and isinstance(dropout, float) and dropout > 0.0


def moded(network: nn.Module) -> list[str]:
    """Names of the modules inside that do something else in training."""
    return [name for name, module in network.named_modules() if has_modes(module)]


def dropping(tape: Tape) -> list[tuple[Operation, float]]:
    """The operations on a tape that drop at random, with their probabilities."""
    found = []
    for operation in tape.operations:
        if operation.function.rstrip("_") in DROPS:
            given = dict(zip(("input", "p", "training"), operation.arguments)) | operation.options
            share = float(given.get("p", DROPS[operation.function.rstrip("_")]))
            if share > 0.0 and given.get("training", operation.function in DROPS) is not False:
                found.append((operation, share))
    return found


def answer(network: nn.Module, forward: Forward, *, training: bool, seed: int) -> Tensor | None:
    """What a copy of a network says to a call that was kept, in one of its modes; None where it cannot be called."""
    if forward.given is None:
        return None
    arguments, options = forward.given
    with torch.random.fork_rng(), torch.no_grad():
        again = copy_of(network).train(training)
        torch.manual_seed(seed)
        try:
            said = again(*arguments, **options)
        except Exception:  # a batch of one in training mode, a network that wants its whole program around it
            return None
    return next((leaf for leaf in tree_leaves(said) if isinstance(leaf, Tensor) and leaf.is_floating_point()), None)


def difference(one: Tensor | None, other: Tensor | None) -> float | None:
    """Norm of the difference over the norm of one of them; None where there is nothing (finite) to compare."""
    if one is None or other is None or one.shape != other.shape:
        return None
    size, apart = float(other.float().norm()), float((one.float() - other.float()).norm())
    return apart / size if size and math.isfinite(size + apart) else None


def evaluated_tape(network: nn.Module, forward: Forward) -> Tape | None:
    """A kept call again, of a copy in evaluation mode, as a tape."""
    if forward.given is None:
        return None
    arguments, options = forward.given
    with torch.random.fork_rng(), torch.no_grad():
        again: Any = copy_of(network).eval()
        try:
            return record(again, *arguments, **options)
        except Exception:  # as above
            return None
