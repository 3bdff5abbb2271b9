"""Modules that torch lacks, and `build`, which makes a network from the layer notation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.nn._build import build as build
    from chainrule.nn._conversion import conv_to_linear as conv_to_linear
    from chainrule.nn._conversion import linear_to_conv as linear_to_conv
    from chainrule.nn._drop_path import DropPath as DropPath
    from chainrule.nn._drop_path import drop_path as drop_path
    from chainrule.nn._fold import fold_batch_norms as fold_batch_norms
    from chainrule.nn._initialize import fan_in as fan_in
    from chainrule.nn._initialize import initialize as initialize
    from chainrule.nn._int8 import Int8Linear as Int8Linear
    from chainrule.nn._int8 import int8_weights as int8_weights
    from chainrule.nn._maxout import Maxout as Maxout
    from chainrule.nn._maxout import maxout as maxout
    from chainrule.nn._norm import alexnet_response_norm as alexnet_response_norm
    from chainrule.nn._packed import PackedLinear as PackedLinear
    from chainrule.nn._packed import packed_weights as packed_weights
    from chainrule.nn._pool import GlobalAvgPool as GlobalAvgPool
    from chainrule.nn._pool import global_avg_pool as global_avg_pool
    from chainrule.nn._recalibrate import recalibrate as recalibrate
    from chainrule.nn._residual import Concat as Concat
    from chainrule.nn._residual import Residual as Residual
    from chainrule.nn._whiten import whiten as whiten
    from chainrule.nn._whiten import whitening_filters as whitening_filters

_NAMES = {
    # notation -> modules
    "build": "_build",
    # weights
    "fan_in": "_initialize",
    "initialize": "_initialize",
    "whiten": "_whiten",
    "whitening_filters": "_whiten",
    # statistics of batch normalization
    "recalibrate": "_recalibrate",
    # one kind of layer as another
    "conv_to_linear": "_conversion",
    "fold_batch_norms": "_fold",
    "int8_weights": "_int8",
    "linear_to_conv": "_conversion",
    "packed_weights": "_packed",
    # layers that torch lacks
    "Concat": "_residual",
    "DropPath": "_drop_path",
    "GlobalAvgPool": "_pool",
    "Int8Linear": "_int8",
    "Maxout": "_maxout",
    "PackedLinear": "_packed",
    "Residual": "_residual",
    "alexnet_response_norm": "_norm",
    "drop_path": "_drop_path",
    "global_avg_pool": "_pool",
    "maxout": "_maxout",
}

__getattr__, __dir__, __all__ = lazy(__name__, _NAMES)
