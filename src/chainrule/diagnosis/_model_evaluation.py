"""Checks 6 to 11 of a network: what one example's scores may depend on."""

from __future__ import annotations

import torch

from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, check
from chainrule.diagnosis._compare import require_near
from chainrule.diagnosis._model_subject import RANDOM, ModelSubject, everything, scores, seeded, without_randomness


@check(
    "two evaluations of one input are equal, bit for bit",
    "a prediction can be repeated",
    "dropout by `functional.dropout` without `training=self.training`, or a state that a forward pass changes",
)
def eval_twice(subject: ModelSubject) -> Evidence:
    network, x, other = subject.like(subject.settled), subject.inputs(3), subject.inputs(3, salt=1)
    first = scores(network, x)
    require_near("the same input again", scores(network, x), first, 0)
    scores(network, other)
    require_near("the same input after another one", scores(network, x), first, 0)
    return Evidence("three times the same bits")


@check(
    "training mode is random only where modules say so, and follows the seed",
    "a step of a training can be repeated, and resumed",
    "numbers from NumPy or `random`, or noise in a forward pass instead of in a module such as nn.Dropout",
)
def declared_randomness(subject: ModelSubject) -> Evidence:
    network, x = subject.network().train(), subject.inputs(4)
    with torch.no_grad():
        outputs = []
        for seed in (1, 1, 2):
            with seeded(subject.seed + seed):
                outputs.append(everything(network(x.clone())))
        require_near("twice from one seed", outputs[1], outputs[0], 0)
        with without_randomness(network):
            quiet = []
            for seed in (3, 4):
                with seeded(subject.seed + seed):
                    quiet.append(everything(network(x.clone())))
            require_near("two seeds, with the modules that are random standing still", quiet[1], quiet[0], 0)
    count = sum(isinstance(module, RANDOM) for module in network.modules())
    return Evidence(f"{count} modules that are random, equal for one seed", random_modules=count)


@check(
    "an example's scores do not depend on the other examples",
    "what a network says about a picture is about that picture",
    "statistics of the batch in evaluation mode: a norm without running averages, a division by the largest of a batch",
)
def other_examples(subject: ModelSubject) -> Evidence:
    network, x = subject.double, subject.inputs(4).double()
    wanted = scores(network, x)[:2]
    worst = 0.0
    for salt, scale in ((1, 1.0), (2, 1000.0), (3, 0.0)):
        others = torch.cat([x[:2], subject.inputs(2, salt=salt).double() * scale])
        found = scores(network, others)[:2]
        worst = max(worst, require_near("the scores beside other examples", found, wanted, 1e-12))
    return Evidence(f"differ by at most {worst:.1g} beside others, 1,000 times larger ones too", difference=worst)


@check(
    "one by one as in a batch",
    "the batch size is a matter of speed alone",
    "a shape such as (1, ...) written down for the batch, or a mean or a position along the first axis",
)
def batching(subject: ModelSubject) -> Evidence:
    gaps = []
    for network, x, limit in (
        (subject.double, subject.inputs(5).double(), 1e-12),
        (subject.settled, subject.inputs(5), 1e-5),
    ):
        together = scores(network, x)
        alone = torch.cat([scores(network, one[None]) for one in x])
        kind = str(x.dtype).removeprefix("torch.")
        gaps.append(require_near(f"one by one in {kind}", alone, together, limit))
    return Evidence(f"float64 {gaps[0]:.1g}, float32 {gaps[1]:.1g} apart", float64=gaps[0], float32=gaps[1])


@check(
    "permuting the batch permutes the output",
    "the order of the examples carries no meaning",
    "something that is counted along the batch, or examples that are compared with their neighbors",
)
def permutation(subject: ModelSubject) -> Evidence:
    network, x = subject.double, subject.inputs(5).double()
    order = torch.tensor([3, 0, 4, 1, 2])
    apart = require_near("the permuted batch", scores(network, x[order]), scores(network, x)[order], 1e-12)
    return Evidence(f"differs by {apart:.1g}", difference=apart)


@check(
    "padding does not change what is real",
    "sequences of different lengths can stand in one batch",
    "a mask that is left out of an attention or a mean",
)
def padding(subject: ModelSubject) -> Evidence:
    raise DoesNotApply("its inputs are images or vectors of one size, not sequences of different lengths")


EVALUATION: tuple[Check[ModelSubject], ...] = (
    eval_twice,
    declared_randomness,
    other_examples,
    batching,
    permutation,
    padding,
)
"""Checks 6 to 11."""
