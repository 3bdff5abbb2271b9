"""What can be wrong with the network: signals, gradients, and what may see what."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

LABELS: dict[str, Label] = {}
