"""How the scores of hidden words are learned and measured."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from chainrule.core.recipe import MaskedRecipe
from chainrule.data import Batch
from chainrule.metrics import Mean, Tally
from chainrule.optim import At
from chainrule.tasks._learning import Penalized
from chainrule.tasks._scoring import per_example_loss
from chainrule.training.objective import Separable
from chainrule.training.task import Carry


def masked_objective(recipe: MaskedRecipe) -> Separable:
    """Return the mean loss over the words that the network is asked for, and the penalty.

    Source:
        LECTURES H9. Devlin et al. 2018, BERT, 3.1.
    """
    loss, penalized = per_example_loss(recipe), Penalized(recipe)

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        scores = model(batch.inputs)  # (P, V)
        right = (scores.detach().argmax(1) == batch.targets).to(scores.dtype)
        return {"loss": loss(scores, batch.targets), "accuracy": right, **penalized(model)}, carry

    def count(batch: Batch) -> dict[str, float]:
        number = float(len(batch.targets))
        return {"loss": number, "accuracy": number, **penalized.count()}

    return Separable(values=values, count=count, weight={"loss": lambda at: 1.0, **penalized.weight()})


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
