"""Checks of the network: signals, gradients, and what may see what."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.network.arguments import argument_ignored, noise_level_not_given
from chainrule.diagnosis.doctor.checks.network.attention import attention_scale, softmax_axis
from chainrule.diagnosis.doctor.checks.network.batchplace import place_in_batch
from chainrule.diagnosis.doctor.checks.network.between import softmax_between
from chainrule.diagnosis.doctor.checks.network.calls import chance, state_carried
from chainrule.diagnosis.doctor.checks.network.convolutions import over_features
from chainrule.diagnosis.doctor.checks.network.evaluating import another_in_evaluation
from chainrule.diagnosis.doctor.checks.network.examples import examples_leak
from chainrule.diagnosis.doctor.checks.network.flow import explode, units, vanish
from chainrule.diagnosis.doctor.checks.network.functions import own_backward
from chainrule.diagnosis.doctor.checks.network.gradients import graph_cut
from chainrule.diagnosis.doctor.checks.network.heads import heads
from chainrule.diagnosis.doctor.checks.network.initialization import (
    all_units_equal,
    initialization_scale,
    offsets_at_start,
)
from chainrule.diagnosis.doctor.checks.network.inputs import part_unseen
from chainrule.diagnosis.doctor.checks.network.masks import padding_mask
from chainrule.diagnosis.doctor.checks.network.padding import padding_seen
from chainrule.diagnosis.doctor.checks.network.positions import order_ignored
from chainrule.diagnosis.doctor.checks.network.registration import unregistered
from chainrule.diagnosis.doctor.checks.network.remarks import remarks
from chainrule.diagnosis.doctor.checks.network.sequences import causality
from chainrule.diagnosis.doctor.checks.network.sharing import sharing
from chainrule.diagnosis.doctor.checks.network.skips import missing_skips
from chainrule.diagnosis.doctor.checks.network.structure import last_operation, layer_too_narrow, no_activation
from chainrule.diagnosis.doctor.checks.network.thrown import result_thrown_away
from chainrule.diagnosis.doctor.checks.network.unused import unused_layer

CHECKS: tuple[Check, ...] = (
    graph_cut,
    unregistered,
    unused_layer,
    result_thrown_away,
    sharing,
    heads,
    over_features,
    own_backward,
    last_operation,
    softmax_axis,
    padding_mask,
    remarks,
    causality,
    examples_leak,
    chance,
    another_in_evaluation,
    place_in_batch,
    state_carried,
    order_ignored,
    all_units_equal,
    initialization_scale,
    offsets_at_start,
    attention_scale,
    softmax_between,
    no_activation,
    layer_too_narrow,
    missing_skips,
    vanish,
    explode,
    part_unseen,
    padding_seen,
    units,
    argument_ignored,
    noise_level_not_given,
)
