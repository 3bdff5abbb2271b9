"""A picture into a sentence: a convolutional network that sees regions, and a network that writes about them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from chainrule.data.normalize import FLOOR
from chainrule.models.sequence._state import State


class Captioner(nn.Module):
    """Encoder and decoder: `regions(pictures)`, then `encode(regions)`, then tokens one by one.

    The encoder is not trained: what it sees of a picture can be computed once and kept. Pictures differ far less in it
    than regions of one picture do, so what writes is given (regions - mean) / deviation, number by number.

    Args:
        encoder: From a picture (B, C, H, W) to maps (B, E, h, w).
        decoder: `encode(regions) -> state` and `(tokens, state) -> (scores, state)`, of `CAPTION_MODELS` for example.
        features: Numbers of a region, E.
        grid: Regions on each side, to which maps are averaged; as many as there are places when left out.

    Shapes:
        pictures (B, C, H, W) -> regions (B, R, E), row by row; tokens (B, T) -> scores (B, T, V).

    Example:
        >>> import torch
        >>> from chainrule.models import CAPTION_MODELS
        >>> decoder = CAPTION_MODELS.resolve("caption_attention")(20, 8, width=16)
        >>> model = Captioner(nn.Conv2d(3, 8, 5, stride=5), decoder, features=8, grid=2).eval()
        >>> regions = model.regions(torch.randn(1, 3, 20, 20))
        >>> scores, state = model(torch.tensor([[2, 8]]), model.encode(regions))
        >>> regions.shape, scores.shape
        (torch.Size([1, 4, 8]), torch.Size([1, 2, 20]))

    Source:
        LECTURES G8.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, features: int, grid: int | None = None) -> None:
        super().__init__()
        self.encoder, self.decoder, self.grid = encoder, decoder, grid
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    def measure(self, regions: Float[Tensor, "n r e"]) -> None:
        """Take mean and deviation from the regions of the training part.

        A number that is (nearly) always the same is divided by a tenth of the deviation over all numbers.
        """
        square, mean = torch.var_mean(regions.flatten(0, 1).double(), dim=0, correction=0)  # (E,)
        self.mean.copy_(mean)
        self.deviation.copy_(square.sqrt().clamp(min=float(FLOOR * square.mean().sqrt())).clamp(min=1e-12))

    def regions(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b r e"]:
        """Return what is seen in each region, from the upper left to the lower right."""
        return maps_to_regions(self.encoder(pictures), self.grid)

    def encode(self, regions: Float[Tensor, "b r e"]) -> dict[str, Tensor]:
        """Return the state that a look at the regions leaves."""
        state: dict[str, Tensor] = self.decoder.encode((regions - self.mean) / self.deviation)  # type: ignore[operator]
        return state

    def forward(self, tokens: Int64[Tensor, "b t"], state: State | None) -> Any:
        """Return the scores of the token after each, and the state after the last."""
        return self.decoder(tokens, state)


def maps_to_regions(maps: Float[Tensor, "b e h w"], grid: int | None = None) -> Float[Tensor, "b r e"]:
    """Return the places of maps as regions, row by row.

    Args:
        maps: The last ones of a convolutional network.
        grid: Regions on each side, to which the places are averaged.

    Example:
        >>> import torch
        >>> maps_to_regions(torch.arange(4.0).reshape(1, 1, 2, 2)).flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]

    Source:
        LECTURES G8. Xu et al. 2015, 3.1.1.
    """
    if grid is not None:
        maps = functional.adaptive_avg_pool2d(maps, grid)
    return maps.flatten(2).transpose(1, 2).contiguous()  # (B, E, h, w) -> (B, h w, E)
