"""How the layers of a network are computed while it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from chainrule.runtime.blocks import recomputed
from chainrule.runtime.linear_products import onednn_products
from chainrule.training.task import Plan


@contextmanager
def computing(model: nn.Module, plan: Plan) -> Iterator[None]:
    """While it lasts, layers are computed by what is quickest here, and their insides kept or not, as the plan says."""
    with ExitStack() as stack:
        stack.enter_context(onednn_products(model))
        if plan.recompute:
            stack.enter_context(recomputed(model))
        yield
