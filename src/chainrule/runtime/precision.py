"""In which numbers a step is computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Precision:
    """The numbers of a step.

    Args:
        whole: Type of weights, inputs and everything else; None: as they are (float32).
        products: Type in which products of matrices and convolutions are computed, weights and sums staying in 32 bits.
        scaled: Whether the loss is scaled, so that small gradients do not vanish in 16 bits.
    """

    whole: torch.dtype | None = None
    products: torch.dtype | None = None
    scaled: bool = False

    def computing(self, device: torch.device) -> AbstractContextManager[Any]:
        """While it lasts, products are computed in 16 bits, if these are."""
        if self.products is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.products)


PRECISIONS = {
    "float32": Precision(),
    "float64": Precision(whole=torch.float64),
    "bf16": Precision(products=torch.bfloat16),
    "fp16": Precision(products=torch.float16, scaled=True),
}
FLOAT32 = PRECISIONS["float32"]
FIRST_SCALE = 2.0**16
"""By which a loss is multiplied at first, where it is scaled."""
STEADY = 2000
"""Steps without an overflow after which the scale is doubled."""
