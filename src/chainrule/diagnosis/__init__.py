"""Finding out what is wrong: contracts that networks, data sets, losses and metrics keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.diagnosis._bias_variance import bias_variance as bias_variance
    from chainrule.diagnosis._report import ContractReport as ContractReport
    from chainrule.diagnosis.contracts import check_dataset as check_dataset
    from chainrule.diagnosis.contracts import check_loss as check_loss
    from chainrule.diagnosis.contracts import check_metric as check_metric
    from chainrule.diagnosis.contracts import check_model as check_model

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "ContractReport": "_report",
        "bias_variance": "_bias_variance",
        **dict.fromkeys(["check_dataset", "check_loss", "check_metric", "check_model"], "contracts"),
    },
)
