"""Checks of the network: signals, gradients, and what may see what."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check

CHECKS: tuple[Check, ...] = ()
