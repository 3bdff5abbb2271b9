"""Recurrent layers step by step: the same weights as torch's fused ones, with every gate and state in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.nn.recurrent._convert import fused_form as fused_form
    from chainrule.nn.recurrent._convert import step_form as step_form
    from chainrule.nn.recurrent._each_step import EachStep as EachStep
    from chainrule.nn.recurrent._form import StepForm as StepForm
    from chainrule.nn.recurrent._lecture import LectureWeights as LectureWeights
    from chainrule.nn.recurrent._lecture import lecture_weights as lecture_weights
    from chainrule.nn.recurrent._lecture import load_lecture_weights as load_lecture_weights
    from chainrule.nn.recurrent._one_step import StepCell as StepCell
    from chainrule.nn.recurrent._steps import GRUStep as GRUStep
    from chainrule.nn.recurrent._steps import LSTMStep as LSTMStep
    from chainrule.nn.recurrent._steps import RNNStep as RNNStep
    from chainrule.nn.recurrent._steps import gru_step as gru_step
    from chainrule.nn.recurrent._steps import lstm_step as lstm_step
    from chainrule.nn.recurrent._steps import rnn_step as rnn_step
    from chainrule.nn.recurrent._unroll import unroll as unroll

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "EachStep": "_each_step",
        "GRUStep": "_steps",
        "LSTMStep": "_steps",
        "LectureWeights": "_lecture",
        "RNNStep": "_steps",
        "StepCell": "_one_step",
        "StepForm": "_form",
        "fused_form": "_convert",
        "gru_step": "_steps",
        "lecture_weights": "_lecture",
        "load_lecture_weights": "_lecture",
        "lstm_step": "_steps",
        "rnn_step": "_steps",
        "step_form": "_convert",
        "unroll": "_unroll",
    },
)
