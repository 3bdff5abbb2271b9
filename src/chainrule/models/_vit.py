"""Vision transformers: an image as a sequence of patches."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, unknown
from chainrule.models._checks import check_image, check_share
from chainrule.nn.attention import Encoder, sinusoidal

POSITIONS = ("learned", "grid", "sinusoidal", "none")
POOLS = ("class", "mean")


def vit(
    shape: tuple[int, ...],
    classes: int,
    *,
    patch: int = 4,
    width: int = 64,
    layers: int = 4,
    num_heads: int = 4,
    hidden: int = 0,
    pool: Literal["class", "mean"] = "mean",
    positions: Literal["learned", "grid", "sinusoidal", "none"] = "learned",
    dropout: float = 0.0,
) -> nn.Module:
    """Return a vision transformer: patches, embedded and placed, go through an encoder; one linear layer tells.

    Args:
        shape: (C, H, W), H and W multiples of `patch`.
        classes: Number of scores.
        patch: Pixels of a side of a patch, P; an image has (H / P) (W / P) of them.
        width: Numbers of a token, D.
        layers: Blocks of the encoder.
        num_heads: Attentions side by side in a block.
        hidden: Numbers between the two layers of a feed-forward network; 0: four times `width`.
        pool: What the scores are taken of: class, a token of its own that begins as a learned vector (the paper), or
            mean, the average of all patches.
        positions: learned, a vector for each place (the paper); grid, one for its row beside one for its column;
            sinusoidal, the same of waves, nothing to learn; none.
        dropout: On the embeddings, the attention's weights, the hidden numbers, and what each part adds.

    Raises:
        RecipeError: Patches that do not fill the images, or options that do not go together.

    Example:
        >>> with torch.device("meta"):
        ...     network = vit((3, 224, 224), 1000, patch=16, width=768, layers=12, num_heads=12, pool="class")
        >>> sum(p.numel() for p in network.parameters())
        86567656

    Source:
        LECTURES H11; Dosovitskiy et al. 2021, An image is worth 16x16 words, section 3.1 and table 1.

    Departures:
        The paper drops nothing in attention itself; here `dropout` acts wherever it acts in language.
    """
    _check(shape, patch, width, layers, num_heads, hidden, pool=pool, positions=positions)
    check_share(dropout)
    channels, rows, columns = shape[0], shape[1] // patch, shape[2] // patch
    cut = nn.Conv2d(channels, width, patch, patch)
    nn.init.trunc_normal_(cut.weight, std=(channels * patch * patch) ** -0.5)
    nn.init.zeros_(cut.bias)  # type: ignore[arg-type]
    places = PLACES[positions](rows, columns, width)
    encoder = Encoder(width, num_heads=num_heads, depth=layers, hidden=hidden, dropout=dropout)
    front = ClassToken(width, placed=positions != "none") if pool == "class" else nn.Identity()
    head = nn.Linear(width, classes)
    nn.init.trunc_normal_(head.weight, std=0.02)
    nn.init.zeros_(head.bias)
    return VisionTransformer(
        cut, places, front, nn.Dropout(dropout), encoder, First() if pool == "class" else Mean(), head
    )


class VisionTransformer(nn.Module):
    """Patches, their places, perhaps a token before them, the encoder, one token of all, scores.

    Args:
        cut: The convolution that embeds each patch by itself.
        places: Adds positions to tokens.
        front: Sets a token before them, or nothing.
        drop: Of the embeddings.
        encoder: Tokens to tokens.
        pool: Tokens to one.
        head: That to scores.
    """

    def __init__(
        self,
        cut: nn.Conv2d,
        places: nn.Module,
        front: nn.Module,
        drop: nn.Module,
        encoder: nn.Module,
        pool: nn.Module,
        head: nn.Linear,
    ) -> None:
        super().__init__()
        self.cut, self.places, self.front, self.drop = cut, places, front, drop
        self.encoder, self.pool, self.head = encoder, pool, head

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the scores."""
        tokens = self.cut(x).flatten(2).transpose(1, 2)  # (N, T, D), row by row
        return self.head(self.pool(self.encoder(self.drop(self.front(self.places(tokens))))))


