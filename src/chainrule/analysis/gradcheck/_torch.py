"""Functions of tensors, autograd functions and modules as problems: the gradient that is claimed is autograd's."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from chainrule.analysis.gradcheck._problem import Array, Notes, Points, Variable, as_array, frozen, generators
from chainrule.core.errors import UsageError
from chainrule.core.own_process import call_own

_DTYPE_WORDS = ("dtype", "Double", "Float", "double", "scalar type")
"""What torch's complaints about mixed precision say."""


class TorchProblem:
    """A function of tensors, or a module, at some inputs.

    Computes in float64; where the code mixes in float32 of its own and refuses, in float32, and says so.

    Raises:
        UsageError: There is nothing to differentiate, or the inputs are not usable.
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any], *, seed: int) -> None:
        self.told = Notes()
        self.seed, self.single, self.number = seed, False, torch.float64
        self.module = _double_copy(function, self.told) if isinstance(function, nn.Module) else None
        self.function = self.module if self.module is not None else function
        self.leaves, self.shape = tree_flatten(tuple(inputs))
        self.sources = generators(self.leaves)
        names = input_names(function, len(inputs))
        self.places = [i for i, leaf in enumerate(self.leaves) if _fraction(leaf)]
        self.inputs = [self.leaves[i] for i in self.places]
        parameters = [] if self.module is None else [(n, p) for n, p in self.module.named_parameters()]
        self.parameters = [p for _, p in parameters if p.requires_grad]
        if len(self.parameters) < len(parameters):
            self.told.say(f"{len(parameters) - len(self.parameters)} parameters are frozen and not checked")
        self.names = _leaf_names(tuple(inputs), names, self.places)
        trained = [(n, p) for n, p in parameters if p.requires_grad]
        for name, tensor in zip(self.names, self.inputs):
            if _shares(tensor):
                self.told.say(f"entries of {name} share memory (expand?): it is checked as if each had its own")
        self._variables = [Variable(n, _base(x, n)) for n, x in zip(self.names, self.inputs)]
        self._variables += [Variable(n, _base(p, n), parameter=True) for n, p in trained]
        if not self._variables:
            raise UsageError("there is nothing to differentiate", expected="an input or parameter with a fraction",
                             remedy="give tensors of floats")  # fmt: skip
        self.state = _State(self.module)
        self.with_graph = False
        self._settle()

    @property
    def variables(self) -> Sequence[Variable]:
        """Inputs, then parameters."""
        return self._variables

    def _settle(self) -> None:
        """Find out how it can be run: in which precision, and whether without a graph."""
        try:
            outputs = self._run({}, graph=True)[1]
        except (RuntimeError, TypeError) as error:
            if not any(word in str(error) for word in _DTYPE_WORDS):
                raise
            self.single, self.number = True, torch.float32
            if self.module is not None:
                self.module.float()
                self.state = _State(self.module)
            outputs = self._run({}, graph=True)[1]
            first = (str(error).splitlines() or [""])[0]
            self.told.say(f"it cannot compute in float64 ({first[:90]}), so it is checked in float32, roughly")
        if not outputs:
            raise UsageError("it returns no tensor of floats", expected="something with a gradient",
                             remedy="return the loss or the outputs")  # fmt: skip
        if not self.single and any(o.dtype != torch.float64 for o in outputs):
            self.single = True
            self.told.say(f"it returns {str(outputs[0].dtype)[6:]} for float64 inputs: a cast inside it rounds")
        known = [_array(o) for o in outputs]
        try:
            quick = [_array(o) for o in self._run({}, graph=False)[1]]
            self.with_graph = not all(_same(a, b) for a, b in zip(known, quick))
        except Exception:
            self.with_graph = True  # it differentiates inside of itself

    def values(self, moved: Points) -> list[Array]:
        """The outputs, as arrays."""
        return [_array(output) for output in self._run(moved, graph=self.with_graph)[1]]

    def gradients(self, moved: Points, upstream: Sequence[Array]) -> list[Array | None]:
        """Autograd's gradients."""
        with self._state(moved):
            leaves, outputs = self._call(graph=True, moved=moved)
            flowing = [(o, u) for o, u in zip(outputs, upstream) if o.requires_grad]
            if not flowing:
                return [None] * len(self._variables)
            weights = [torch.as_tensor(u, dtype=o.dtype, device=o.device).reshape(o.shape) for o, u in flowing]
            wanted = leaves + self.parameters
            found = call_own(torch.autograd.grad, [o for o, _ in flowing], wanted, weights, allow_unused=True)
        return [None if g is None else _array(g) for g in found]

    def _run(self, moved: Points, *, graph: bool) -> tuple[list[Tensor], list[Tensor]]:
        with self._state(moved):
            return self._call(graph=graph, moved=moved)

    @contextmanager
    def _state(self, moved: Points) -> Iterator[None]:
        """Same random numbers, same buffers, parameters where they are wanted, and nothing left behind."""
        default = torch.get_default_dtype()
        torch.set_default_dtype(self.number)
        try:
            with frozen(self.sources, self.seed):
                self.state.move(self.parameters, moved, len(self.inputs))
                yield
        finally:
            self.state.back(self.parameters, moved, len(self.inputs))
            torch.set_default_dtype(default)

    def _call(self, *, graph: bool, moved: Points) -> tuple[list[Tensor], list[Tensor]]:
        """Leaves and outputs of one call. The function gets copies: it may change them in place."""
        leaves, given = [], list(self.leaves)
        with nullcontext() if graph else torch.no_grad():
            for k, (place, like) in enumerate(zip(self.places, self.inputs)):
                array = moved.get(k, self._variables[k].value)
                leaf = _placed(torch.as_tensor(array, dtype=self.number), like).requires_grad_(graph)
                leaves.append(leaf)
                given[place] = _placed(leaf, like)
            for place, leaf in enumerate(given):
                if isinstance(leaf, Tensor) and place not in self.places:
                    given[place] = leaf.detach().clone()
            versions = [t._version if isinstance(t, Tensor) else 0 for t in given]
            output = call_own(self.function, *tree_unflatten(given, self.shape))
        for place, version in zip(self.places, (versions[p] for p in self.places)):
            if given[place]._version != version:
                self.told.say(f"it changes {self.names[self.places.index(place)]} in place")
        outputs = [leaf for leaf in tree_flatten(output)[0] if _fraction(leaf)]
        return leaves, outputs


