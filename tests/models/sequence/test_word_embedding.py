"""The network of word vectors beside the book: value and gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule import formulas
from chainrule.core.errors import RecipeError
from chainrule.data.word_pairs import Questions
from chainrule.losses import binary_cross_entropy
from chainrule.models import WORD_MODELS
from chainrule.models.sequence._embedding import WordEmbedding
from chainrule.nn._candidate_scores import candidate_scores


def test_scores_and_gradients_are_those_of_rows_looked_up() -> None:
    generator = torch.Generator().manual_seed(0)
    known = torch.randn(7, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    table = torch.randn(9, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    candidates = torch.randint(0, 9, (7, 5), generator=generator)
    plain = torch.einsum("pd,pkd->pk", known, table[candidates])
    scores = candidate_scores(known, table, candidates)
    torch.testing.assert_close(scores, plain)
    weight = torch.randn(7, 5, dtype=torch.float64, generator=generator)
    for found, wanted in zip(
        torch.autograd.grad((scores * weight).sum(), (known, table)),
        torch.autograd.grad((plain * weight).sum(), (known, table)),
    ):
        torch.testing.assert_close(found, wanted)
    assert torch.autograd.gradcheck(lambda k, t: candidate_scores(k, t, candidates), (known, table))
    assert candidate_scores(known[:0], table, candidates[:0]).shape == (0, 5)
    (alone,) = torch.autograd.grad(candidate_scores(known.detach(), table, candidates).sum(), table)
    assert alone.shape == table.shape


@pytest.mark.parametrize("inputs", [[[5], [4]], [[5, 6, 0, 0], [4, 4, 7, 5]]], ids=["skip-gram", "cbow"])
def test_loss_and_gradient_are_the_formulas(inputs: list[list[int]]) -> None:
    torch.manual_seed(0)
    network = WordEmbedding(8, dim=3).double()
    torch.nn.init.normal_(network.embed.weight)
    torch.nn.init.normal_(network.context.weight)
    candidates = [[7, 4, 6], [5, 0, 7]]  # the second has one word of noise less
    questions = Questions(torch.tensor(inputs), torch.tensor(candidates))
    losses = binary_cross_entropy(network(questions), torch.zeros(2, dtype=torch.int64))
    losses.sum().backward()
    E, U = (weight.detach().numpy() for weight in (network.embed.weight, network.context.weight))
    dE, dU = np.zeros_like(E), np.zeros_like(U)
    for row, words in enumerate(inputs):
        there = [word for word in words if word]
        asked = [word for word in candidates[row] if word]
        h, of_mean = formulas.mean_vector_forward(E, there)
        loss, cache = formulas.negative_sampling_forward(h, U[asked])
        assert losses[row].item() == pytest.approx(loss, rel=1e-12)
        dh, du = formulas.negative_sampling_backward(1.0, cache)
        dE += formulas.mean_vector_backward(dh, of_mean)
        np.add.at(dU, asked, du)
    np.testing.assert_allclose(network.embed.weight.grad, dE, atol=1e-12)
    np.testing.assert_allclose(network.context.weight.grad, dU, atol=1e-12)


def test_it_is_registered_and_begins_small() -> None:
    network = WORD_MODELS.resolve("word_embedding")(20, dim=10)
    assert network.embed.weight.detach().abs().max() <= 0.05
    assert not network.context.weight.any()
    assert not network.embed.weight[0].any()
    with pytest.raises(RecipeError, match="dim at least 1"):
        WordEmbedding(5, dim=0)
