"""Vision transformers: patches in their order, positions of two dimensions, one token for all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from chainrule.models import vit
from chainrule.models._vit import on_grid
from chainrule.nn.attention import sinusoidal

SMALL: dict[str, Any] = {"patch": 2, "width": 12, "layers": 2, "num_heads": 3}


def made(**options: Any) -> Any:
    torch.manual_seed(0)
    return vit((3, 4, 6), 5, **{**SMALL, **options}).double().eval()


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_it_is_cut_placed_encoded_and_pooled(pool: str) -> None:
    """The same, patch by patch, with the convolution as a product."""
    network = made(pool=pool)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    matrix, tokens = network.cut.weight.flatten(1), []
    for row in range(2):
        for column in range(3):
            patch = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
            tokens.append(patch @ matrix.T + network.cut.bias + network.places.weight[3 * row + column])
    if pool == "class":
        tokens.insert(0, (network.front.weight + network.front.place)[:, 0].expand(2, -1))
    found = network.encoder(torch.stack(tokens, 1))
    one = found[:, 0] if pool == "class" else found.mean(1)
    torch.testing.assert_close(network(x), network.head(one))


def test_positions_of_two_dimensions() -> None:
    grid, waves = made(positions="grid"), made(positions="sinusoidal")
    x = torch.zeros(1, 6, 12, dtype=torch.float64)
    placed = grid.places(x)[0].reshape(2, 3, 12)
    assert torch.equal(placed[:, 0, :6], placed[:, 2, :6])  # a row, whatever the column
    assert torch.equal(placed[0, :, 6:], placed[1, :, 6:])
    assert not torch.equal(placed[0, 0, :6], placed[1, 0, :6])
    wanted = on_grid(sinusoidal(2, 6), sinusoidal(3, 6))
    torch.testing.assert_close(waves.places(x)[0].float(), wanted)
    assert sum(p.numel() for p in grid.places.parameters()) == 2 * 6 + 3 * 6
    assert not list(waves.places.parameters())


@pytest.mark.parametrize("positions", ["none", "learned", "grid", "sinusoidal"])
def test_only_without_positions_the_patches_are_a_set(positions: str) -> None:
    network = made(positions=positions)
    x = torch.randn(1, 3, 4, 6, dtype=torch.float64)
    turned = torch.cat([x[..., 2:], x[..., :2]], dim=-1)  # whole patches change places
    apart = (network(x) - network(turned)).abs().max()
    assert (apart < 1e-12) == (positions == "none")
