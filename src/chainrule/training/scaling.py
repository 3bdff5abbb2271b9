"""The scale of a loss that is computed in 16 bits: as large as its gradients stay finite."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chainrule.runtime.precision import STEADY
from chainrule.training.task import TrainState


def too_large(state: TrainState, report: Mapping[str, float], norm: float) -> bool:
    """Return whether the scale, and nothing else, made a step's gradients infinite; then it is halved.

    After `STEADY` steps without that it is doubled. It is a function of what happened so far alone, and in every
    checkpoint; where nothing is scaled it stays 1.

    Source:
        Micikevicius et al. 2018 (mixed precision training).
    """
    if state.scale == 1:
        return False
    if not math.isfinite(norm) and all(map(math.isfinite, report.values())):
        state.scale, state.steady = max(1.0, state.scale / 2), 0
        return True
    state.steady += 1
    if state.steady == STEADY:
        state.scale, state.steady = state.scale * 2, 0
    return False
