"""Where the gradient of a step comes from: from this step alone, or still from one that was taken before."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import torch
from torch import Tensor


class Ledger:
    """Follows each gradient from backward to step, and on to the next backward if nobody clears it.

    Clearing need not be seen: a gradient that is None or zero when the next backward comes was cleared, whoever did it.

    Example:
        >>> w, ledger = torch.ones(2, requires_grad=True), Ledger()
        >>> for _ in range(2):
        ...     ledger.before([w])
        ...     (3 * w).sum().backward()
        ...     stale, carried = ledger.after(), ledger.used([w])
        >>> round(stale, 3), carried
        (4.243, 1.0)
    """

    def __init__(self) -> None:
        self._spent: set[int] = set()  # a step has used the gradient that is there
        self._carried: set[int] = set()  # and a new one was added to it
        self._held: list[tuple[Tensor, Tensor, int, float]] = []
        self._asked: list[Tensor] = []
        self.reached: set[int] = set()  # ids of the tensors that a gradient ever came to

    def before(self, parameters: Iterable[Tensor]) -> None:
        """Right before a backward pass."""
        self._asked = list(parameters)
        graded = [(p, p.grad) for p in self._asked if p.grad is not None]
        norms = torch.stack([g.detach().float().norm() for _, g in graded]).tolist() if graded else []
        self._held = [(p, g, g._version, norm) for (p, g), norm in zip(graded, norms) if norm != 0.0]
        full = {id(p) for p, *_ in self._held}
        self._spent &= full
        self._carried &= full

    def after(self) -> float:
        """Right after it: the norm of what was there before and was added to."""
        added = [(p, norm) for p, g, version, norm in self._held if p.grad is not g or g._version != version]
        self._carried |= {id(p) for p, _ in added} & self._spent
        self.reached.update(id(p) for p in self._asked if p.grad is not None)
        self._held, self._asked = [], []
        return float(sum(norm**2 for _, norm in added) ** 0.5)

    def used(self, owned: Iterable[Tensor]) -> float:
        """A step uses the gradients of its parameters: the share of elements in which an earlier step's are left."""
        graded = [p for p in owned if p.grad is not None]
        count = sum(p.numel() for p in graded)
        carried = sum(p.numel() for p in graded if id(p) in self._carried)
        self._spent |= {id(p) for p in graded}
        return carried / count if count else 0.0


class HeldLosses:
    """The losses of earlier passes, as far as anybody still holds them."""

    def __init__(self) -> None:
        self._losses: list[weakref.ref[Tensor]] = []

    def add(self, losses: Iterable[Tensor]) -> None:
        """Those of a pass."""
        self._losses = [r for r in self._losses if r() is not None] + [weakref.ref(loss) for loss in losses]

    def count(self) -> int:
        """How many there are with all that they were computed from, but for the two newest."""
        return sum(loss is not None and loss.grad_fn is not None for loss in (r() for r in self._losses[:-2]))


def behind(tensors: Iterable[Tensor], *, most: int = 20_000) -> int:
    """Return how many operations of autograd's are kept alive by these tensors."""
    waiting = [t.grad_fn for t in tensors if t.grad_fn is not None]
    known: set[object] = set()
    while waiting and len(known) < most:
        node = waiting.pop()
        if node not in known:
            known.add(node)
            waiting.extend(parent for parent, _ in node.next_functions if parent is not None)
    return len(known)
