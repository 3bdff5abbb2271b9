"""The plain PyTorch loop of `../language.py`, for any network `(tokens, state) -> (scores, state)`. Torch only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from language_sizes import DECAY, NORM, RATE, Pair
from torch import nn

State = Any


def plain_steps(model: nn.Module, batches: Iterator[Pair], steps: int) -> list[float]:
    """The times at which the steps of a plain loop ended: eager."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    criterion = nn.CrossEntropyLoss()
    times: list[float] = []
    state = None
    model.train()
    for _, (inputs, targets) in zip(range(steps), batches):
        x, y = torch.from_numpy(inputs).long(), torch.from_numpy(targets).long()
        optimizer.zero_grad()
        scores, state = model(x, state)
        criterion(scores.flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), NORM)
        optimizer.step()
        times.append(time.perf_counter())
    return times
