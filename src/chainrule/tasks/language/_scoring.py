"""How the scores of the next token are learned and measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.recipe import LanguageRecipe
from chainrule.data import Batch
from chainrule.data.lanes import Lanes
from chainrule.data.windows import IGNORED
from chainrule.metrics import Mean, Tally
from chainrule.optim import At
from chainrule.tasks.job._phase import Penalized
from chainrule.tasks.job._scoring import per_example_loss
from chainrule.training.objective import Separable
from chainrule.training.task import Carry

PIECE = 2**25
"""Scores that are computed at once while measuring: 128 MB of float32."""


def next_token_objective(recipe: LanguageRecipe, lanes: Lanes | None) -> Separable:
    """Return the mean loss over all tokens that count, and the penalty.

    Args:
        recipe: Which loss and penalty.
        lanes: Where the state goes on from step to step, the pieces that it reads; None where it begins anew.

    Source:
        LECTURES G1 (gradients of all steps are added), G4.
    """
    loss, penalized = per_example_loss(recipe), Penalized(recipe)

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        state = None if lanes is None or lanes.is_first(batch.index) or not carry else carry
        scores, after = model(batch.inputs, state)
        flat, targets = scores.flatten(0, 1), batch.targets.flatten()  # (B T, V), (B T)
        found = {"loss": loss(flat, targets), "accuracy": (flat.detach().argmax(1) == targets).float()}
        on = {} if lanes is None else {name: value.detach() for name, value in after.items()}
        return {**found, **penalized(model)}, on

    def count(batch: Batch) -> dict[str, float]:
        number = float(batch.targets.numel())
        return {"loss": number, "accuracy": number, **penalized.count()}

    return Separable(values=values, count=count, weight={"loss": lambda at: 1.0, **penalized.weight()})


class Measure:
    """`(model, batch) -> tallies` of loss, accuracy and bits a character, over the tokens that count.

    What would need too much memory at once is read in parts: some of the rows; or, where the state goes on, some of the
    steps of all rows, each part with the state that the one before left.

    Args:
        recipe: Which loss.
        vocabulary: How many tokens there are.
        tokens_a_character: How many tokens of the part a character is: bits are counted by characters, so that
            tokenizers can be compared.
    """

    def __init__(self, recipe: LanguageRecipe, *, vocabulary: int, tokens_a_character: float) -> None:
        self.loss = per_example_loss(recipe)
        self.goes_on = recipe.data.order == "lanes"
        self.vocabulary, self.tokens_a_character = vocabulary, tokens_a_character

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        losses, entropies, right = [], [], []
        for scores, targets in self._scores(model, batch):
            counts = targets != IGNORED
            kept, truth = scores[counts].float(), targets[counts]  # (n, V), (n,)
            losses.append(self.loss(kept, truth))
            entropies.append(functional.cross_entropy(kept, truth, reduction="none"))
            right.append((kept.argmax(1) == truth).float())
        bits = torch.cat(entropies) * (self.tokens_a_character / math.log(2))
        return {"loss": Mean.of(torch.cat(losses)), "accuracy": Mean.of(torch.cat(right)), "bits": Mean.of(bits)}

    def _scores(self, model: nn.Module, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """Scores and targets, part by part."""
        rows, width = batch.inputs.shape
        state = None
        if self.goes_on:
            steps = max(1, PIECE // (rows * self.vocabulary))
            for inputs, targets in zip(batch.inputs.split(steps, 1), batch.targets.split(steps, 1), strict=True):
                scores, state = model(inputs, state)
                yield scores, targets
            return
        count = max(1, PIECE // (width * self.vocabulary))
        for inputs, targets in zip(batch.inputs.split(count), batch.targets.split(count), strict=True):
            yield model(inputs, None)[0], targets
