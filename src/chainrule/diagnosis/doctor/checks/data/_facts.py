"""What a training and its evaluation were fed: examples, targets, and which examples were met when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from chainrule.analysis._tape_modules import Call
from chainrule.diagnosis.doctor._case import Batch, Case, output_of
from chainrule.diagnosis.doctor._events import Evaluated, Forward, Line, Measured
from chainrule.diagnosis.doctor._rows import row_numbers

_COMPARING = frozenset({"==", "eq", "ne", "-", "sub", "isclose", "where", "accuracy"})
"""Functions in which an answer meets what it should be; so do all of torch's losses."""


@dataclass(frozen=True)
class Fed:
    """Examples that a network was given together, and what its answers were compared with.

    Args:
        inputs: Its first tensor of data.
        targets: What was compared; None where nothing was, or nobody saw it.
        answers: What it returned, in evaluation.
    """

    inputs: Tensor
    targets: Tensor | None = None
    answers: Tensor | None = None

    @property
    def paired(self) -> bool:
        """Whether each example has a target."""
        return self.targets is not None and self.targets.ndim > 0 and len(self.targets) == len(self.inputs)


class Facts:
    """What checks of the data ask of a case, found once."""

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def fed(self) -> list[Fed]:
        """The recorded steps that were fed examples."""
        found = ((input_value(batch), batch) for batch in self.case.batches)
        return [Fed(b.tape.values[i].tensor, b.targets) for i, b in found if i is not None]

    @cached_property
    def train(self) -> Fed | None:
        """The examples of the recorded steps, each once."""
        return joined(self.fed)

    @cached_property
    def evaluated(self) -> list[Fed]:
        """The calls of the last pass without learning whose examples are not all of the training."""
        passes = self.case.evaluations
        found = [(seen, fed_of(seen)) for seen in passes[-1]] if passes else []
        fresh = [(s, fed) for s, fed in found if fed is not None and self._share_of(s, fed.inputs) < 0.99]
        return [fed if fed.targets is not None else self._measured(s, fed) for s, fed in fresh]

    def _share_of(self, seen: Evaluated, inputs: Tensor) -> float:
        """The share of examples that the very network that is asked was trained on: each fold may have its own."""
        module = seen.forward.module
        own = [f.rows for f in self.case.forwards if f.module is module and f.grad and f.rows is not None]
        rows = row_numbers(inputs)
        if module is self.case.network or not own or rows is None:
            return self.known_share(inputs)
        return float(torch.isin(rows, torch.cat(own).unique()).double().mean())

    def _measured(self, seen: Evaluated, fed: Fed) -> Fed:
        """With the truth of the metric of scikit-learn's that was computed next, of as many examples."""
        later = (e for e in self.case.seen.of(Measured) if e.at >= seen.forward.at and e.truth is not None)
        truth = next((e.truth for e in later if e.truth.ndim and len(e.truth) == len(fed.inputs)), None)
        if truth is None or fed.inputs.ndim < 2:
            return fed
        targets = torch.as_tensor(truth)
        return Fed(fed.inputs, targets.float() if targets.is_floating_point() else targets.long(), fed.answers)

    @cached_property
    def valid(self) -> Fed | None:
        """The examples of the last evaluation that are not training examples."""
        return joined(self.evaluated)

    @cached_property
    def learning(self) -> list[Forward]:
        """The calls that training steps were made of."""
        network = self.case.network
        calls = [f for f in self.case.forwards if f.grad and f.module is network]
        return [f for f in calls if f.learning] or calls

    @cached_property
    def rows(self) -> list[Tensor]:
        """One number for each example of each training call, in order."""
        if self.learning:
            return [f.rows for f in self.learning if f.rows is not None]
        return [rows for each in self.fed if (rows := row_numbers(each.inputs)) is not None]

    @cached_property
    def known(self) -> Tensor:
        """The numbers of all training examples, each once, in order."""
        return torch.cat(self.rows).unique() if self.rows else torch.empty(0, dtype=torch.int64)

    @cached_property
    def line(self) -> Line | None:
        """Where the network is called with the data in training."""
        return next((f.line for f in self.learning if f.line is not None), None)

    @property
    def place(self) -> str:
        """The same as people write it."""
        return self.case.place(self.line)

    def known_share(self, inputs: Tensor) -> float:
        """Which share of the examples are training examples."""
        rows = row_numbers(inputs)
        return 0.0 if rows is None or not len(self.known) else float(torch.isin(rows, self.known).double().mean())


@lru_cache(maxsize=1)
def facts(case: Case) -> Facts:
    """What is known about the data of a case."""
    return Facts(case)


def input_value(batch: Batch) -> int | None:
    """The value on the tape that the network's examples are; of a network that is no module what weights meet first."""
    for call in sorted(batch.calls, key=lambda call: -sum(p.numel() for p in call.module.parameters())):
        for index in call.inputs:
            if batch.is_data(index) and batch.tape.values[index].shape:
                return index
    if batch.calls:
        return None
    target = batch.criterion.target if batch.criterion else None
    for operation in batch.score.needed:
        if any(index in batch.learned for index in operation.inputs):
            for index in operation.inputs:
                if index != target and index not in batch.learned and batch.tape.values[index].shape:
                    return index if batch.is_data(index) else None
    return None


