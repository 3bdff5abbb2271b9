"""The catalogue: every label that a finding can have. Known without torch."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels import data, ending, learning, network, objective
from chainrule.diagnosis.doctor.labels._label import Label

LABELS: dict[str, Label] = {**data.LABELS, **objective.LABELS, **learning.LABELS, **network.LABELS, **ending.LABELS}
