"""What follows from faults of the data: labels of findings, of any group, that are explained by them."""

from __future__ import annotations

LEARNS_LITTLE = (
    "underfits",
    "loss-does-not-move",
    "loss-oscillates",
    "one-answer-for-all",
    "one-batch-is-not-learned",
    "rate-too-low",
    "too-few-steps",
    "stopped-too-early",
    "input-ignored",
    "part-of-input-unseen",
)
"""The network learns less than it could."""
NOT_FINITE = (
    "loss-diverges",
    "exponential-overflows",
    "log-of-zero",
    "division-by-zero",
    "root-at-zero",
    "gradients-explode",
    "rate-too-high",
    "initial-loss-off",
    *LEARNS_LITTLE,
)
"""Nothing can be computed any more."""