def root_of(call: Call | None) -> Call | None:
    """The outermost call around a call."""
    while call is not None and call.parent is not None:
        call = call.parent
    return call


def fed_of(seen: Evaluated) -> Fed | None:
    """An evaluated call as examples, answers and what they were compared with."""
    given = seen.forward.given
    tensors = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor) and leaf.ndim]
    if not tensors:
        return None
    return Fed(tensors[0], _compared(seen), output_of(seen.forward.output))


def _compared(seen: Evaluated) -> Tensor | None:
    """What the answers of an evaluated call were compared with."""
    from chainrule.diagnosis.doctor._criteria import NAMED

    tape = seen.tape
    answers = {i for c in tape.calls if c.parent is None and c.module is seen.forward.module for i in c.outputs}
    for operation in tape.operations:
        root = root_of(operation.call)
        if root is not None and root.module is seen.forward.module:
            continue
        if not answers.intersection(operation.inputs):
            continue
        others = [tape.values[i] for i in operation.inputs if i not in answers]
        data = [v.tensor for v in others if v.shape and v.kind not in ("parameter", "buffer") and v.tensor.numel()]
        if data and (operation.function in _COMPARING or operation.function in NAMED):
            return data[0]
        answers.update((*operation.results, *operation.changed))
    return None


def joined(parts: Sequence[Fed]) -> Fed | None:
    """Examples of several calls as one, each example once; of different shapes those of the commonest.

    Sequences of whole numbers of different lengths are filled with zeros.
    """
    parts = [part for part in parts if part.inputs.ndim and part.inputs.numel()]
    if not parts:
        return None
    if all(part.inputs.ndim == 2 and not part.inputs.is_floating_point() for part in parts):
        width = max(part.inputs.shape[1] for part in parts)
        parts = [Fed(_widened(part.inputs, width), part.targets, part.answers) for part in parts]
    parts = _commonest(parts)
    inputs = torch.cat([part.inputs for part in parts])
    paired = all(part.paired for part in parts)
    targets = torch.cat([p.targets for p in parts if p.targets is not None]) if paired else None
    answered = all(part.answers is not None and part.answers.ndim and len(part.answers) == len(part.inputs)
                   for part in parts)  # fmt: skip
    answers = torch.cat([p.answers for p in parts if p.answers is not None]) if answered else None
    rows = row_numbers(inputs)
    if rows is None or inputs.ndim < 2:
        return Fed(inputs, targets, answers)
    kept = _firsts(rows)
    pick = lambda tensor: None if tensor is None else tensor[kept]  # noqa: E731
    return Fed(inputs[kept], pick(targets), pick(answers))


def _commonest(parts: Sequence[Fed]) -> Sequence[Fed]:
    """The parts whose tensors can be joined: those of the commonest shape."""
    shape = lambda tensor: None if tensor is None else (tuple(tensor.shape[1:]), tensor.dtype)  # noqa: E731
    keys = [(shape(p.inputs), shape(p.targets), shape(p.answers)) for p in parts]
    best = max(keys, key=keys.count)
    return [part for part, key in zip(parts, keys) if key == best]


def _widened(inputs: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(inputs, (0, width - inputs.shape[1]))


def _firsts(rows: Tensor) -> Tensor:
    """The places at which each number stands first, in order."""
    order = torch.argsort(rows, stable=True)
    same = torch.zeros(len(rows), dtype=torch.bool)
    same[1:] = rows[order][1:] == rows[order][:-1]
    return order[~same].sort().values


def columns(inputs: Tensor) -> Tensor:
    """Examples as a table of floats, (N, D)."""
    return inputs.detach().reshape(len(inputs), -1).to(torch.float32)


def class_targets(fed: Fed | None) -> Tensor | None:
    """The classes of paired examples as whole numbers (N,); None where targets are something else."""
    if fed is None or fed.targets is None or not fed.paired:
        return None
    targets = fed.targets
    if targets.ndim > 1 and targets[0].numel() == 1:
        targets = targets.reshape(len(targets))
    if targets.ndim == 2 and targets.shape[1] > 1:
        ones = targets.max(1).values
        one_hot = bool(((targets == 0) | (targets == 1)).all()) and bool((targets.sum(1) == 1).all())
        return targets.argmax(1) if one_hot and bool((ones == 1).all()) else None
    if targets.ndim != 1:
        return None
    if not targets.is_floating_point():
        return targets.long()
    return targets.long() if bool((targets == targets.round()).all()) and len(targets.unique()) <= 2 else None


def number_targets(fed: Fed | None) -> Tensor | None:
    """One number for each example (N,): the target, or which of two classes it is; None where it is something else."""
    labels = class_targets(fed)
    if labels is not None:
        return labels.double() if len(labels.unique()) == 2 else None
    if fed is None or fed.targets is None or not fed.targets.is_floating_point() or not fed.targets.ndim:
        return None
    flat = fed.targets.reshape(len(fed.targets), -1)
    return flat[:, 0].double() if flat.shape[1] == 1 and bool(flat.isfinite().all()) else None
