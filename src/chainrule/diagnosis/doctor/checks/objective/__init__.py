"""Checks of the objective: losses, outputs and metrics."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.objective._balance import drowned_term, strong_penalty
from chainrule.diagnosis.doctor.checks.objective._classes import ignored_class, padding_counted, smoothing
from chainrule.diagnosis.doctor.checks.objective._detached import detached_loss
from chainrule.diagnosis.doctor.checks.objective._direction import wrong_sign
from chainrule.diagnosis.doctor.checks.objective._finite import first_not_finite
from chainrule.diagnosis.doctor.checks.objective._metric_data import dropped_remainder, on_training_data
from chainrule.diagnosis.doctor.checks.objective._metric_slips import (
    metric_shapes,
    one_answer,
    padded_places,
    slips_over_batches,
)
from chainrule.diagnosis.doctor.checks.objective._metric_units import exchanged, threshold, units_of_the_metric
from chainrule.diagnosis.doctor.checks.objective._normalized import (
    activation_on_scores,
    divergence_arguments,
    logarithm_of_probabilities,
    normalized_twice,
    poisson_input,
)
from chainrule.diagnosis.doctor.checks.objective._part import divided_twice, few_examples
from chainrule.diagnosis.doctor.checks.objective._reach import unreachable_targets
from chainrule.diagnosis.doctor.checks.objective._reduction import sum_over_batch
from chainrule.diagnosis.doctor.checks.objective._shapes import broadcast_in_loss, reshaped_scores
from chainrule.diagnosis.doctor.checks.objective._task import initial_loss, several_true, temperature, wrong_criterion

CHECKS: tuple[Check, ...] = (
    normalized_twice,
    logarithm_of_probabilities,
    divergence_arguments,
    activation_on_scores,
    broadcast_in_loss,
    reshaped_scores,
    wrong_sign,
    sum_over_batch,
    unreachable_targets,
    ignored_class,
    padding_counted,
    smoothing,
    detached_loss,
    first_not_finite,
    strong_penalty,
    drowned_term,
    slips_over_batches,
    padded_places,
    metric_shapes,
    one_answer,
    threshold,
    units_of_the_metric,
    on_training_data,
    dropped_remainder,
    initial_loss,
    wrong_criterion,
    temperature,
    several_true,
    poisson_input,
    few_examples,
    divided_twice,
    exchanged,
)
