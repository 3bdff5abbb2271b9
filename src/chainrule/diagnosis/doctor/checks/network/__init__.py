"""Checks of the network: signals, gradients, and what may see what."""

from __future__ import annotations

from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.network.attention import attention_scale, softmax_axis
from chainrule.diagnosis.doctor.checks.network.examples import chance, examples_leak, state_carried
from chainrule.diagnosis.doctor.checks.network.flow import explode, units, vanish
from chainrule.diagnosis.doctor.checks.network.gradients import graph_cut, unregistered, unused_layer
from chainrule.diagnosis.doctor.checks.network.initialization import (
    all_units_equal,
    initialization_scale,
    offsets_at_start,
)
from chainrule.diagnosis.doctor.checks.network.inputs import padding_seen, part_unseen
from chainrule.diagnosis.doctor.checks.network.remarks import remarks
from chainrule.diagnosis.doctor.checks.network.sequences import causality, order_ignored
from chainrule.diagnosis.doctor.checks.network.structure import last_operation, layer_too_narrow, no_activation

CHECKS: tuple[Check, ...] = (
    graph_cut,
    unregistered,
    unused_layer,
    last_operation,
    softmax_axis,
    remarks,
    causality,
    examples_leak,
    chance,
    state_carried,
    order_ignored,
    all_units_equal,
    initialization_scale,
    offsets_at_start,
    attention_scale,
    no_activation,
    layer_too_narrow,
    vanish,
    explode,
    part_unseen,
    padding_seen,
    units,
)
