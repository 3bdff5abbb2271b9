"""What is worth knowing of a network and no reason to act: notes."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor._criteria import upstream
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import CONVOLUTIONS, Affine, affine_layers, spot
from chainrule.diagnosis.doctor.findings import Fact, Finding

DEEP = 16
"""Affine layers in a row from which plain networks train worse than residual ones."""
AMPLE = 100
"""Parameters for each example from which a network can learn them by heart many times over."""


@check("bias-before-norm", "deep-without-skips", "layer-used-twice", "more-parameters-than-examples")
def remarks(case: Case) -> Iterator[Finding]:
    """Look at the first recorded step."""
    for batch in case.batches[:1]:
        yield from _bias(case, batch)
        yield from _deep(batch)
        yield from _twice(batch)
        yield from _ample(case, batch)


def _bias(case: Case, batch: Batch) -> Iterator[Finding]:
    norms = {o.inputs[0]: o for o in batch.tape.operations if o.function == "batch_norm"}
    for layer in affine_layers(batch):
        if layer.result in norms and (layer.operation.function in CONVOLUTIONS or layer.operation.function == "linear"):
            inputs = [i for i in layer.operation.inputs if len(batch.tape.values[i].shape) == 1]
            if inputs:
                yield Finding(
                    "bias-before-norm",
                    "a bias stands before batch normalization, which takes it away again",
                    "note",
                    0.9,
                    (Fact("numbers without effect", str(layer.fan_out)),),
                    "bias=False in layers that a batch norm follows",
                    spot(case, batch, layer.operation),
                )
                return


def _deep(batch: Batch) -> Iterator[Finding]:
    layers = affine_layers(batch)
    skips = [o for o in batch.tape.operations if o.function in ("+", "+=", "add", "cat", "concat")
             and sum(i in batch.learned and batch.made_by(i) is not None for i in o.inputs) > 1]  # fmt: skip
    if len({layer.weight for layer in layers}) >= DEEP and not skips:
        norms = any(o.function.endswith("_norm") for o in batch.tape.operations)
        yield Finding(
            "deep-without-skips",
            f"{len(layers)} layers follow each other without a skip connection{'' if norms else ' or a norm'}",
            "note",
            0.6,
            (Fact("layers with weights in a row", str(len(layers))),),
            "x + f(x) every two layers: deeper plain networks train worse, residual ones do not",
        )


def _twice(batch: Batch) -> Iterator[Finding]:
    uses: dict[int, list[Affine]] = {}
    for layer in affine_layers(batch):
        uses.setdefault(layer.weight, []).append(layer)
    for layers in uses.values():
        modules = [layer.operation.module for layer in layers]
        if len(modules) == 2 and modules[0] == modules[1] and modules[0] and _follows(batch, layers[0], layers[1]):
            yield Finding(
                "layer-used-twice",
                f"the layer `{modules[0]}` is used twice in one pass: both uses share its weights",
                "note",
                0.5,
                (Fact("uses", "2"),),
                "a layer of its own for each use, unless the weights are meant to be shared",
                modules[0],
            )
            return


def _follows(batch: Batch, first: Affine, second: Affine) -> bool:
    """Whether the second use works on what the first gave; twins that share a tower do not."""
    return any(operation.index == first.operation.index for operation in upstream(batch.tape, second.given))


def _ample(case: Case, batch: Batch) -> Iterator[Finding]:
    rows = {int(r) for f in case.forwards if f.learning and f.rows is not None for r in f.rows.tolist()}
    count = sum(p.numel() for p in case.parameters.values() if p.requires_grad)
    if rows and len(case.moves) > 1 and count > AMPLE * len(rows):
        yield Finding(
            "more-parameters-than-examples",
            f"{count:,} parameters for {len(rows):,} different examples: enough to learn them by heart",
            "note",
            0.5,
            (Fact("parameters for each example", f"{count / len(rows):,.0f}"),),
            "fewer or narrower layers, weight decay, dropout, augmentation, early stopping; look at validation",
        )