class _State:
    """What a module remembers from call to call: buffers and attributes, put back after each."""

    def __init__(self, module: nn.Module | None) -> None:
        self.parts = list(module.modules()) if module is not None else []
        self.buffers = [(b, b.detach().clone()) for part in self.parts for b in part._buffers.values() if b is not None]
        self.attributes = [(part, _remembered(part)) for part in self.parts]
        self.kept: list[Tensor] = []

    def move(self, parameters: Sequence[Tensor], moved: Points, first: int) -> None:
        """Put parameters where they are wanted."""
        self.kept = []
        with torch.no_grad():
            for k, parameter in enumerate(parameters):
                if first + k in moved:
                    self.kept.append(parameter.detach().clone())
                    parameter.copy_(torch.as_tensor(moved[first + k], dtype=parameter.dtype))

    def back(self, parameters: Sequence[Tensor], moved: Points, first: int) -> None:
        """Put everything back."""
        with torch.no_grad():
            kept = iter(self.kept)
            for k, parameter in enumerate(parameters):
                if first + k in moved:
                    parameter.copy_(next(kept))
            for buffer, value in self.buffers:
                buffer.copy_(value)
        for part, known in self.attributes:
            for name in set(part.__dict__) - set(known):
                if name not in _TORCHS:
                    del part.__dict__[name]
            part.__dict__.update({name: _copied(value) for name, value in known.items()})


_TORCHS = frozenset(vars(nn.Module()))
"""The attributes that torch itself keeps in a module."""


def _remembered(part: nn.Module) -> dict[str, Any]:
    kept = {name: _copied(value) for name, value in vars(part).items() if name not in _TORCHS}
    return kept | {"_buffers": dict(part._buffers)}


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone() if not isinstance(value, nn.Parameter) and value.is_leaf else value
    if isinstance(value, dict):
        return dict(value)
    return list(value) if type(value) is list else value


def _double_copy(module: nn.Module, told: Notes) -> nn.Module:
    """A copy in float64, plain tensors among the attributes included."""
    try:
        work = copy.deepcopy(module).double()
    except Exception as error:
        raise UsageError(
            f"{type(module).__name__} cannot be copied: {error}",
            remedy="keep results of earlier calls out of its attributes, or detach them",
        ) from error
    for part in work.modules():
        for name, value in list(vars(part).items()):
            if isinstance(value, Tensor) and value.dtype == torch.float32:
                setattr(part, name, value.detach().double())
    return work


def input_names(function: Callable[..., Any], count: int) -> list[str]:
    """The names of a function's first arguments, or numbers where it has none."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        target, skipped = owner.forward, 0 if owner.setup_context is not torch.autograd.Function.setup_context else 1
    else:
        target, skipped = (function.forward if isinstance(function, nn.Module) else function), 0
    try:
        found = list(inspect.signature(target).parameters.values())[skipped:]
    except (TypeError, ValueError):
        found = []
    names = [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in found if p.kind is p.VAR_POSITIONAL), "input")
    missing = count - len(names)
    return names[:count] + ([rest] if missing == 1 else [f"{rest}{i}" for i in range(max(0, missing))])


def _leaf_names(inputs: tuple[Any, ...], names: Sequence[str], places: Sequence[int]) -> list[str]:
    every: list[str] = []
    for name, value in zip(names, inputs):
        count = len(tree_flatten(value)[0])
        every += [name] if count == 1 else [f"{name}[{i}]" for i in range(count)]
    return [every[place] for place in places]


def _fraction(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _base(tensor: Tensor, name: str) -> Array:
    return as_array(_array(tensor), name)


def _array(tensor: Tensor) -> Array:
    found = tensor.detach().cpu()
    return np.array(found.numpy() if found.is_complex() else found.double().numpy())


def _placed(tensor: Tensor, like: Tensor) -> Tensor:
    """The same numbers, laid out in memory as `like` is, unless its elements share memory."""
    dtype, device = tensor.dtype, like.device
    if _shares(like):
        return torch.empty(like.shape, dtype=dtype, device=device).copy_(tensor)
    room = torch.empty_strided(like.shape, like.stride(), dtype=dtype, device=device)
    return room.copy_(tensor)


def _shares(tensor: Tensor) -> bool:
    """Whether some entries are the same number in memory."""
    return any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape))


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))
