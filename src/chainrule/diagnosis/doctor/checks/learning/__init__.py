"""Checks of learning: optimizers, rates, modes and the loop."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.learning.again import through_same_past
from chainrule.diagnosis.doctor.checks.learning.amount import (
    handful_of_steps,
    loss_oscillates,
    one_at_a_time,
    too_few_steps,
)
from chainrule.diagnosis.doctor.checks.learning.anew import model_made_anew
from chainrule.diagnosis.doctor.checks.learning.averages import average_too_slow, average_without_statistics
from chainrule.diagnosis.doctor.checks.learning.clipping import clipped_to_nothing, clipping_without_effect
from chainrule.diagnosis.doctor.checks.learning.copies import copy_is_itself
from chainrule.diagnosis.doctor.checks.learning.debugging import debugging_left_on
from chainrule.diagnosis.doctor.checks.learning.directions import best_in_wrong_direction, plateau_in_wrong_mode
from chainrule.diagnosis.doctor.checks.learning.folds import kept_between_folds
from chainrule.diagnosis.doctor.checks.learning.gradients import (
    accumulation_forgets,
    accumulation_not_divided,
    cleared_before_step,
    gradients_not_cleared,
    loss_cleared_away,
)
from chainrule.diagnosis.doctor.checks.learning.held_out import learns_from_validation
from chainrule.diagnosis.doctor.checks.learning.kept import (
    best_weights_not_copied,
    evaluated_another_model,
    graph_kept,
)
from chainrule.diagnosis.doctor.checks.learning.loading import weights_not_loaded
from chainrule.diagnosis.doctor.checks.learning.modes import (
    evaluated_in_training_mode,
    gradients_in_evaluation,
    trained_in_evaluation_mode,
)
from chainrule.diagnosis.doctor.checks.learning.options import epsilon, momentum, weight_decay
from chainrule.diagnosis.doctor.checks.learning.outcome import one_batch
from chainrule.diagnosis.doctor.checks.learning.overfitting import overfits
from chainrule.diagnosis.doctor.checks.learning.overwritten import training_data_overwritten
from chainrule.diagnosis.doctor.checks.learning.ownership import (
    frozen_at_random,
    optimizer_made_anew,
    optimizer_of_another_model,
    parameters_left_out,
)
from chainrule.diagnosis.doctor.checks.learning.pairs import schedule_of_another, two_optimizers
from chainrule.diagnosis.doctor.checks.learning.patience import patience_never_reset
from chainrule.diagnosis.doctor.checks.learning.precision import updates_lost
from chainrule.diagnosis.doctor.checks.learning.rarely import one_step_an_epoch
from chainrule.diagnosis.doctor.checks.learning.rates import loss_at_the_end, rate
from chainrule.diagnosis.doctor.checks.learning.regularizing import batch_norm, dropout_too_strong
from chainrule.diagnosis.doctor.checks.learning.ruined import ruined_by_search
from chainrule.diagnosis.doctor.checks.learning.scaling import clipped_before_unscaling, scale_not_undone
from chainrule.diagnosis.doctor.checks.learning.schedules import (
    rate_is_zero,
    rate_rises,
    schedule_kills_rate,
)
from chainrule.diagnosis.doctor.checks.learning.seeds import seeded_in_every_step
from chainrule.diagnosis.doctor.checks.learning.stepping import (
    rate_of_a_group_is_zero,
    schedule_goes_around,
    schedule_steps,
)
from chainrule.diagnosis.doctor.checks.learning.steps import (
    backward_never_called,
    step_called_twice,
    step_never_called,
)
from chainrule.diagnosis.doctor.checks.learning.teachers import teacher_in_training_mode
from chainrule.diagnosis.doctor.checks.learning.unmoved import update_of_a_copy
from chainrule.diagnosis.doctor.checks.learning.unread import attribute_not_read, method_not_called
from chainrule.diagnosis.doctor.checks.learning.unused import batches_without_backward
from chainrule.diagnosis.doctor.checks.learning.uphill import steps_uphill
from chainrule.diagnosis.doctor.checks.learning.waiting import time_beside_steps, time_between_epochs

CHECKS: tuple[Check, ...] = (
    gradients_not_cleared,
    cleared_before_step,
    accumulation_forgets,
    loss_cleared_away,
    weights_not_loaded,
    learns_from_validation,
    seeded_in_every_step,
    backward_never_called,
    batches_without_backward,
    step_never_called,
    step_called_twice,
    optimizer_of_another_model,
    parameters_left_out,
    frozen_at_random,
    optimizer_made_anew,
    clipping_without_effect,
    rate_is_zero,
    rate_of_a_group_is_zero,
    schedule_goes_around,
    schedule_steps,
    steps_uphill,
    model_made_anew,
    plateau_in_wrong_mode,
    best_in_wrong_direction,
    loss_at_the_end,
    loss_oscillates,
    best_weights_not_copied,
    evaluated_another_model,
    average_without_statistics,
    graph_kept,
    gradients_in_evaluation,
    time_beside_steps,
    time_between_epochs,
    handful_of_steps,
    evaluated_in_training_mode,
    trained_in_evaluation_mode,
    teacher_in_training_mode,
    one_at_a_time,
    one_step_an_epoch,
    too_few_steps,
    accumulation_not_divided,
    momentum,
    epsilon,
    clipped_to_nothing,
    schedule_kills_rate,
    rate_rises,
    weight_decay,
    dropout_too_strong,
    average_too_slow,
    updates_lost,
    rate,
    batch_norm,
    one_batch,
    overfits,
    through_same_past,
    kept_between_folds,
    training_data_overwritten,
    two_optimizers,
    schedule_of_another,
    copy_is_itself,
    patience_never_reset,
    ruined_by_search,
    clipped_before_unscaling,
    scale_not_undone,
    update_of_a_copy,
    attribute_not_read,
    method_not_called,
    debugging_left_on,
)
