"""Checks of learning: optimizers, rates, modes and the loop."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.learning.amount import (
    handful_of_steps,
    loss_oscillates,
    one_at_a_time,
    time_beside_steps,
    too_few_steps,
)
from chainrule.diagnosis.doctor.checks.learning.clipping import clipped_to_nothing, clipping_without_effect
from chainrule.diagnosis.doctor.checks.learning.gradients import (
    accumulation_forgets,
    accumulation_not_divided,
    cleared_before_step,
    gradients_not_cleared,
)
from chainrule.diagnosis.doctor.checks.learning.kept import (
    best_weights_not_copied,
    evaluated_another_model,
    graph_kept,
)
from chainrule.diagnosis.doctor.checks.learning.modes import (
    evaluated_in_training_mode,
    gradients_in_evaluation,
    trained_in_evaluation_mode,
)
from chainrule.diagnosis.doctor.checks.learning.options import epsilon, momentum, weight_decay
from chainrule.diagnosis.doctor.checks.learning.outcome import one_batch
from chainrule.diagnosis.doctor.checks.learning.overfitting import overfits
from chainrule.diagnosis.doctor.checks.learning.ownership import (
    frozen_at_random,
    optimizer_made_anew,
    optimizer_of_another_model,
    parameters_left_out,
)
from chainrule.diagnosis.doctor.checks.learning.rates import loss_at_the_end, rate
from chainrule.diagnosis.doctor.checks.learning.regularizing import batch_norm, dropout_too_strong
from chainrule.diagnosis.doctor.checks.learning.schedules import (
    rate_is_zero,
    rate_rises,
    schedule_kills_rate,
    schedule_steps,
)
from chainrule.diagnosis.doctor.checks.learning.steps import (
    backward_never_called,
    step_called_twice,
    step_never_called,
)

CHECKS: tuple[Check, ...] = (
    gradients_not_cleared,
    cleared_before_step,
    accumulation_forgets,
    backward_never_called,
    step_never_called,
    step_called_twice,
    optimizer_of_another_model,
    parameters_left_out,
    frozen_at_random,
    optimizer_made_anew,
    clipping_without_effect,
    rate_is_zero,
    schedule_steps,
    loss_at_the_end,
    loss_oscillates,
    best_weights_not_copied,
    evaluated_another_model,
    graph_kept,
    gradients_in_evaluation,
    time_beside_steps,
    handful_of_steps,
    evaluated_in_training_mode,
    trained_in_evaluation_mode,
    one_at_a_time,
    too_few_steps,
    accumulation_not_divided,
    momentum,
    epsilon,
    clipped_to_nothing,
    schedule_kills_rate,
    rate_rises,
    weight_decay,
    dropout_too_strong,
    rate,
    batch_norm,
    one_batch,
    overfits,
)
