"""Which calls' graphs are still held by somebody, long after they are of any use."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

Key = tuple[tuple[int, ...], float]


class _Token:
    """Lives as long as the node of the graph that it hangs on."""

    def __call__(self, gradients: Any) -> None:
        """As a hook it changes nothing."""


def node_of(leaf: Any) -> Any:
    """What a tensor was computed by; None where nothing is recorded, or torch will not say."""
    try:
        return leaf.grad_fn if isinstance(leaf, Tensor) else None
    except RuntimeError:  # a view made without gradients whose base was changed
        return None


class HeldGraphs:
    """Follows the graphs of a network's calls; `most` is the largest number that was held at once without need.

    Without need are those of calls in evaluation mode, beside the last, and those of earlier steps. Calls that are
    given what an earlier one has computed, such as a state, and further calls with equal examples are not counted.

    Example:
        >>> import torch
        >>> layer, held, graphs = torch.nn.Linear(2, 1), [], HeldGraphs()
        >>> for i in range(8):
        ...     x = torch.full((1, 2), float(i))
        ...     held.append(layer(x))
        ...     graphs.add((x,), held[-1], ((1,), float(i)), learning=False, step=0)
        >>> graphs.most
        7
    """

    def __init__(self) -> None:
        self._held: list[tuple[weakref.ref[_Token], Key, bool, int]] = []
        self.most = 0

    def add(self, given: Any, output: Any, key: Key, *, learning: bool, step: int) -> None:
        """One call: what it was given and returned, a number for its examples, and how many steps were taken before."""
        node = next((found for leaf in tree_leaves(output) if (found := node_of(leaf)) is not None), None)
        if node is None or any(node_of(leaf) is not None for leaf in tree_leaves(given)):
            return
        self._held = [each for each in self._held if each[0]() is not None]
        useless = {k for _, k, learned, at in self._held if (not learned and not learning) or at < step - 1}
        self.most = max(self.most, len(useless))
        token = _Token()
        node.register_prehook(token)
        self._held.append((weakref.ref(token), key, learning, step))
