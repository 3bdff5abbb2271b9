"""chainrule: design, train, diagnose and understand deep networks.

Everything is imported when it is first used, so `import chainrule` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy as _lazy
from chainrule.core.version import __version__ as __version__

if TYPE_CHECKING:
    from chainrule.analysis.gradcheck import check_gradient as check_gradient
    from chainrule.api import backprop as backprop
    from chainrule.api import compare as compare
    from chainrule.api import design as design
    from chainrule.api import ensemble as ensemble
    from chainrule.api import evaluate as evaluate
    from chainrule.api import explain as explain
    from chainrule.api import export as export
    from chainrule.api import generate as generate
    from chainrule.api import list_recipes as list_recipes
    from chainrule.api import list_runs as list_runs
    from chainrule.api import new as new
    from chainrule.api import predict as predict
    from chainrule.api import repeat as repeat
    from chainrule.api import report as report
    from chainrule.api import resume as resume
    from chainrule.api import train as train
    from chainrule.diagnosis import check_dataset as check_dataset
    from chainrule.diagnosis import check_loss as check_loss
    from chainrule.diagnosis import check_metric as check_metric
    from chainrule.diagnosis import check_model as check_model
    from chainrule.diagnosis.doctor._own import doctor as doctor
    from chainrule.diagnosis.doctor._own import watch as watch
    from chainrule.tasks import Run as Run
    from chainrule.tasks import fit as fit
    from chainrule.tasks import run as run
    from chainrule.tuning import find_rate as find_rate
    from chainrule.tuning import search as search

__getattr__, __dir__, __all__ = _lazy(
    __name__,
    {
        **dict.fromkeys(
            [
                "backprop",
                "compare",
                "design",
                "ensemble",
                "evaluate",
                "explain",
                "export",
                "generate",
                "list_recipes",
                "list_runs",
                "new",
                "predict",
                "repeat",
                "report",
                "resume",
                "train",
            ],
            "api",
        ),
        "check_gradient": "analysis.gradcheck",
        **dict.fromkeys(["check_dataset", "check_loss", "check_metric", "check_model"], "diagnosis"),
        **dict.fromkeys(["doctor", "watch"], "diagnosis.doctor._own"),
        **dict.fromkeys(["Run", "fit", "run"], "tasks"),
        **dict.fromkeys(["find_rate", "search"], "tuning"),
    },
)
