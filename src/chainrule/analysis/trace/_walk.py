"""Forward once, backward once, and everything as it was before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from chainrule.analysis._as_it_was import as_it_was
from chainrule.analysis._record import record
from chainrule.analysis._used import modules_of, paths_of, tensors_of
from chainrule.analysis.trace._backward import go_back
from chainrule.analysis.trace._depth import through_depth
from chainrule.analysis.trace._gather import gather
from chainrule.analysis.trace._names import Names, input_names
from chainrule.analysis.trace._observe import Edge, Observer, edge_of
from chainrule.analysis.trace._result import Trace
from chainrule.analysis.trace._seeds import Upstream, seeds_of
from chainrule.analysis.trace._statistics import Shelf
from chainrule.analysis.trace._time import through_time
from chainrule.analysis.trace._unroll import fused_in, unrolled
from chainrule.core.errors import UsageError

EACH, TOTAL = 16 * 2**20, 256 * 2**20
"""Bytes of the largest tensor, and of all, that are kept of the values, and again of the gradients."""


def walk_through(
    function: Callable[..., Any],
    *inputs: Any,
    upstream: Upstream = None,
    loss: Callable[[Any], Tensor] | None = None,
    keep: bool = False,
    **options: Any,
) -> Trace:
    """Call a function or network once forward and once backward, and tell each value and its gradient.

    The chain rule: a value's gradient is the sum over the operations that it goes into, of the gradient of their
    results times their local derivative.

    Args:
        function: A function of tensors or an `nn.Module`.
        inputs: Its arguments; copies are passed, so that they are not changed. Gradients are found for all that are
            floats, whether they ask for one or not.
        upstream: The gradient of the output, or one for each output; ones when left out.
        loss: Applied to what the function returns, and walked through as well.
        keep: Whether every tensor is kept. Without it, those of more than 16 MiB, and all after the first 256 MiB, are
            told by their norm, mean and share of zeros alone.
        options: Keyword arguments of the function.

    Raises:
        UsageError: Something is complex; the upstream gradients do not fit the outputs.

    Example:
        >>> trace = walk_through(lambda x: (x * x).sum(), torch.tensor([3.0, 4.0]))
        >>> trace.gradient("x")
        tensor([6., 8.])
        >>> [(source, gradient.tolist()) for source, gradient in trace.arrivals("x")]
        [('mul', [3.0, 4.0]), ('mul', [3.0, 4.0])]

    Source:
        LECTURES C1, C2, C9.

    Departures:
        Two inputs that share memory without being the same tensor are told apart. A compiled or scripted module is one
        operation. A hidden state is followed through fused layers (`nn.LSTM`) by stepping with their weights, in a
        second call.
    """
    if not callable(function):
        raise UsageError("this cannot be walked through", expected="a function or nn.Module", got=type(function))
    for tensor in [leaf for leaf in tree_leaves((inputs, options)) if isinstance(leaf, Tensor)]:
        if tensor.is_complex():
            raise UsageError("an input is complex", expected="real numbers", remedy="take real and imaginary parts")
    call = _Call(function, inputs, options, upstream, loss)
    if fused := fused_in(function):
        trace = call.run(keep, follow=False)
        with unrolled(fused):
            return replace(trace, recurrences=call.run(keep=False, follow=True).recurrences)
    return call.run(keep, follow=True)


class _Call:
    """A call that can be made again."""

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: tuple[Any, ...],
        options: dict[str, Any],
        upstream: Upstream,
        loss: Callable[[Any], Tensor] | None,
    ) -> None:
        self.function, self.inputs, self.options, self.upstream, self.loss = function, inputs, options, upstream, loss

    def run(self, keep: bool, follow: bool) -> Trace:
        """Forward, backward, and if asked for through time."""
        limits = (None, None) if keep else (EACH, TOTAL)
        used = [self.function] if self.loss is None else [self.function, self.loss]
        with torch.inference_mode(False), torch.enable_grad(), as_it_was(*used) as before:
            (inputs, options), copies = _copies((self.inputs, self.options))
            known = {id(t): name for f in reversed(used) for name, t in reversed(tensors_of(f).items())}
            known |= _argument_names(self.function, inputs)
            places = {key: path for f in reversed(used) for key, path in paths_of(f).items()}
            leaves = [*(t for t in tree_leaves((inputs, options)) if isinstance(t, Tensor)), *_around(used)]
            early = {id(tensor): edge_of(tensor) for tensor in leaves if tensor.requires_grad}
            observer = Observer(Names(known, places), {**before, **copies}, early, Shelf(*limits))
            tape = record(self.function, *inputs, watch=observer, then=self.loss, **options)
            observer.leaves(tape)
            seeds = seeds_of(tape, observer, self.upstream)
            gradients = Shelf(*limits)
            ends = [observer.edges[v.index] for v in tape.values if v.operation is None and v.index in observer.edges]
            parts = [edge for i, later in observer.moved.items() for edge in (observer.edges[i], *later)]
            back = go_back(seeds.seeds, ends, observer.owner, _edge_names(observer), gradients, parts)
            values = gather(tape, observer, back, gradients)
            recurrences = through_time(tape, observer, values) if follow else ()
        modules = modules_of(self.function)
        return Trace(
            what=_title(self.function),
            operations=values.operations,
            values=values.values,
            calls=values.calls,
            outputs=tuple(observer.names.values[i] for i in tape.outputs),
            started=seeds.words,
            notes=(*values.notes, *_mode([m.training for module in modules.values() for m in module.modules()])),
            recurrences=recurrences,
            depth=through_depth(values.operations, values.values),
            _kept=observer.shelf,
            _gradients=gradients,
        )


def _copies(called: Any) -> tuple[Any, dict[int, Tensor]]:
    """Copies of the tensors in a structure, the floats asking for a gradient; and id of a copy -> the original."""
    made: dict[int, Tensor] = {}
    originals: dict[int, Tensor] = {}

    def copy(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) not in made:
            fresh = leaf.detach().clone()
            # A copy of the copy, because a leaf of autograd's may not be changed in place.
            made[id(leaf)] = fresh.requires_grad_().clone() if fresh.is_floating_point() else fresh
            originals[id(made[id(leaf)])] = leaf.detach()
        return made[id(leaf)]

    return tree_map(copy, called), originals


def _around(functions: Sequence[Callable[..., Any]]) -> list[Tensor]:
    return [tensor for function in functions for tensor in tensors_of(function).values()]


def _argument_names(function: Callable[..., Any], inputs: Sequence[Any]) -> dict[int, str]:
    names = input_names(function, len(inputs)) or []
    return {id(value): name for name, value in zip(names, inputs) if isinstance(value, Tensor)}


def _edge_names(observer: Observer) -> dict[Edge, str]:
    """Under which name the gradient at an edge is kept; a value's first, where a change unseen made another of it."""
    names: dict[Edge, str] = {}
    for index, edge in observer.edges.items():
        names.setdefault(edge, observer.names.values[index])
        for number, later in enumerate(observer.moved.get(index, [])):
            names.setdefault(later, f"{observer.names.values[index]} <- later {number}")
    return names


def _title(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "function" if name == "<lambda>" else name


def _mode(training: list[bool]) -> tuple[str, ...]:
    if not training:
        return ()
    return ("in training mode: " if any(training) else "in evaluation mode: ") + (
        "running statistics and random generators are put back as they were"
    ),  # fmt: skip
