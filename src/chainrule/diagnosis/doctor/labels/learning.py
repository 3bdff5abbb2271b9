"""What can be wrong with learning: optimizers, rates, modes and the loop."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

LABELS: dict[str, Label] = {}
