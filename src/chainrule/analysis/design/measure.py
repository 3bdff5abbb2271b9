"""One call of a network, seen with and without training: operations, what each costs, what is kept for the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils._pytree import tree_leaves, tree_map

from chainrule.analysis._as_it_was import as_it_was
from chainrule.analysis._record import record
from chainrule.analysis._tape import Operation, Tape
from chainrule.analysis.design.bare import bare, blank
from chainrule.analysis.design.kernels import Cost, Kernels
from chainrule.analysis.design.refusal import Running, refusal
from chainrule.core.errors import ChainruleError


class Place(NamedTuple):
    """Where an operation stands, equal with and without training: the n-th of its name in one call of a module."""

    path: str
    time: int
    function: str
    number: int


@dataclass
class Measured:
    """What was seen.

    Args:
        network: What ran: a copy without data, or the network itself.
        tape: The call in evaluation mode.
        costs: Of each operation of the tape.
        kept: Bytes that training keeps for the backward pass, by the operation that made it keep them.
        without_data: Whether it ran without data.
        read: `id`s of the parameters that an operation reads, in one of the modes.
        notes: What could not be done as usual, in words.
    """

    network: nn.Module
    tape: Tape
    costs: list[Cost]
    kept: dict[Place, int]
    without_data: bool
    read: set[int]
    notes: list[str] = field(default_factory=list)


def places(tape: Tape) -> list[Place]:
    """Where each operation stands."""
    seen: Counter[tuple[str, int, str]] = Counter()
    found = []
    for operation in tape.operations:
        call = operation.call
        key = (call.path if call else "", call.time if call else 0, operation.function)
        found.append(Place(*key, seen[key]))
        seen[key] += 1
    return found


def measure(network: nn.Module, inputs: Sequence[Any]) -> Measured:
    """Run a network once without data, or with data where its way depends on them, and once more as in training.

    Args:
        network: Any module; it is as before when this returns.
        inputs: What it is called with, tensors or structures of them.

    Raises:
        UsageError: A layer does not take what it is given.
    """
    notes: list[str] = []
    try:
        built_so = all(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
        empty = network if built_so and any(True for _ in network.parameters()) else bare(network)
        given = tree_map(lambda leaf: blank(leaf) if isinstance(leaf, Tensor) else leaf, tuple(inputs))
        with as_it_was(empty):
            tape, costs = _evaluated(empty, given, without_data=True)
        without_data = True
    except ChainruleError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
        if any(tensor.is_meta for tensor in network.parameters()):
            raise
        notes.append(f"it ran with data, zeros, because it does not run on shapes alone ({reason})")
        empty, given, without_data = network, tuple(inputs), False
        with as_it_was(network):
            tape, costs = _evaluated(network, given, without_data=False)
    try:
        with as_it_was(empty):
            kept, read = _kept(empty, given, without_data=without_data)
    except Exception as error:
        kept, read = {}, set()
        notes.append(f"what training keeps is not known: the network does not run in training mode ({_first(error)})")
    return Measured(empty, tape, costs, kept, without_data, read | _read(tape), notes)


def _read(tape: Tape) -> set[int]:
    return {id(tape.values[i].tensor) for operation in tape.operations for i in operation.inputs}


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _evaluated(network: nn.Module, inputs: tuple[Any, ...], *, without_data: bool) -> tuple[Tape, list[Cost]]:
    network.eval()
    costs: list[Cost] = []
    kernels = Kernels(without_data=without_data)
    with _recording(without_data), torch.no_grad(), Running(network) as running, kernels:
        try:
            tape = record(network, *inputs, watch=lambda operation, tape: costs.append(kernels.take()))
        except Exception as error:
            told = refusal(error, running)
            if told is not None:
                raise told from error
            raise
    return tape, costs


def _kept(network: nn.Module, inputs: tuple[Any, ...], *, without_data: bool) -> tuple[dict[Place, int], set[int]]:
    """What autograd keeps, each piece of memory once, and what is read; parameters and buffers are there anyway."""
    network.train()
    if not any(p.requires_grad for p in network.parameters()):
        return {}, set()
    known = {t.untyped_storage()._cdata for t in (*network.parameters(), *network.buffers())}
    kept_by: list[int] = []
    pending: list[Tensor] = []
    alive: list[Tensor] = []  # so that no memory is used twice

    def pack(tensor: Tensor) -> Tensor:
        pending.append(tensor)
        return tensor

    def watch(operation: Operation, tape: Tape) -> None:
        tensors = _attention_keeps(operation, tape) or pending
        total = 0
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in known:
                known.add(storage._cdata)
                alive.append(tensor)
                total += storage.nbytes()
        kept_by.append(total)
        pending.clear()

    with _recording(without_data), torch.enable_grad(), ExitStack() as stack:
        stack.enter_context(saved_tensors_hooks(pack, lambda tensor: tensor))
        if without_data:
            stack.enter_context(Kernels(without_data=True))
        tape = record(network, *inputs, watch=watch)
    found: dict[Place, int] = {}
    for place, size in zip(places(tape), kept_by):
        if size:
            found[place] = found.get(place, 0) + size
    return found, _read(tape)


def _attention_keeps(operation: Operation, tape: Tape) -> list[Tensor]:
    """What the fused kernels of attention keep: their inputs, their result, and one number for each query.

    Without data torch takes the long way, which keeps all weights of attention too; real devices take it only where
    there are no heads (three dimensions) or the weights are dropped out.
    """
    if operation.function != "scaled_dot_product_attention" or operation.options.get("dropout_p"):
        return []
    if len(operation.arguments) > 4 and operation.arguments[4]:
        return []
    query, *rest = (tape.values[i].tensor for i in operation.inputs[:3])
    (result,) = (tape.values[i].tensor for i in operation.results)
    if not query.is_meta or query.dim() != 4 or not result.requires_grad:
        return []
    return [query, *rest, result, torch.empty(query.shape[:-1], dtype=torch.float32, device="meta")]


@contextmanager
def _recording(without_data: bool) -> Iterator[None]:
    """Layers take the way whose operations can be seen, and tensors that they make are where the others are."""
    torch_checks: Any = functional
    check = torch_checks._verify_batch_size
    fast = torch.backends.mha.get_fastpath_enabled()
    fused = torch._C._get_mkldnn_enabled()  # its recurrences are one kernel that cannot be looked into
    torch_checks._verify_batch_size = _no_check  # one example of size 1 has no spread, but it has a size
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            if without_data:
                stack.enter_context(torch.device("meta"))
            else:
                torch._C._set_mkldnn_enabled(False)
            yield
    finally:
        torch._C._set_mkldnn_enabled(fused)
        torch_checks._verify_batch_size = check
        torch.backends.mha.set_fastpath_enabled(fast)


def _no_check(size: Any) -> None:
    return None


def tensors_of(structure: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    return [leaf for leaf in tree_leaves(structure) if isinstance(leaf, Tensor)]
