"""What one call of a function or network does: every operation, in order, with the values that go in and come out.

The call runs under a mode of torch's that sees each function of tensors as it was written, `conv2d`, `+`, `x.relu_()`,
`x[0] = y`, and not the kernels below; so nothing of the network has to be changed, and in-place, reused and functional
operations are seen like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from chainrule.analysis._tape_modules import Call, ModuleStack
from chainrule.core.errors import UsageError

Kind = Literal["input", "parameter", "buffer", "constant", "result"]
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


class Ref(NamedTuple):
    """In the arguments of an operation: here stood this value."""

    value: int


@dataclass(frozen=True)
class Value:
    """A tensor at one moment: an in-place change makes another value of the same tensor.

    `name` is that of an input, parameter or buffer (the first, where modules share one), else empty. `tensor` is the
    tensor itself, whose contents may since have changed in place.
    """

    index: int
    kind: Kind
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    tensor: Tensor = field(repr=False)
    operation: int | None = None  # what made it


@dataclass(frozen=True)
class Operation:
    """One function of tensors as it was called.

    `arguments` and `options` are what it was called with, `Ref`s in place of tensors. `results` are the values that it
    returned, `changed` those that it made of its arguments in place; a function may do both. `call` is the innermost
    module's call it happened in, None outside of all modules.
    """

    index: int
    function: str
    target: Callable[..., Any] = field(repr=False)
    arguments: tuple[Any, ...] = field(repr=False)
    options: dict[str, Any] = field(repr=False)
    inputs: tuple[int, ...]
    results: tuple[int, ...]
    changed: tuple[int, ...]
    call: Call | None

    @property
    def module(self) -> str:
        """The path of the innermost module, empty outside of all modules and in the network itself."""
        return self.call.path if self.call else ""


@dataclass
class Tape:
    """What was recorded: operations and values in the order in which they came to be, and what the call returned."""

    operations: list[Operation] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    output: Any = None  # as it was returned, with `Ref`s in place of tensors

    @property
    def outputs(self) -> tuple[int, ...]:
        """The values that the call returned, in the order of its structure."""
        return tuple(leaf.value for leaf in tree_leaves(self.output, is_leaf=_is_ref) if _is_ref(leaf))

    def consumers(self) -> dict[int, list[int]]:
        """Value -> the operations that it goes into, in order."""
        found: dict[int, list[int]] = {value.index: [] for value in self.values}
        for operation in self.operations:
            for index in dict.fromkeys(operation.inputs):
                found[index].append(operation.index)
        return found


Watcher = Callable[[Operation, Tape], None]
"""Called right after each operation, while its values are as it left them."""


def record(
    function: Callable[..., Any],
    *inputs: Any,
    watch: Watcher | None = None,
    then: Callable[[Any], Any] | None = None,
    limit: int = 1_000_000,
    **options: Any,
) -> Tape:
    """Call a function or network once and return what it did.

    Args:
        function: Any function of tensors; an `nn.Module` gives names to parameters, buffers and calls.
        inputs: Its arguments, tensors or structures that hold some.
        watch: Called right after each operation; sees values before later in-place changes.
        then: Called with what the function returns, and recorded as well (a loss).
        limit: The most operations.
        options: Its keyword arguments.

    Raises:
        UsageError: More operations than the limit.

    Example:
        >>> x = torch.ones(2, 3, requires_grad=True)
        >>> tape = record(lambda x: (x * 2).relu_().sum(), x)
        >>> [operation.function for operation in tape.operations]
        ['*', 'relu_', 'sum']
        >>> [tape.values[i].shape for i in tape.outputs]
        [()]

    Departures:
        A compiled or scripted module is one operation with the module's name: what is inside cannot be seen. So is a
        function of torch's that is written in Python itself, such as `multi_head_attention_forward`, and a
        `torch.autograd.Function`.
    """
    module = function if isinstance(function, nn.Module) else None
    recorder = _Recorder(module, watch, limit)
    recorder.name(inputs, options, module)
    with recorder.stack, _own_functions(recorder), recorder:
        output = function(*inputs, **options)
        output = output if then is None else then(output)
    recorder.tape.output = recorder.replace(output)
    recorder.tape.calls = recorder.stack.calls
    return recorder.tape


class Recording:
    """A tape of code that no function holds: what runs in the `with` block, cut into pieces where the caller says.

    Args:
        operations: The most operations of a piece.
        memory: The most bytes of the tensors of a piece. One that grows beyond is dropped, up to the next cut.
        told: Called right after each operation.

    Example:
        >>> x = torch.ones(3)
        >>> with Recording() as recording:
        ...     y = x * 2
        ...     first = recording.cut()
        ...     z = y.exp() + 1
        ...     second = recording.cut()
        >>> [[operation.function for operation in tape.operations] for tape in (first, second)]
        [['*'], ['exp', '+']]
    """

    def __init__(self, *, operations: int = 20_000, memory: int = 1 << 30, told: Watcher | None = None) -> None:
        self._recorder = _Recorder(None, self._weigh, operations + 1)
        self._told = told
        self._operations, self._memory, self._bytes = operations, memory, 0
        self._open = ExitStack()
        self._off = self._dropped = False

    @property
    def off(self) -> bool:
        """Whether nothing is recorded for now; may be set."""
        return self._off

    @off.setter
    def off(self, value: bool) -> None:
        self._off = value
        self._recorder.asleep = value or self._dropped

    def cut(self) -> Tape | None:
        """Return what was recorded since the last cut, and begin anew; None if it was too much."""
        tape, dropped = self._recorder.tape, self._dropped
        tape.calls = self._recorder.stack.calls
        self._recorder.forget()
        self._bytes, self._dropped = 0, False
        self.off = self._off
        return None if dropped else tape

    def _weigh(self, operation: Operation, tape: Tape) -> None:
        made = (tape.values[index].tensor for index in operation.results)
        self._bytes += sum(tensor.numel() * tensor.element_size() for tensor in made)
        if self._bytes > self._memory or len(tape.operations) >= self._operations:
            self._recorder.forget()
            self._dropped = self._recorder.asleep = True
        elif self._told is not None:
            self._told(operation, tape)

    def __enter__(self) -> Recording:
        """Begin."""
        with ExitStack() as stack:
            stack.enter_context(self._recorder.stack)
            stack.enter_context(_own_functions(self._recorder))
            stack.enter_context(self._recorder)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._open.close()


class _Recorder(TorchFunctionMode):
    """Sees each function of tensors that is called while it is active, and writes it down."""

    def __init__(self, module: nn.Module | None, watch: Watcher | None, limit: int) -> None:
        super().__init__()
        self.stack = ModuleStack(module, self.entered, self.left)
        self.tape, self.watch, self.limit = Tape(), watch, limit
        self.current: dict[int, int] = {}  # id of a tensor -> its newest value; the values keep the tensors alive
        self.views: dict[int, list[Tensor]] = {}  # id of a tensor -> the tensors seen that look into its memory
        self.busy = False  # in a function, or writing it down: what runs now is not another operation
        self.asleep = False  # nothing is written down

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
        return self.call(_name(func), func, args, kwargs or {})

    def call(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function; it is one operation, whatever it calls."""
        if self.busy or self.asleep:
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
        if not (self.busy or self.asleep):
            with self._quiet():
                if call.parent is None and call.time == 0:
                    self._name_state(call.module, call.path)
                call.inputs = tuple(self._of(tensor) for tensor in _tensors(args))

    def left(self, call: Call, args: Any, output: Any) -> None:
        """At the end of a module's call: what it computed unseen (compiled, scripted) is one operation."""
        if self.busy or self.asleep:
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
        inputs = tuple(leaf.value for leaf in tree_leaves((arguments, options), is_leaf=_is_ref) if _is_ref(leaf))
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
def _own_functions(recorder: _Recorder) -> Iterator[None]:
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


def _is_ref(leaf: Any) -> bool:
    return isinstance(leaf, Ref)


def _span(tensor: Tensor) -> range:
    """The elements of memory between its first and its last."""
    start = tensor.storage_offset()
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride()))
    return range(start, start + reach + 1 if tensor.numel() else start)


def _name(func: Callable[..., Any]) -> str:
    """What a function is called, as somebody would write it: `+`, `relu_`, `conv2d`, `T`."""
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = func.__self__.__name__  # type: ignore[attr-defined]  # an attribute of tensors, such as `T`
    plain = name.removeprefix("__").removesuffix("__") if name.startswith("__") else name
    return _NAMES.get(plain, plain)