class Learned(nn.Module):
    """A learned vector for each place.

    Args:
        rows: Of patches.
        columns: Of patches.
        dim: Numbers of a token.
    """

    def __init__(self, rows: int, columns: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows * columns, dim))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return tokens with their places."""
        return x + self.weight


class Grid(nn.Module):
    """A learned vector for the row, in the first half of the numbers, and one for the column, in the others.

    Args:
        rows: Of patches.
        columns: Of patches.
        dim: Numbers of a token.
    """

    def __init__(self, rows: int, columns: int, dim: int) -> None:
        super().__init__()
        self.rows, self.columns = (
            nn.Parameter(torch.empty(rows, dim // 2)),
            nn.Parameter(torch.empty(columns, dim - dim // 2)),
        )
        nn.init.trunc_normal_(self.rows, std=0.02)
        nn.init.trunc_normal_(self.columns, std=0.02)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return tokens with their places."""
        return x + on_grid(self.rows, self.columns)


class Waves(nn.Module):
    """Sines and cosines of the row, in the first half of the numbers, and of the column, in the others.

    Args:
        rows: Of patches.
        columns: Of patches.
        dim: Numbers of a token.
    """

    def __init__(self, rows: int, columns: int, dim: int) -> None:
        super().__init__()
        table = on_grid(sinusoidal(rows, dim // 2), sinusoidal(columns, dim - dim // 2))
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return tokens with their places."""
        table: Tensor = self.table  # type: ignore[assignment]
        return x + table


class Nowhere(nn.Identity):
    """Patches as a set.

    Args:
        rows: Of patches.
        columns: Of patches.
        dim: Numbers of a token.
    """


PLACES = {"learned": Learned, "grid": Grid, "sinusoidal": Waves, "none": Nowhere}


class ClassToken(nn.Module):
    """Sets a learned token before the others; its position, if it has one, is part of it.

    Args:
        dim: Numbers of a token.
        placed: Whether a position of its own is added, as published weights have it.
    """

    def __init__(self, dim: int, *, placed: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, dim))
        self.place = nn.Parameter(torch.empty(1, 1, dim)) if placed else None
        if self.place is not None:
            nn.init.trunc_normal_(self.place, std=0.02)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t1 d"]:
        """Return one token more."""
        token = self.weight if self.place is None else self.weight + self.place
        return torch.cat([token.expand(x.shape[0], 1, -1), x], dim=1)


class First(nn.Module):
    """The first token."""

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n d"]:
        """Return it."""
        return x[:, 0]


class Mean(nn.Module):
    """The mean of all tokens."""

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n d"]:
        """Return it."""
        return x.mean(1)


def on_grid(rows: Float[Tensor, "r a"], columns: Float[Tensor, "c b"]) -> Float[Tensor, "t d"]:
    """Return the vector of its row beside that of its column for each place, row by row, (R C, A + B).

    Example:
        >>> on_grid(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0]])).tolist()
        [[1.0, 3.0], [1.0, 4.0], [2.0, 3.0], [2.0, 4.0]]
    """
    high, wide = len(rows), len(columns)
    return torch.cat([rows.repeat_interleave(wide, 0), columns.repeat(high, 1)], dim=1)


def _check(
    shape: tuple[int, ...],
    patch: int,
    width: int,
    layers: int,
    num_heads: int,
    hidden: int,
    *,
    pool: str,
    positions: str,
) -> None:
    if patch < 1 or layers < 1 or hidden < 0:
        got = f"patch {patch}, layers {layers}, hidden {hidden}"
        raise RecipeError("vit: nothing can be built", expected="patch and layers at least 1", got=got)
    check_image(
        shape, patch, f"vit cuts its images into patches of {patch}x{patch}", remedy="give a smaller --model.patch"
    )
    if shape[1] % patch or shape[2] % patch:
        fits = [one for one in range(1, min(shape[1:]) + 1) if not shape[1] % one and not shape[2] % one]
        raise RecipeError(
            f"vit: patches of {patch}x{patch} do not fill the images",
            expected=f"patch {', '.join(map(str, fits))}",
            got=f"{shape[1]}x{shape[2]}",
        )
    if num_heads < 1 or width < 2 or width % num_heads:
        raise RecipeError("vit: the heads do not divide the width", expected=f"a divisor of {width}", got=num_heads)
    for name, value, known in (("pool", pool, POOLS), ("positions", positions, POSITIONS)):
        if value not in known:
            raise RecipeError(f'vit: there is no {name} "{value}"', remedy=unknown(name, value, list(known)))
