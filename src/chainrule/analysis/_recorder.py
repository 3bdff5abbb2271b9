"""Seeing each function of tensors that is called, as it was written: `conv2d`, `+`, `x.relu_()`, `x[0] = y`.

The call runs under a mode of torch's that sees these and not the kernels below; so nothing of the network has to be
changed, and in-place, reused and functional operations are seen like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from chainrule.analysis._tape import Kind, Operation, Ref, Tape, Value, Watcher, is_ref
from chainrule.analysis._tape_modules import Call, ModuleStack
from chainrule.core.errors import UsageError

_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "truediv": "/", "pow": "**", "matmul": "@"}
_NAMES = {
    **{prefix + name: sign for name, sign in _OPERATORS.items() for prefix in ("", "r")},
    **{"i" + name: sign + "=" for name, sign in _OPERATORS.items()},
    "getitem": "index",
    "setitem": "index_put_",
}
"""What the functions behind Python's operators are called."""
_NO_OPERATION = frozenset({"requires_grad_", "grad", "_base", "backward", "share_memory_"})
"""What gives back or changes a tensor and computes nothing of the call."""


class Recorder(TorchFunctionMode):
    """Sees each function of tensors that is called while it is active, and writes it down."""

    def __init__(self, module: nn.Module | None, watch: Watcher | None, limit: int) -> None:
        super().__init__()
        self.stack = ModuleStack(module, self.entered, self.left)
        self.tape, self.watch, self.limit = Tape(), watch, limit
        self.current: dict[int, int] = {}  # id of a tensor -> its newest value; the values keep the tensors alive
        self.views: dict[int, list[Tensor]] = {}  # id of a tensor -> the tensors seen that look into its memory
        self.busy = False  # in a function, or writing it down: what runs now is not another operation
        self.asleep = False  # nothing is written down

    @property
    def deaf(self) -> bool:
        """Whether what is called now is not to be written down."""
        return self.busy or self.asleep

    def name(self, inputs: tuple[Any, ...], options: dict[str, Any], module: nn.Module | None) -> None:
        """Give the leaves their values before anything runs."""
        if module is not None:
            self._name_state(module, "")
        named = [(f"input{i}" if len(inputs) > 1 else "input", value) for i, value in enumerate(inputs)]
        for name, structure in [*named, *options.items()]:
            tensors = _tensors(structure)
            for i, tensor in enumerate(tensors):
                if id(tensor) not in self.current:
                    self._value(tensor, "input", f"{name}[{i}]" if len(tensors) > 1 else name)

    def _name_state(self, module: nn.Module, path: str) -> None:
        """Give parameters and buffers their names: of the network, or of one that the function calls."""
        for name, parameter in module.named_parameters(prefix=path):
            if id(parameter) not in self.current:
                self._value(parameter, "parameter", name)
        for name, buffer in module.named_buffers(prefix=path):
            if id(buffer) not in self.current:
                self._value(buffer, "buffer", name)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function and write it down, if it computes a tensor or changes one."""
        if self.deaf:  # most calls of a long training: its name would cost more than the rest
            return func(*args, **(kwargs or {}))
        return self.call(name_of(func), func, args, kwargs or {})

    def call(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function; it is one operation, whatever it calls."""
        if self.deaf:
            return func(*args, **kwargs)
        with self._quiet():
            given = _tensors((args, kwargs))
            versions = [_version(tensor, name) for tensor in given]
            output = func(*args, **kwargs)
            changed = [tensor for tensor, version in zip(given, versions) if _version(tensor, "") != version]
            returned = _tensors(output)
            if (returned or changed) and name not in _NO_OPERATION:
                self._write(name, func, (args, kwargs), returned, changed)
        return output

    def entered(self, call: Call, args: Any) -> None:
        """At the beginning of a module's call."""
        if not self.deaf:
            with self._quiet():
                if call.parent is None and call.time == 0:
                    self._name_state(call.module, call.path)
                call.inputs = tuple(self._of(tensor) for tensor in _tensors(args))

    def left(self, call: Call, args: Any, output: Any) -> None:
        """At the end of a module's call: what it computed unseen (compiled, scripted) is one operation."""
        if self.deaf:
            return
        with self._quiet():
            tensors = _tensors(output)
            if any(id(tensor) not in self.current for tensor in tensors):
                self._write(call.kind, call.module, (args, {}), tensors, [])
            call.outputs = tuple(self._of(tensor) for tensor in tensors)

    def forget(self) -> None:
        """Begin a new tape."""
        self.tape, self.stack.calls, self.stack.times = Tape(), [], {}
        self.current.clear()
        self.views.clear()

    def replace(self, structure: Any) -> Any:
        """The same structure with `Ref`s in place of tensors."""
        return tree_map(lambda leaf: Ref(self._of(leaf)) if isinstance(leaf, Tensor) else leaf, structure)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        self.busy = True
        try:
            yield
        finally:
            self.busy = False

    def _write(
        self,
        name: str,
        func: Callable[..., Any],
        called: tuple[tuple[Any, ...], dict[str, Any]],
        returned: list[Tensor],
        changed: list[Tensor],
    ) -> None:
        tape, index = self.tape, len(self.tape.operations)
        if index >= self.limit:
            raise UsageError(f"more than {self.limit:,} operations", remedy="record fewer steps, or raise the limit")
        arguments, options = self.replace(called)
        inputs = tuple(leaf.value for leaf in tree_leaves((arguments, options), is_leaf=is_ref) if is_ref(leaf))
        shared = {id(t): t for one in changed for t in (one, *self._sharing(one))}
        new = tuple(self._value(tensor, "result", "", index) for tensor in shared.values())
        results = tuple(
            self.current[id(t)] if id(t) in self.current else self._value(t, "result", "", index) for t in returned
        )
        if not new and all(tape.values[i].operation != index for i in results):
            return  # gave back what it was given, or what had been computed before
        written = Operation(index, name, func, arguments, options, inputs, results, new, self.stack.current)
        tape.operations.append(written)
        if self.watch is not None:
            self.watch(written, tape)

    def _of(self, tensor: Tensor) -> int:
        """The newest value of a tensor; one never seen before comes from outside of the call."""
        if id(tensor) not in self.current:
            return self._value(tensor, "parameter" if isinstance(tensor, nn.Parameter) else "constant", "")
        return self.current[id(tensor)]

    def _value(self, tensor: Tensor, kind: Kind, name: str, operation: int | None = None) -> int:
        index = len(self.tape.values)
        self.tape.values.append(Value(index, kind, name, tuple(tensor.shape), tensor.dtype, tensor, operation))
        if id(tensor) not in self.current and tensor._base is not None:
            self.views.setdefault(id(tensor._base), [tensor._base]).append(tensor)
        self.current[id(tensor)] = index
        return index

    def _sharing(self, tensor: Tensor) -> list[Tensor]:
        """The other tensors seen whose contents change with it: the one it is a view of, and that one's views."""
        base = tensor if tensor._base is None else tensor._base
        mine = _span(tensor)
        others = [other for other in self.views.get(id(base), []) if other is not tensor and id(other) in self.current]
        return [other for other in others if mine.start < _span(other).stop and _span(other).start < mine.stop]


