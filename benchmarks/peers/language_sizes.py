"""What the contestants of `../language.py` have in common: sizes, and how a text is cut. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

EMBEDDING, LAYERS = 128, 2
UNITS = {"lstm-256": 256, "lstm-512": 512}
LANES, PIECE = 32, 64
WIDTH, BLOCKS, HEADS = 384, 6, 6
WINDOWS, LENGTH = 4, 256
RATE, DECAY, NORM = 0.001, 0.01, 1.0

Pair = tuple[Any, Any]


def lanes(tokens: Any) -> Iterator[Pair]:
    """Pieces of lanes that are read on and on, and what comes after each token: (LANES, PIECE) each."""
    count = (len(tokens) - 1) // (LANES * PIECE)
    used = count * LANES * PIECE
    inputs, targets = (np.asarray(part).reshape(LANES, count, PIECE) for part in (tokens[:used], tokens[1 : used + 1]))
    while True:
        for piece in range(count):
            yield inputs[:, piece], targets[:, piece]


def windows(tokens: Any, seed: int = 0) -> Iterator[Pair]:
    """Windows at random places, and what comes after each token: (WINDOWS, LENGTH) each."""
    draw = np.random.default_rng(seed)
    while True:
        places = draw.integers(0, len(tokens) - LENGTH - 1, WINDOWS)[:, None] + np.arange(LENGTH)
        yield tokens[places], tokens[places + 1]
