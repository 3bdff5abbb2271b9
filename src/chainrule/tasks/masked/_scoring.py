"""How the scores of hidden words are learned and measured."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.recipe import MaskedRecipe
from chainrule.data import Batch
from chainrule.metrics import Mean, Tally
from chainrule.tasks.job._scoring import mean_objective, per_example_loss
from chainrule.training.objective import Separable


def masked_objective(recipe: MaskedRecipe) -> Separable:
    """Return the mean loss over the words that the network is asked for, and the penalty.

    Source:
        LECTURES H9. Devlin et al. 2018, BERT, 3.1.
    """
    loss = per_example_loss(recipe)

    def scored(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        scores = model(batch.inputs)  # (P, V)
        return loss(scores, batch.targets), scores.detach().argmax(1) == batch.targets

    return mean_objective(recipe, scored, lambda batch: len(batch.targets))


class Measure:
    """`(model, batch) -> tallies` of loss, negative log-likelihood and accuracy of the words that are asked for.

    Args:
        recipe: Which loss.
    """

    def __init__(self, recipe: MaskedRecipe) -> None:
        self.loss = per_example_loss(recipe)

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores, words = model(batch.inputs).float(), batch.targets
        return {
            "loss": Mean.of(self.loss(scores, words)),
            "nats": Mean.of(functional.cross_entropy(scores, words, reduction="none")),
            "accuracy": Mean.of((scores.argmax(1) == words).float()),
        }
