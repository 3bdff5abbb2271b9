"""The rows of the table: one for each call of a module, as a tree, and one for each operation between them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from chainrule.analysis._tape import Operation
from chainrule.analysis._tape_modules import Call
from chainrule.analysis.design.kernels import Cost
from chainrule.analysis.design.measure import Measured, Place, places
from chainrule.analysis.design.views import View


@dataclass(frozen=True)
class Row:
    """One call of a module, or one operation outside of the innermost modules.

    Args:
        path: Of the module; of an operation, that of the module it stands in.
        label: What it is called where it stands: the last part of the path, or the function.
        kind: What sort of module; empty for an operation.
        depth: How many modules it stands in.
        output: Shape of what comes out (the first tensor), batch included; None if no tensor does.
        dtype: Of it.
        parameters: Its own numbers, where they are used for the first time.
        trainable: Of these, those that training moves.
        shared: Its own numbers that an earlier row has counted.
        memory: Bytes of the output.
        kept: Bytes that training keeps for the backward pass.
        multiply_adds: Of convolutions and products of matrices.
        bytes_moved: What its kernels read and write.
        padding: Of a convolution or pooling, along each axis; None of others.
        views: What a number of the output sees of the input, for each of its axes; empty where no axis is followed.
        inner: Whether rows of what it holds follow.
        time: How many calls of the same module came before.
        operation: The operation on the tape that it is, or of a module the last in it.
    """

    path: str
    label: str
    kind: str
    depth: int
    output: tuple[int, ...] | None
    dtype: str
    parameters: int = 0
    trainable: int = 0
    shared: int = 0
    memory: int = 0
    kept: int = 0
    multiply_adds: int = 0
    bytes_moved: int = 0
    padding: tuple[int, ...] | None = None
    views: tuple[View, ...] = ()
    inner: bool = False
    time: int = 0
    operation: int | None = None

    @property
    def name(self) -> str:
        """Its path, or where an operation stands and what it is."""
        if self.kind:
            again = f" (call {self.time + 1})" if self.time else ""
            return (self.path or self.kind) + again
        return f"{self.path}.{self.label}" if self.path else self.label

    @property
    def whole(self) -> bool:
        """Every number of the output depends on the whole input."""
        return bool(self.views) and all(view.whole for view in self.views)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "path": self.path,
            "layer": self.kind or self.label,
            "operation": not self.kind,
            "call": self.time,
            "depth": self.depth,
            "output": None if self.output is None else list(self.output),
            "dtype": self.dtype,
            "parameters": self.parameters,
            "trainable": self.trainable,
            "shared": self.shared,
            "memory_bytes": self.memory,
            "kept_bytes": self.kept,
            "multiply_adds": self.multiply_adds,
            "flops": 2 * self.multiply_adds,
            "bytes_moved": self.bytes_moved,
            "padding": None if self.padding is None else list(self.padding),
            "stride": [view.jump for view in self.views] or None,
            "receptive_field": [view.size for view in self.views] or None,
            "field_start": [view.start for view in self.views] or None,
            "narrowest_path": [view.narrowest for view in self.views] or None,
            "whole_input": self.whole,
        }


def rows_of(measured: Measured, views: dict[int, tuple[View, ...]]) -> list[Row]:
    """Make the rows of a call.

    Args:
        measured: What was seen.
        views: Of each value of the tape.
    """
    return _Maker(measured, views).rows()


class _Maker:
    """Goes through the tree of calls and the operations in them in the order in which they began."""

    def __init__(self, measured: Measured, views: dict[int, tuple[View, ...]]) -> None:
        self.tape, self.costs, self.views = measured.tape, measured.costs, views
        self.counted: set[int] = set()
        self.read = measured.read
        self.called = {id(call.module) for call in self.tape.calls}
        self.children: dict[int | None, list[Call]] = defaultdict(list)
        for call in self.tape.calls:
            self.children[None if call.parent is None else call.parent.index].append(call)
        self.inside: dict[int | None, list[Operation]] = defaultdict(list)
        for operation in self.tape.operations:
            self.inside[None if operation.call is None else operation.call.index].append(operation)
        self.kept = self._placed(measured.kept)
        self.order = self._beginnings()
        self.found: list[Row] = []

    def rows(self) -> list[Row]:
        self._level(None, 0, "")
        return self.found

    def _placed(self, kept: dict[Place, int]) -> dict[int, int]:
        """Bytes kept by operation; what happens in training only goes to the module it happens in, as call -1 - n."""
        here = {place: i for i, place in enumerate(places(self.tape))}
        calls = {(call.path, call.time): call for call in self.tape.calls}
        found: dict[int, int] = defaultdict(int)
        for place, size in kept.items():
            if place in here:
                found[here[place]] += size
                continue
            path = place.path
            while (path, place.time) not in calls and (path, 0) not in calls and path:
                path = path.rpartition(".")[0]
            call = calls.get((path, place.time)) or calls.get((path, 0))
            found[-1 if call is None else -2 - call.index] += size
        return found

    def _beginnings(self) -> dict[int, int]:
        """Call -> the index of the first operation in it; of an empty one, that of what comes next."""
        first: dict[int, int] = {}
        for operation in self.tape.operations:
            call = operation.call
            while call is not None and call.index not in first:
                first[call.index] = operation.index
                call = call.parent
        later = len(self.tape.operations)
        for call in reversed(self.tape.calls):
            later = first.setdefault(call.index, later)
        return first

    def _level(self, parent: int | None, depth: int, path: str) -> None:
        calls = [(self.order[call.index], 0, call.index, call) for call in self.children[parent]]
        operations = [(o.index, 1, o.index, o) for o in self.inside[parent] if self._computes(o)]
        for *_, item in sorted([*calls, *operations], key=lambda entry: entry[:3]):
            if isinstance(item, Call):
                self._module(item, depth)
            elif isinstance(item, Operation):
                self._operation(item, depth, path)

    def _computes(self, operation: Operation) -> bool:
        """Views and bookkeeping have no row."""
        cost = self.costs[operation.index]
        return bool(cost.bytes_moved or cost.multiply_adds) or self.kept.get(operation.index, 0) > 0

    def _module(self, call: Call, depth: int) -> None:
        inner = self._holds(call)
        operations = [] if inner else self.inside[call.index]
        cost = sum((self.costs[o.index] for o in operations), Cost())
        kept = sum(self.kept.get(o.index, 0) for o in operations) + self.kept.get(-2 - call.index, 0)
        output = self.tape.values[call.outputs[0]] if call.outputs else None
        parameters, trainable, shared = self._own(call.module, inner)
        row = Row(
            path=call.path,
            label=call.path.rpartition(".")[2] or call.kind,
            kind=call.kind,
            depth=depth,
            output=None if output is None else output.shape,
            dtype="" if output is None else str(output.dtype).removeprefix("torch."),
            parameters=parameters,
            trainable=trainable,
            shared=shared,
            memory=0 if output is None else output.tensor.numel() * output.tensor.element_size(),
            kept=kept,
            multiply_adds=cost.multiply_adds,
            bytes_moved=cost.bytes_moved,
            padding=padding_of(operations),
            views=self.views.get(call.outputs[0], ()) if call.outputs else (),
            inner=inner,
            time=call.time,
            operation=output.operation if output is not None else None,
        )
        self.found.append(row)
        if inner:
            self._level(call.index, depth + 1, call.path)

    def _holds(self, call: Call) -> bool:
        """Whether what is in a call has rows of its own: other calls, or several operations of one's own module."""
        if self.children[call.index]:
            return True
        own = type(call.module).__module__.partition(".")[0] not in ("torch", "chainrule")
        return own and sum(self._computes(o) for o in self.inside[call.index]) > 1

    def _operation(self, operation: Operation, depth: int, path: str) -> None:
        index = (*operation.results, *operation.changed)[0]
        output, cost = self.tape.values[index], self.costs[operation.index]
        self.found.append(
            Row(
                path=path,
                label=operation.function,
                kind="",
                depth=depth,
                output=output.shape,
                dtype=str(output.dtype).removeprefix("torch."),
                memory=output.tensor.numel() * output.tensor.element_size(),
                kept=self.kept.get(operation.index, 0),
                multiply_adds=cost.multiply_adds,
                bytes_moved=cost.bytes_moved,
                padding=padding_of([operation]),
                views=self.views.get(index, ()),
                operation=operation.index,
            )
        )

    def _own(self, module: nn.Module, inner: bool) -> tuple[int, int, int]:
        """Parameters of a call's row, those trained, and those counted before.

        Modules that are asked for their parameters and never called, as attention does with its projection, belong to
        the one that holds them.
        """
        parts = [module]
        stack = list(module.children())
        while stack:
            child = stack.pop()
            if id(child) not in self.called:
                parts.append(child)
                stack += list(child.children())
        own = {id(p): p for part in parts for p in part.parameters(recurse=False) if id(p) in self.read}
        new = [p for key, p in own.items() if key not in self.counted]
        shared = sum(p.numel() for key, p in own.items() if key in self.counted)
        self.counted |= set(own)
        return sum(p.numel() for p in new), sum(p.numel() for p in new if p.requires_grad), shared


_WINDOW = re.compile(r"(conv|conv_transpose|max_pool|avg_pool)([123])d(_with_indices)?")


def padding_of(operations: Sequence[Operation]) -> tuple[int, ...] | None:
    """The padding of the one window among the operations; None if there is none or several."""
    found = []
    for operation in operations:
        match = _WINDOW.fullmatch(operation.function)
        if match is None:
            continue
        at, count = (4 if match[1].startswith("conv") else 3), int(match[2])
        value = operation.arguments[at] if at < len(operation.arguments) else operation.options.get("padding", 0)
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        if all(isinstance(v, int) for v in values):
            found.append(values * count if len(values) == 1 else values)
    return found[0] if len(found) == 1 else None


def unused_parameters(measured: Measured) -> list[tuple[str, int]]:
    """Names and sizes of parameters that no operation reads, with or without training."""
    return [(name, p.numel()) for name, p in measured.network.named_parameters() if id(p) not in measured.read]
