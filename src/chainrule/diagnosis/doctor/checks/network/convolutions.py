"""Convolutions over the wrong axis: over the features of embeddings, not over their places."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Batch, Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import spot
from chainrule.diagnosis.doctor.findings import Fact, Finding

KEEPING = frozenset({"dropout", "feature_dropout", "relu", "tanh", "gelu", "layer_norm", "*", "+", "contiguous"})
"""What leaves the axes where they are."""


@check("convolution-over-features")
def over_features(case: Case) -> Iterator[Finding]:
    """A conv1d is given (batch, places, features) straight from an embedding: its channels are the places."""
    for batch in case.batches[:1]:
        for operation in batch.tape.operations:
            if operation.function != "conv1d" or operation.call is None:
                continue
            shape = batch.tape.values[operation.inputs[0]].shape
            if len(shape) != 3 or not _embedded(batch, operation.inputs[0]):
                continue
            yield Finding(
                "convolution-over-features",
                f"the convolution runs along the {shape[2]} features of embeddings, and takes the {shape[1]} places "
                "for channels",
                "fault",
                0.93,
                (
                    Fact("what it is given", f"{tuple(shape)}: batch, places, features, as the embedding makes them"),
                    Fact("what conv1d takes", "batch, channels, places"),
                ),
                "embedded.transpose(1, 2) before it, with in_channels the width of the embedding",
                spot(case, batch, operation),
                None,
                ("underfits", "padding-seen"),
            )
            return


def _embedded(batch: Batch, value: int) -> bool:
    """Whether a value is what an embedding gave, its axes as they were."""
    for _ in range(6):
        made = batch.made_by(value)
        if made is None:
            return False
        if made.function == "embedding":
            return True
        if made.function not in KEEPING:
            return False
        value = next((i for i in made.inputs if i in batch.learned), made.inputs[0])
    return False
