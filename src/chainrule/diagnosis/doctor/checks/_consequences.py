"""What follows from a fault: labels of symptoms, of any group, that a finding of its cause explains."""

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
STANDSTILL = (
    "loss-does-not-move",
    "underfits",
    "one-batch-is-not-learned",
    "too-few-steps",
    "stopped-too-early",
    "rate-too-low",
    "dead-units",
    "saturated-units",
    "gradients-vanish",
    "labels-unrelated",
    "input-ignored",
    "initial-loss-off",
    "one-answer-for-all",
)
"""What follows from an objective that has little to do with the task, or whose gradients hardly arrive."""
BURST = (
    "input-ignored",
    "loss-diverges",
    "loss-oscillates",
    "rate-too-high",
    "gradients-explode",
    "clipped-to-nothing",
    "initial-loss-off",
    "one-answer-for-all",
)
"""What follows from one that is far too large, or has no floor."""
LEARNS_NOTHING = (
    "rate-too-low",
    "loss-does-not-move",
    "one-batch-is-not-learned",
    "one-answer-for-all",
    "too-few-steps",
    "stopped-too-early",
    "underfits",
)
"""What is seen when no step changes anything."""
LEARNS_BADLY = (
    "rate-too-high",
    "loss-diverges",
    "loss-oscillates",
    "rate-too-low",
    "loss-does-not-move",
)
"""What is seen when steps go too far."""
