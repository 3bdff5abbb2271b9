"""How the next token of a translation is learned and measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.recipe import Recipe, WriteRecipe
from chainrule.core.registry import Registry
from chainrule.core.sections import OWN
from chainrule.data import Batch
from chainrule.data.pair_examples import Told
from chainrule.data.windows import IGNORED
from chainrule.metrics import Mean, Tally
from chainrule.optim import TEACHING, At
from chainrule.runtime.rng import uniform
from chainrule.tasks.job._phase import Penalized
from chainrule.tasks.job._scoring import per_example_loss
from chainrule.tasks.tables import TABLES, options
from chainrule.training.objective import Separable
from chainrule.training.task import Carry

OwnWords = Callable[[nn.Module, Batch, float], Tensor]
"""`(network, batch, share of inputs that are the ground truth) -> scores (B, T, V)`."""


def translation_objective(recipe: WriteRecipe, told: OwnWords) -> Separable:
    """Return the mean loss over all tokens that are no padding, and the penalty.

    Args:
        recipe: Which loss, penalty and teaching.
        told: How a network reads its own words: `by_steps` or `in_two_passes`.

    Source:
        LECTURES G4 (scheduled sampling), G6.
    """
    loss, penalized = per_example_loss(recipe), Penalized(recipe)
    teaching = TEACHING.resolve(recipe.teaching.name)
    chosen = options(TABLES["teaching"], recipe.teaching, "teaching")

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        share = teaching(at.step, at.steps, **chosen)
        scores = forced(model, batch) if share >= 1 else told(model, batch, share)
        flat, targets = scores.flatten(0, 1), batch.targets.flatten()  # (B T, V), (B T)
        counts = (targets != IGNORED).to(flat.dtype)
        losses = loss(flat, targets.clamp(min=0)) * counts
        right = (flat.detach().argmax(1) == targets).to(flat.dtype)  # never where the target is none
        return {"loss": losses, "accuracy": right, **penalized(model)}, {}

    def count(batch: Batch) -> dict[str, float]:
        number = float((batch.targets != IGNORED).sum())
        return {"loss": number, "accuracy": number, **penalized.count()}

    return Separable(values=values, count=count, weight={"loss": lambda at: 1.0, **penalized.weight()})


def forced(model: nn.Module, batch: Batch) -> Float[Tensor, "b t v"]:
    """Return the scores where every input is the ground truth (teacher forcing)."""
    scores: Tensor = written(model, batch.inputs)[0]
    return scores


def written(model: nn.Module, told: Told) -> Any:
    """Return the scores of the token after each of those that are told, and the state after the last."""
    return model(told.target, model.encode(told.source))  # type: ignore[operator]


def by_steps(model: nn.Module, batch: Batch, share: float) -> Float[Tensor, "b t v"]:
    """Return the scores where each input is the ground truth with a probability, else drawn from the scores before it.

    Args:
        model: The network.
        batch: Its examples; what is drawn is a function of their keys.
        share: Of inputs that are the ground truth.

    Source:
        Bengio et al. 2015, 2.4.
    """
    tokens = batch.inputs.target
    truth, place = _coins(batch, share)
    state = model.encode(batch.inputs.source)  # type: ignore[operator]
    given, found = tokens[:, :1], []
    for t in range(tokens.shape[1]):
        scores, state = model(given, state)
        found.append(scores)
        if t + 1 < tokens.shape[1]:
            own = drawn(scores.detach(), place[:, t : t + 1])  # (B, 1)
            given = torch.where(truth[:, t + 1 : t + 2], tokens[:, t + 1 : t + 2], own)
    return torch.cat(found, 1)


def in_two_passes(model: nn.Module, batch: Batch, share: float) -> Float[Tensor, "b t v"]:
    """Return the scores of a second pass, whose inputs are the ground truth or drawn from the scores of the first.

    All places are computed at once, so what is drawn stands after the ground truth, not after what was drawn before.

    Args:
        model: The network.
        batch: Its examples; what is drawn is a function of their keys.
        share: Of inputs that are the ground truth.

    Source:
        Mihaylova, Martins 2019, Scheduled sampling for transformers.
    """
    tokens = batch.inputs.target
    truth, place = _coins(batch, share)
    state = model.encode(batch.inputs.source)  # type: ignore[operator]
    with torch.no_grad():
        first, _ = model(tokens, state)
        own = drawn(first, place)
    mixed = tokens.clone()
    mixed[:, 1:] = torch.where(truth[:, 1:], tokens[:, 1:], own[:, :-1])
    scores, _ = model(mixed, state)
    return scores


TOLD: dict[str, OwnWords] = {"steps": by_steps, "two passes": in_two_passes}
"""How a network can be given its own words; a model's card says which fits it."""


def teaching_of(recipe: Recipe, table: Registry) -> str:
    """Return how the network of a recipe reads its own words; step by step fits every one.

    Args:
        recipe: Which network.
        table: Where its name stands.
    """
    name = recipe.model.name
    return "steps" if name == OWN else str(table.entry(name).card.get("teaching", "steps"))


def drawn(scores: Float[Tensor, "b t v"], place: Float[Tensor, "b t"]) -> Int64[Tensor, "b t"]:
    """Return tokens drawn from the softmax of scores.

    Args:
        scores: Of each token.
        place: Random numbers in [0, 1): where in the sum of probabilities the token is looked for.

    Example:
        >>> drawn(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[0.7]])).tolist()
        [[1]]
    """
    sums = torch.softmax(scores.float(), dim=2).cumsum(2)
    return (sums <= place.unsqueeze(2)).sum(2).clamp(max=scores.shape[2] - 1)


def _coins(batch: Batch, share: float) -> tuple[Tensor, Tensor]:
    """Whether each input is the ground truth, and a random number for what is drawn where it is not."""
    shape = (batch.inputs.target.shape[1],)
    return uniform(batch.key, "teaching", shape) < share, uniform(batch.key, "drawn", shape)


class Measure:
    """`(model, batch) -> tallies` of loss, log-likelihood, accuracy and exact matches.

    `exact` is the share of sentences whose greedy translation is the reference: each token is the most probable one
    after the right ones before it.

    Args:
        recipe: Which loss.
    """

    def __init__(self, recipe: WriteRecipe) -> None:
        self.loss = per_example_loss(recipe)

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = forced(model, batch)
        counts = batch.targets != IGNORED
        right = scores.argmax(2) == batch.targets
        kept, truth = scores[counts].float(), batch.targets[counts]  # (n, V), (n,)
        return {
            "loss": Mean.of(self.loss(kept, truth)),
            "nats": Mean.of(functional.cross_entropy(kept, truth, reduction="none")),
            "accuracy": Mean.of(right[counts].float()),
            "exact": Mean.of((right | ~counts).all(1).float()),
        }
