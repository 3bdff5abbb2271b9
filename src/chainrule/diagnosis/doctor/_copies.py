"""Copies of a network, to be asked and changed: the one that was watched stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def copy_of(module: nn.Module) -> nn.Module:
    """A copy of a network, also of one that keeps what it computed (a state, a loss), which torch does not copy."""
    kept = (leaf for part in module.modules() for leaf in tree_leaves(vars(part)) if isinstance(leaf, Tensor))
    return copy.deepcopy(module, {id(t): t.detach().clone() for t in kept if t.grad_fn is not None})


def copy_with(module: nn.Module, state: Mapping[int, Tensor]) -> nn.Module:
    """A copy of a network in evaluation mode with other weights and buffers.

    Args:
        module: The network.
        state: Id of one of its tensors -> what the copy has in its place; where there is none, it is as it was.
    """
    made = copy_of(module).eval()
    own, new = (*module.parameters(), *module.buffers()), (*made.parameters(), *made.buffers())
    with torch.no_grad():
        for old, tensor in zip(own, new):
            if id(old) in state:
                tensor.copy_(state[id(old)])
    return made
