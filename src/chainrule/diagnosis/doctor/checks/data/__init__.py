"""Checks of the data: inputs, targets, and how they reach the network."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check

CHECKS: tuple[Check, ...] = ()
