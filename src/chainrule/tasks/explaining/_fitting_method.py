"""Which method explains a network: attention where it has attentions, gates where it has recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from chainrule.analysis._gates import is_recurrent
from chainrule.core.errors import UsageError
from chainrule.core.sections import OWN
from chainrule.nn.attention import ATTENTIONS
from chainrule.tasks.explaining._reading import READERS

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def require_attention(run: Run, model: nn.Module) -> None:
    """Refuse a network without attention.

    Raises:
        UsageError: Says which networks of the task have one, and what explains this one.
    """
    if not _attends(model):
        looks = READERS.entry(run.recipe.task).card["looks"] if run.recipe.task in READERS else ()
        raise UsageError(
            "the network has no attention",
            expected=f"a run of {' or '.join(looks)}" if looks else None,
            got=_name(run, model),
            remedy="--method gates tells what its recurrent layers did" if _recurs(model) else None,
        )


def require_recurrent(run: Run, model: nn.Module) -> None:
    """Refuse a network without recurrent layers.

    Raises:
        UsageError: Says which layers are meant, and what explains this network.
    """
    if not _recurs(model):
        raise UsageError(
            "the network has no recurrent layer",
            expected="nn.RNN, nn.LSTM, nn.GRU or StepForm",
            got=_name(run, model),
            remedy="--method attention tells what it looked at" if _attends(model) else None,
        )


def _attends(model: nn.Module) -> bool:
    return any(isinstance(part, ATTENTIONS) for part in model.modules())


def _recurs(model: nn.Module) -> bool:
    return any(is_recurrent(part) for part in model.modules())


def _name(run: Run, model: nn.Module) -> str:
    return type(model).__name__ if run.recipe.model.name == OWN else run.recipe.model.name
