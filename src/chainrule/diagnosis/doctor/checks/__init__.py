"""All checks, in the order in which they are asked: looks first, experiments after them."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks import data, learning, network, objective
from chainrule.diagnosis.doctor.checks._check import Check

CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (*data.CHECKS, *objective.CHECKS, *learning.CHECKS, *network.CHECKS),
        key=lambda each: each.experiment,
    )
)
