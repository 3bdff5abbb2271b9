"""Metrics as tallies: they merge over groups of examples, then tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.metrics._bleu import Bleu as Bleu
    from chainrule.metrics._bleu import bleu as bleu
    from chainrule.metrics._bleu import require_sacrebleu as require_sacrebleu
    from chainrule.metrics.accuracy import Accuracy as Accuracy
    from chainrule.metrics.accuracy import TopK as TopK
    from chainrule.metrics.accuracy import shares_right as shares_right
    from chainrule.metrics.calibration import Calibration as Calibration
    from chainrule.metrics.confusion import Confusion as Confusion
    from chainrule.metrics.left_out import LeftOut as LeftOut
    from chainrule.metrics.mean import Mean as Mean
    from chainrule.metrics.mistakes import Mistakes as Mistakes
    from chainrule.metrics.tally import Tally as Tally

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Accuracy": "accuracy",
        "Bleu": "_bleu",
        "Calibration": "calibration",
        "Confusion": "confusion",
        "LeftOut": "left_out",
        "Mean": "mean",
        "Mistakes": "mistakes",
        "Tally": "tally",
        "TopK": "accuracy",
        "bleu": "_bleu",
        "require_sacrebleu": "_bleu",
        "shares_right": "accuracy",
    },
)

METRICS = Registry(
    "metric",
    [
        ("mean", Entry("chainrule.metrics.mean:Mean", "mean of per-example values")),
        ("accuracy", Entry("chainrule.metrics.accuracy:Accuracy", "share of examples whose highest score is right")),
        (
            "topk",
            Entry("chainrule.metrics.accuracy:TopK", "share of examples whose class is among the k highest scores"),
        ),
        ("calibration", Entry("chainrule.metrics.calibration:Calibration", "how far confidence is from accuracy")),
        ("confusion", Entry("chainrule.metrics.confusion:Confusion", "how often each class was taken for each other")),
        ("mistakes", Entry("chainrule.metrics.mistakes:Mistakes", "the wrong answers with the highest losses")),
    ],
)
