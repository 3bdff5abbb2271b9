"""What can be wrong with the data: inputs, targets, and how they reach the network."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

LABELS: dict[str, Label] = {}
