"""What a block costs: 2 n^2 D multiply-adds in attention, 12 n D^2 beside it, and no path longer than one step."""

from __future__ import annotations

import pytest
import torch

from chainrule.analysis.design import design_network
from chainrule.nn.attention import Encoder


@pytest.mark.parametrize("tokens", [5, 96, 700])
def test_the_multiply_adds_of_a_block(tokens: int) -> None:
    dim = 16
    rows = design_network(Encoder(dim, num_heads=4, depth=1), [torch.zeros(1, tokens, dim)]).rows
    attention = sum(row.multiply_adds or 0 for row in rows if "scaled_dot_product" in row.label)
    every = sum(row.multiply_adds or 0 for row in rows[1:])
    assert attention == 2 * tokens**2 * dim
    assert every - attention == 12 * tokens * dim**2
    assert (attention == every - attention) == (tokens == 6 * dim)


def test_every_token_reaches_every_other_in_one_step() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 9, 8, requires_grad=True)
    y = Encoder(8, num_heads=2, depth=1)(x)
    for place in range(9):
        (gradient,) = torch.autograd.grad((y[0, place] * torch.randn(8)).sum(), x, retain_graph=True)
        assert bool((gradient[0].abs().sum(-1) > 0).all())
