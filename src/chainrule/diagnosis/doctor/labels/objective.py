"""What can be wrong with the objective: losses, outputs and metrics."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

LABELS: dict[str, Label] = {}
