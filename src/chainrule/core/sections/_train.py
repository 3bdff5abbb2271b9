"""The section `train`: how long, in which groups, and what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chainrule.core.sections._base import Count, Positive, Section, Share


class Train(Section):
    """How long, in which groups, and what is kept."""

    epochs: Positive | None = None
    """Passes over the training part; give either epochs or steps."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Updates of the weights; give either epochs or steps."""
    batch: Count = 64
    """Images a step."""
    parts: Count = 1
    """Pieces in which a step's images go through the network; less memory, the same step."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of weights, order, augmentation and dropout."""
    freeze: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Parameters that stay as they are, by name; `*` stands for any letters: `["conv1.*", "*bn*.weight"]`."""
    clip_norm: Positive | None = None
    """Scale the gradient down to this norm when it is larger."""
    clip_value: Positive | None = None
    """Clip each element of the gradient to plus or minus this."""
    ema: Annotated[Share, Field(gt=0)] | None = None
    """Decay of an exponential moving average of the weights, which is then what is evaluated and kept."""
    swa: Annotated[Share, Field(ge=0)] | None = None
    """Share of the run from which on the weights of all steps are averaged; the average is then evaluated and kept."""
    precision: Literal["float32", "bf16", "fp16", "float64"] = "float32"
    """Numbers of the computation. `bf16` and `fp16`: products in 16 bits, weights and sums in 32 (mixed precision; for
    `fp16` the loss is scaled). `float64`: all in 64, for comparisons."""
    recompute: bool = False
    """Compute the insides of each block anew on the way back, in place of keeping them: less memory, more time."""
    compile: Literal["no", "yes", "auto"] = "no"
    """Translate the network by torch's compiler. `auto`: where that was measured to save more time than it takes."""
    monitor: Literal["accuracy", "loss"] = "accuracy"
    """The validation metric that chooses the best weights."""
    patience: Count | None = None
    """Stop after so many evaluations without a new best."""
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between evaluations; 0: once an epoch."""
    evaluate_batch: Count = 500
    """Images in a group while evaluating."""
    keep_every: Annotated[int, Field(ge=0)] = 200
    """Steps between checkpoints; 0: only the first, the best and the last."""
    keep: Count = 2
    """Recent checkpoints that stay on disk, beside the best."""
    snapshots: Annotated[int, Field(ge=0)] = 0
    """Cycles of equal length at whose ends the checkpoint stays on disk, to answer together; 0: none."""
    log_every: Annotated[int, Field(ge=0)] = 0
    """Steps between lines of training metrics; 0: chosen so that there are at most 5,000."""
    look_every: Annotated[int, Field(ge=0)] | None = 0
    """Steps between looks at each layer (outputs, gradients, update ratio); 0: chosen so that they cost little; null:
    never."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, to `tensorboard` in the run folder; needs `chainrule[track]`."""
    non_finite: Literal["stop", "skip"] = "stop"
    """Where a loss or gradient is NaN or infinite: `stop` the run, or `skip` such steps as long as they are few."""
    out_of_memory: Literal["stop", "halve"] = "stop"
    """Where a step does not fit into memory: `stop`, or `halve` its pieces (twice as many `parts`)."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that prepare the data; the results do not depend on it."""
    worker_timeout: Positive = 120.0
    """Seconds that one of them may take for a step's data before it counts as stuck."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of the computation; 0: torch's choice. The last bits of the results depend on it."""
    shard: Count = 1
    """Processes over which the weights and the optimizer's state are laid out; 1: each process has all of them."""
    process_timeout: Positive = 120.0
    """Seconds that processes which share a training wait for each other."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it is computed; `auto`: on a graphics processor where there is one."""
    test: bool = True
    """Read the test part, once, at the end, with the best weights."""

    @model_validator(mode="after")
    def _one_length(self) -> Train:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self

    @model_validator(mode="after")
    def _one_average(self) -> Train:
        if self.ema is not None and self.swa is not None:
            raise ValueError("give either ema or swa: one average is kept")
        return self

    @property
    def deployed(self) -> str:
        """What is evaluated and kept: "model", or the name of an average."""
        return "ema" if self.ema is not None else "swa" if self.swa is not None else "model"


class TrainText(Train):
    """How long, in which groups, and what is kept."""

    batch: Count = 32
    """Texts that are read side by side in a step."""
    monitor: Literal["accuracy", "loss"] = "loss"
    """The validation metric that chooses the best weights."""
    evaluate_batch: Count = 64
    """Texts in a group while evaluating."""


class TrainWords(Train):
    """How long, in which groups, and what is kept."""

    batch: Count = 4096
    """Words of the text in a step; each gives the pairs with its neighbors."""
    monitor: Literal["accuracy", "loss"] = "loss"
    """The validation metric that chooses the best weights."""
    evaluate_batch: Count = 4096
    """Words in a group while evaluating."""


class TrainTexts(Train):
    """How long, in which groups, and what is kept."""

    batch: Count = 32
    """Texts a step."""
    tokens: Count | None = None
    """Tokens a step, padding included, in place of `batch`; needs `data.order: buckets`."""
    evaluate_batch: Count = 200
    """Texts in a group while evaluating."""


class TrainMasked(TrainTexts):
    """How long, in which groups, and what is kept."""

    monitor: Literal["accuracy", "loss"] = "loss"
    """The validation metric that chooses the best weights."""
    batch: Count = 64
    """Pieces of texts a step."""
    evaluate_batch: Count = 64
    """Pieces of texts in a group while evaluating."""


class TrainPairs(TrainText):
    """How long, in which groups, and what is kept."""

    batch: Count = 64
    """Pairs of a step, those of like length together."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Places of a step, padding included, on the side that takes more of them; then `batch` says nothing."""
