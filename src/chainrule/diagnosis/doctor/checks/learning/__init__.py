"""Checks of learning: optimizers, rates, modes and the loop."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check

CHECKS: tuple[Check, ...] = ()
