"""Checks of the objective: losses, outputs and metrics."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import Check, check
from chainrule.diagnosis.doctor.checks.objective._absent import absent_flatter
from chainrule.diagnosis.doctor.checks.objective._balance import drowned_term, strong_penalty
from chainrule.diagnosis.doctor.checks.objective._boxes import two_notations
from chainrule.diagnosis.doctor.checks.objective._classes import ignored_class, padding_counted, smoothing
from chainrule.diagnosis.doctor.checks.objective._detached import detached_loss
from chainrule.diagnosis.doctor.checks.objective._direction import wrong_sign
from chainrule.diagnosis.doctor.checks.objective._finite import first_not_finite
from chainrule.diagnosis.doctor.checks.objective._metric_again import errors_cancel, not_reset
from chainrule.diagnosis.doctor.checks.objective._metric_data import dropped_remainder, on_training_data
from chainrule.diagnosis.doctor.checks.objective._metric_named import named_otherwise, rankings
from chainrule.diagnosis.doctor.checks.objective._metric_scaled import scaled_back_otherwise
from chainrule.diagnosis.doctor.checks.objective._metric_shapes import metric_shapes, one_answer
from chainrule.diagnosis.doctor.checks.objective._metric_slips import padded_places, slips_over_batches
from chainrule.diagnosis.doctor.checks.objective._metric_units import (
    exchanged,
    threshold,
    units_of_the_metric,
)
from chainrule.diagnosis.doctor.checks.objective._normalized import (
    activation_on_scores,
    divergence_arguments,
    logarithm_of_probabilities,
    normalized_twice,
    poisson_input,
)
from chainrule.diagnosis.doctor.checks.objective._overlap import scores_in_overlap
from chainrule.diagnosis.doctor.checks.objective._pairs import exchanged_pairs, wrong_partner
from chainrule.diagnosis.doctor.checks.objective._part import divided_twice, few_examples
from chainrule.diagnosis.doctor.checks.objective._prediction_order import predictions_in_another_order
from chainrule.diagnosis.doctor.checks.objective._quantiles import exchanged_quantiles
from chainrule.diagnosis.doctor.checks.objective._ranking import known_recommended, worst_for_best
from chainrule.diagnosis.doctor.checks.objective._ratios import ratio_averaged
from chainrule.diagnosis.doctor.checks.objective._reach import unreachable_targets
from chainrule.diagnosis.doctor.checks.objective._reduction import sum_over_batch
from chainrule.diagnosis.doctor.checks.objective._reversed import never_counts, run_against
from chainrule.diagnosis.doctor.checks.objective._shapes import broadcast_in_loss, reshaped_scores
from chainrule.diagnosis.doctor.checks.objective._spreads import spread_for_variance
from chainrule.diagnosis.doctor.checks.objective._task import initial_loss, several_true, temperature, wrong_criterion
from chainrule.diagnosis.doctor.checks.objective._written_out import free_variance, same_targets
from chainrule.diagnosis.doctor.findings import Finding

_FIRST: tuple[Check, ...] = (
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
    scaled_back_otherwise,
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
    exchanged_pairs,
    wrong_partner,
    named_otherwise,
    rankings,
    worst_for_best,
    known_recommended,
    two_notations,
    absent_flatter,
    not_reset,
    errors_cancel,
    run_against,
    never_counts,
    free_variance,
    exchanged_quantiles,
    same_targets,
    scores_in_overlap,
    predictions_in_another_order,
    ratio_averaged,
    spread_for_variance,
)


@check()  # its labels are those of the others
def second_training(case: Case) -> Iterator[Finding]:
    """The same questions to a second training in the same program, with another network and optimizer."""
    later = case.seen.later
    if later is None or case.left < 1:
        return
    inner = Case(later, case.source, seconds=case.left / 2)
    for each in _FIRST:
        if not each.experiment or inner.left > 1:
            yield from (found for found in each.look(inner) if found.level != "note")


CHECKS: tuple[Check, ...] = (*_FIRST, second_training)
