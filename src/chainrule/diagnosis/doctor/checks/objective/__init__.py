"""Checks of the objective: losses, outputs and metrics."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check

CHECKS: tuple[Check, ...] = ()
