"""What can be wrong with learning: optimizers, rates, modes and the loop."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label
from chainrule.diagnosis.doctor.labels.amount import AMOUNT
from chainrule.diagnosis.doctor.labels.held_out import HELD_OUT
from chainrule.diagnosis.doctor.labels.modes import MODES
from chainrule.diagnosis.doctor.labels.rates import RATES
from chainrule.diagnosis.doctor.labels.steps import STEPS
from chainrule.diagnosis.doctor.labels.weights import WEIGHTS

LABELS: dict[str, Label] = {**STEPS, **WEIGHTS, **HELD_OUT, **RATES, **MODES, **AMOUNT}