@contextmanager
def own_functions(recorder: Recorder) -> Iterator[None]:
    """See `torch.autograd.Function`s, which torch's mode does not tell of: for this call `apply` is replaced."""
    original = torch.autograd.Function.__dict__["apply"]

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return recorder.call(cls.__name__, original.__get__(None, cls), args, kwargs)

    torch.autograd.Function.apply = classmethod(apply)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.autograd.Function.apply = original  # type: ignore[method-assign]


def _tensors(structure: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dictionaries, in order."""
    return [leaf for leaf in tree_leaves(structure) if isinstance(leaf, Tensor)]


def _version(tensor: Tensor, name: str) -> int:
    """How often a tensor was changed in place. Inference mode does not count: there the operation's name must tell."""
    return (-1 if name.endswith("_") else 0) if tensor.is_inference() else tensor._version


def _span(tensor: Tensor) -> range:
    """The elements of memory between its first and its last."""
    start = tensor.storage_offset()
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride()))
    return range(start, start + reach + 1 if tensor.numel() else start)


def name_of(func: Callable[..., Any]) -> str:
    """Return what a function is called, as somebody would write it: `+`, `relu_`, `conv2d`, `T`."""
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = func.__self__.__name__  # type: ignore[attr-defined]  # an attribute of tensors, such as `T`
    plain = name.removeprefix("__").removesuffix("__") if name.startswith("__") else name
    return _NAMES.get(plain, plain)
