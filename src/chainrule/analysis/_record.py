"""Recording what runs, on a tape: one call of a function, or whatever code runs in a block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from torch import nn

from chainrule.analysis._recorder import Recorder, own_functions
from chainrule.analysis._tape import Operation, Tape, Watcher


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
        >>> import torch
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
    recorder = Recorder(module, watch, limit)
    recorder.name(inputs, options, module)
    with recorder.stack, own_functions(recorder), recorder:
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
        >>> import torch
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
        self._recorder = Recorder(None, self._weigh, operations + 1)
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
            stack.enter_context(own_functions(self._recorder))
            stack.enter_context(self._recorder)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._open.close()
