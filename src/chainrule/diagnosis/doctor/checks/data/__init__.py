"""Checks of the data: inputs, targets, and how they reach the network."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.data._augment import breaks_label, in_evaluation
from chainrule.diagnosis.doctor.checks.data._balance import classes_uneven, weights_upside_down
from chainrule.diagnosis.doctor.checks.data._circle import circle_cut_open
from chainrule.diagnosis.doctor.checks.data._codes import target_codes
from chainrule.diagnosis.doctor.checks.data._columns import changing_order, scaled_over_wrong_axis
from chainrule.diagnosis.doctor.checks.data._dealt import batches_overlap, empty_batches, examples_left_out
from chainrule.diagnosis.doctor.checks.data._drift import changed_in_place
from chainrule.diagnosis.doctor.checks.data._encoding import (
    classes_occur,
    labels_in_range,
    labels_refused,
    numbered_differently,
)
from chainrule.diagnosis.doctor.checks.data._few import few_again
from chainrule.diagnosis.doctor.checks.data._filled import unknown_for_no
from chainrule.diagnosis.doctor.checks.data._finite import constant_inputs, input_not_finite, target_not_finite
from chainrule.diagnosis.doctor.checks.data._gross import gross_errors
from chainrule.diagnosis.doctor.checks.data._grows import data_grows
from chainrule.diagnosis.doctor.checks.data._ids import ids_as_numbers
from chainrule.diagnosis.doctor.checks.data._label_order import another_order
from chainrule.diagnosis.doctor.checks.data._layout import axes_exchanged, batch_and_time
from chainrule.diagnosis.doctor.checks.data._leak import target_among_inputs
from chainrule.diagnosis.doctor.checks.data._masks import mask_blended
from chainrule.diagnosis.doctor.checks.data._mixed import mixed_labels
from chainrule.diagnosis.doctor.checks.data._noisy import labels_partly_wrong
from chainrule.diagnosis.doctor.checks.data._order import iterator_used_up, no_steps, not_shuffled
from chainrule.diagnosis.doctor.checks.data._overlap import nearly_training, validation_among_training
from chainrule.diagnosis.doctor.checks.data._parts import parts_exchanged
from chainrule.diagnosis.doctor.checks.data._pixels import rounded_or_clipped
from chainrule.diagnosis.doctor.checks.data._prepared import prepared_differently
from chainrule.diagnosis.doctor.checks.data._rare import rare_class_neglected
from chainrule.diagnosis.doctor.checks.data._reconstruction import input_as_target
from chainrule.diagnosis.doctor.checks.data._rounded import cut_to_whole
from chainrule.diagnosis.doctor.checks.data._scale import input_not_scaled, input_squeezed
from chainrule.diagnosis.doctor.checks.data._selection import selected_with_all
from chainrule.diagnosis.doctor.checks.data._shift import shifted_twice
from chainrule.diagnosis.doctor.checks.data._smoothed import smoothed_with_future
from chainrule.diagnosis.doctor.checks.data._split import split_in_order
from chainrule.diagnosis.doctor.checks.data._targets import target_constant, target_not_scaled
from chainrule.diagnosis.doctor.checks.data._tokens import mostly_padding, mostly_unknown
from chainrule.diagnosis.doctor.checks.data._truncated import sequences_truncated
from chainrule.diagnosis.doctor.checks.data._turned import not_turned_along
from chainrule.diagnosis.doctor.checks.data._unrelated import labels_unrelated
from chainrule.diagnosis.doctor.checks.data._wrap import bytes_wrap

CHECKS: tuple[Check, ...] = (
    input_not_finite,
    target_not_finite,
    no_steps,
    labels_refused,
    labels_in_range,
    classes_occur,
    numbered_differently,
    constant_inputs,
    target_constant,
    rounded_or_clipped,
    bytes_wrap,
    cut_to_whole,
    shifted_twice,
    input_as_target,
    split_in_order,
    data_grows,
    changed_in_place,
    empty_batches,
    batches_overlap,
    examples_left_out,
    parts_exchanged,
    changing_order,
    mostly_unknown,
    sequences_truncated,
    axes_exchanged,
    batch_and_time,
    weights_upside_down,
    classes_uneven,
    validation_among_training,
    nearly_training,
    target_among_inputs,
    selected_with_all,
    target_codes,
    circle_cut_open,
    unknown_for_no,
    mask_blended,
    mixed_labels,
    smoothed_with_future,
    not_turned_along,
    gross_errors,
    another_order,
    iterator_used_up,
    few_again,
    in_evaluation,
    prepared_differently,
    not_shuffled,
    input_not_scaled,
    input_squeezed,
    target_not_scaled,
    ids_as_numbers,
    rare_class_neglected,
    mostly_padding,
    breaks_label,
    labels_unrelated,
    labels_partly_wrong,
    scaled_over_wrong_axis,
)
