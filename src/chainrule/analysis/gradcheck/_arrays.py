"""A pair in the courses' form as a problem: `out, cache = forward(...)`, `grads = backward(dout, cache)`."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.analysis.gradcheck._problem import Array, Notes, Points, Variable, as_array, frozen, generators
from chainrule.analysis.gradcheck._torch import input_names
from chainrule.core.errors import UsageError
from chainrule.core.own_process import call_own

FORM = "out, cache = forward(...) and grads = backward(dout, cache)"


class PairProblem:
    """A forward function that returns `out, cache` (or several outputs, then the cache), and its backward function.

    What is given as tensors goes in as tensors, everything else as NumPy arrays, in float64. The gradients that
    `backward` returns belong to the inputs that their names say (`dx`, `dW`), where it ends in `return dx, dW`;
    otherwise to the arrays among the inputs in their order.

    Raises:
        UsageError: The functions do not have that form, or there is nothing to differentiate.
    """

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Any], *, seed: int
    ) -> None:
        self.forward, self.backward, self.seed = forward, backward, seed
        self.told = Notes()
        self.single = False
        self.given = list(inputs)
        self.sources = generators(self.given)
        self.tensors = any(isinstance(value, Tensor) for value in self.given)
        names = input_names(forward, len(self.given))
        outputs = self._forward({})[0]
        if any(isinstance(o, np.ndarray) and o.dtype == np.float32 for o in outputs):
            self.single = True
            self.told.say("forward returns float32 for float64 inputs: a cast inside it rounds")
        returned = self._backward({}, [np.ones(np.shape(_plain(output))) for output in outputs])
        self.places = _matched(self.given, names, returned, returned_names(backward))
        self._variables = [Variable(names[i], as_array(_plain(self.given[i]), names[i])) for i in self.places]

    @property
    def variables(self) -> Sequence[Variable]:
        """The inputs that `backward` gives a gradient of."""
        return self._variables

    def values(self, moved: Points) -> list[Array]:
        """What `forward` returns but the cache."""
        return [np.array(_plain(output), dtype=np.float64) for output in self._forward(moved)[0]]

    def gradients(self, moved: Points, upstream: Sequence[Array]) -> list[Array | None]:
        """What `backward` returns."""
        return [
            None if gradient is None else np.array(_plain(gradient), dtype=np.float64)
            for gradient in self._backward(moved, upstream)
        ]

    def _forward(self, moved: Points) -> tuple[list[Any], Any]:
        arguments = self._arguments(moved)
        before = [copy.deepcopy(a) if isinstance(a, np.ndarray | Tensor) else a for a in arguments]
        with frozen(self.sources, self.seed):
            returned = call_own(self.forward, *arguments)
        self._unchanged("forward", before, arguments, input_names(self.forward, len(arguments)))
        if not isinstance(returned, tuple) or len(returned) < 2:
            raise UsageError(
                f"{_name(self.forward)} returns {type(returned).__name__}",
                expected="out, cache",
                remedy=f"write {FORM}",
            )
        *outputs, cache = returned
        for output in outputs:
            if output is None or np.asarray(_plain(output)).dtype.kind not in "fiub":
                raise UsageError(
                    f"{_name(self.forward)} returns {type(output).__name__} as an output", expected="an array of floats"
                )
        return outputs, cache

    def _backward(self, moved: Points, upstream: Sequence[Array]) -> list[Any]:
        outputs, cache = self._forward(moved)
        douts = [self._like(u, output) for u, output in zip(upstream, outputs)]
        before = copy.deepcopy(douts)
        with frozen(self.sources, self.seed):
            returned = call_own(self.backward, *douts, cache)
        self._unchanged("backward", before, douts, input_names(self.backward, len(douts)))
        if returned is None:
            raise UsageError(f"{_name(self.backward)} returns nothing", remedy="end it with: return dx")
        return list(returned) if isinstance(returned, tuple | list) else [returned]

    def _arguments(self, moved: Points) -> list[Any]:
        arguments = [_argument(value) for value in self.given]
        for k, value in moved.items():
            arguments[self.places[k]] = self._like(value, self.given[self.places[k]])
        return arguments

    def _like(self, array: Array, like: Any) -> Any:
        if isinstance(like, Tensor):
            return torch.tensor(array, dtype=torch.float64)
        return np.array(array) if isinstance(like, np.ndarray) or np.ndim(array) else float(array)

    def _unchanged(self, who: str, before: Sequence[Any], after: Sequence[Any], names: Sequence[str]) -> None:
        for name, old, new in zip(names, before, after):
            if isinstance(old, np.ndarray | Tensor) and not np.array_equal(_plain(old), _plain(new), equal_nan=True):
                self.told.say(f"{who} changes {name} in place")


def returned_names(function: Callable[..., Any]) -> list[str]:
    """The names in a function's last `return a, b`, or none where it returns something else.

    Example:
        >>> from chainrule.formulas import affine_backward, tanh_backward
        >>> returned_names(affine_backward), returned_names(tanh_backward)
        ([], [])
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return []
    last = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None][-1:]
    parts = [part for value in last for part in (value.elts if isinstance(value, ast.Tuple) else [value])]
    return (
        [part.id for part in parts if isinstance(part, ast.Name)]
        if all(isinstance(part, ast.Name) for part in parts)
        else []
    )


def _matched(given: Sequence[Any], names: Sequence[str], returned: Sequence[Any], called: Sequence[str]) -> list[int]:
    """Which input each returned gradient belongs to."""
    numbers = [i for i, value in enumerate(given) if _fraction(value)]
    wanted = [name[1:] for name in called]
    if len(called) == len(returned) and all(w in names and names.index(w) in numbers for w in wanted):
        return [names.index(w) for w in wanted]
    arrays = [i for i in numbers if not isinstance(given[i], float)]
    for candidates in (arrays, numbers):
        if len(returned) <= len(candidates):
            return candidates[: len(returned)]
    raise UsageError(
        f"backward returns {len(returned)} gradients for {len(numbers)} inputs that can have one",
        expected=f"one each for {', '.join(names[i] for i in numbers) or 'nothing'}",
        remedy="return them as dNAME, in the order of forward's arguments",
    )


def _fraction(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point()
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind in "fc")


def _argument(value: Any) -> Any:
    """A fresh copy, in float64 where it is a number with a fraction."""
    if isinstance(value, Tensor):
        return value.detach().double().clone() if value.is_floating_point() else value.clone()
    if isinstance(value, np.ndarray):
        return value.astype(np.float64, order="K") if value.dtype.kind == "f" else value.copy()
    return copy.deepcopy(value) if isinstance(value, dict | list) else value


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "it")
