"""Models that are given their training set, at once and without steps, or before the first step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Fitted(Protocol):
    """What a model offers that takes all of its training set at once."""

    chosen: Mapping[str, Any]
    """What `fit` chose, as plain data; empty before it, and in a model whose weights were loaded."""

    def fit(self, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor]) -> None:
        """Take inputs (N, ...) and classes (N,), and choose by the validation part."""
        ...

    def make_room(self, weights: Mapping[str, Tensor]) -> None:
        """Give the buffers the shapes and types of stored weights, which depend on the training set."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """What a model offers that looks at its training set once, before the first step."""

    def prepare(self, inputs: Iterable[Tensor]) -> None:
        """Take the inputs of the training part, one after the other."""
        ...
