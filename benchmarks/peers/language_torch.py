"""One contestant of `../language.py` that needs nothing but our own environment: our loop, or a plain PyTorch loop.

python language_torch.py ours|plain lstm-256|lstm-512|gpt --threads N --skipped N --counted N
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from language_sizes import (
    BLOCKS,
    DECAY,
    EMBEDDING,
    HEADS,
    LANES,
    LAYERS,
    LENGTH,
    NORM,
    PIECE,
    RATE,
    UNITS,
    WIDTH,
    WINDOWS,
    lanes,
    windows,
)
from plain_language import State, plain_steps
from torch import Tensor, nn
from turns import quiet_output, take_turns

from chainrule.tasks import open_recipe
from chainrule.tasks.language import Language
from training import ours


def job_of(what: str) -> Language:
    """The recipe with its text."""
    if what == "gpt":
        order: dict[str, Any] = {"order": "windows", "length": LENGTH}
        model: dict[str, Any] = {"name": "gpt", "width": WIDTH, "layers": BLOCKS, "num_heads": HEADS}
        model |= {"positions": "learned", "length": LENGTH, "activation": "gelu", "tie": True, "dropout": 0.0}
    else:
        order = {"order": "lanes", "length": PIECE}
        model = {"name": "recurrent", "cell": "lstm", "embedding": EMBEDDING, "width": UNITS[what], "layers": LAYERS}
    recipe = {
        "format": 1,
        "task": "language",
        "data": {"name": "tinyshakespeare", "tokenizer": "characters", **order},
        "model": model,
        "optim": {"name": "adamw", "lr": RATE, "weight_decay": DECAY},
        "train": {"steps": 1000, "batch": WINDOWS if what == "gpt" else LANES, "clip_norm": NORM},
    }
    return Language(open_recipe(recipe))


class PlainLstm(nn.Module):
    """Embedding, LSTM, scores."""

    def __init__(self, vocabulary: int, units: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, units, LAYERS, batch_first=True)
        self.head = nn.Linear(units, vocabulary)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Scores and the state, which no gradient goes back through."""
        x, (h, c) = self.lstm(self.embed(tokens), state)
        return self.head(x), (h.detach(), c.detach())


class PlainTransformer(nn.Module):
    """Embedding and positions, `nn.TransformerEncoder` with a causal mask, scores."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed, self.positions = nn.Embedding(vocabulary, WIDTH), nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(WIDTH)
        self.encoder = nn.TransformerEncoder(layer, BLOCKS, norm=norm, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Scores; there is no state."""
        x = self.embed(tokens) + self.positions.weight[: tokens.shape[1]]
        return self.head(self.encoder(x, mask=self.mask, is_causal=True)), None


def main(args: argparse.Namespace) -> None:
    """Get ready and take turns."""
    out = quiet_output()
    torch.set_num_threads(args.threads)
    job, steps = job_of(args.what), args.skipped + args.counted
    vocabulary, is_gpt = len(job.tokenizer.vocabulary), args.what == "gpt"
    model = job.model()
    if args.kind == "plain":
        model = PlainTransformer(vocabulary) if is_gpt else PlainLstm(vocabulary, UNITS[args.what])
        text = job.tokens[job.parts["train"].start : job.parts["train"].stop].numpy()
        batches = windows(text) if is_gpt else lanes(text)

    def turn() -> dict[str, Any]:
        times = ours(job, steps) if args.kind == "ours" else plain_steps(model, batches, steps)
        return {"seconds": float(np.median(np.diff(times)[args.skipped - 1 :]))}

    parameters = sum(p.numel() for p in model.parameters())
    take_turns(turn, {"tokens": WINDOWS * LENGTH if is_gpt else LANES * PIECE, "parameters": parameters}, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["ours", "plain"])
    parser.add_argument("what", choices=[*UNITS, "gpt"])
    for name in ("threads", "skipped", "counted"):
        parser.add_argument(f"--{name}", type=int, required=True)
    main(parser.parse_args())
