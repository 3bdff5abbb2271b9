"""Fully connected layers with weights of 8 bits: a quarter of the memory to read, and products of integers."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.nn._opaque import Opaque

STEPS = 127
"""From zero to the largest weight of a row, and to the largest number of an input."""
ZERO = 128
"""What stands for the zero of an input, whose numbers have no sign."""
SMALLEST = 1e-30
"""In place of the largest of a row that is zero."""
READ_BY_OTHERS = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""Modules that read the weights of their layers themselves."""


class Int8Linear(nn.Module):
    """y = W x + b with W and x as integers of 8 bits, for prediction on a CPU.

    Row i of W has a scale s_i and each input x one of its own, r, found when it arrives:

        s_i = max_j |W_ij| / 127,   V_ij = round(W_ij / s_i)
        r   = max_j |x_j|  / 127,   z_j  = round(x_j / r)
        y_i = s_i r sum_j V_ij z_j + b_i

    The sum is exact, in 32 bits. Both roundings are off by half a step at most, so that

        |y_i - (W x + b)_i| <= s_i / 2 sum_j |x_j| + r / 2 sum_j |W_ij| + D s_i r / 4

    up to the rounding of float32. No input changes what is computed of another one.

    Args:
        layer: float32, on a CPU; it is left as it is.

    Raises:
        UsageError: The weights are of another type or elsewhere, or torch has no exact product for this processor.

    Shapes:
        (..., D) -> (..., K), float32.

    Example:
        >>> layer = nn.Linear(64, 8)
        >>> x = torch.randn(5, 64)
        >>> torch.allclose(Int8Linear(layer)(x), layer(x), atol=0.1)
        True

    Source:
        LECTURES A3 (the layer), H9. Jacob et al. 2018, section 2 (integers for weights and inputs); Dettmers et al.
        2022 (LLM.int8), section 2 (a scale for each row).

    Departures:
        Symmetric scales, weights by output channel. The product is oneDNN's, which torch's compiler uses; it is
        internal to torch, so its presence and its exactness are checked before it is used.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        if weight.dtype != torch.float32 or weight.device.type != "cpu":
            got = f"{weight.dtype} on {weight.device}"
            raise UsageError("8-bit weights are made of others", expected="float32 on a CPU", got=got)
        _check_product()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        step = weight.abs().amax(1).clamp_min(SMALLEST) / STEPS  # (K,)
        numbers = (weight / step.unsqueeze(1)).round().to(torch.int8)
        bias = None if layer.bias is None else layer.bias.detach().clone()
        self.product = _Product(numbers, step / STEPS, bias)  # with the 1 / 127 of each input's scale

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b k"]:
        """Return s r V z + b; nothing flows back through it."""
        rows = x.detach().reshape(-1, self.in_features)  # (N, D)
        largest = rows.abs().amax(1, keepdim=True).clamp_min_(SMALLEST)  # (N, 1)
        shares = rows * largest.reciprocal()  # -1 to 1
        whole = shares.mul_(STEPS).add_(ZERO + 0.5).to(torch.uint8)  # what is cut off has been rounded
        return self.product(whole, largest).view(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """As torch's layer tells of itself."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.product.bias is not None}"


def int8_weights(model: nn.Module) -> nn.Module:
    """Return a copy for prediction whose fully connected layers are `Int8Linear`.

    All else is as it was: embeddings, also one whose weights are those of a layer; convolutions; recurrent layers; and
    layers whose weights are read by the module around them, as in torch's own transformers.

    Args:
        model: In evaluation mode, its layers in float32 on a CPU; it is left as it is.

    Raises:
        UsageError: It is in training mode, has no such layer, or torch has no exact product for this processor.

    Example:
        >>> model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8)).eval()
        >>> int8_weights(model)
        Sequential(
          (0): Int8Linear(in_features=64, out_features=32, bias=True)
          (1): ReLU()
          (2): Int8Linear(in_features=32, out_features=8, bias=True)
        )

    Source:
        LECTURES H9. docs/speed.md says what it brings, docs/translation.md what it costs.
    """
    if model.training:
        raise UsageError("8-bit weights do not learn", expected="a network in evaluation mode", remedy="model.eval()")
    kept = {inner for part in model.modules() if isinstance(part, READ_BY_OTHERS) for inner in part.modules()}
    # exactly torch's layers: what derives from them may compute something else
    layers = [part for part in model.modules() if type(part) is nn.Linear and part not in kept]
    if not layers:
        raise UsageError(f"{type(model).__name__} has no fully connected layer that could have 8-bit weights")
    made: dict[int, Any] = {id(layer): Int8Linear(layer).eval() for layer in layers}
    return copy.deepcopy(model, made).requires_grad_(False)  # what stands in `made` takes the place of a copy


class _Product:
    """(x, r) -> s_i r sum_j V_ij (x_j - 128) + b_i for whole numbers x from 1 to 255, the sums exact.

    Args:
        numbers: V, int8, (K, D); laid out for the kernel.
        step: s, float32, (K,).
        bias: b, (K,).
    """

    def __init__(self, numbers: Tensor, step: Tensor, bias: Tensor | None = None) -> None:
        self.packed = Opaque(torch.ops.onednn.qlinear_prepack(numbers, None))
        self.step, self.bias, self.zero = step, bias, torch.zeros(len(step), dtype=torch.int64)

    def __call__(self, x: Tensor, scale: Tensor) -> Tensor:
        plain: tuple[Any, ...] = (None, 1.0, 0, torch.float32, "none", [], "")  # no bias, no further operation
        y: Tensor = torch.ops.onednn.qlinear_pointwise(x, 1.0, ZERO, self.packed.tensor, self.step, self.zero, *plain)
        return y.mul_(scale) if self.bias is None else torch.addcmul(self.bias, y, scale)


@cache
def _check_product() -> None:
    """Refuse what would be wrong: where there are no instructions for it, sums of pairs may not fit into 16 bits."""
    reason = "torch has no product of 8-bit integers here"
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.onednn, "qlinear_pointwise"):
        numbers, whole = torch.full((16, 64), STEPS, dtype=torch.int8), torch.full((4, 64), 255, dtype=torch.uint8)
        try:
            if bool((_Product(numbers, torch.ones(16))(whole, torch.ones(4, 1)) == 64 * STEPS * STEPS).all()):
                return
            reason = "the products of 8-bit integers are not exact here"
        except RuntimeError as error:  # how it is called is no promise of torch's
            reason += f" ({str(error).splitlines()[0]})"
    raise UsageError(reason, expected="oneDNN, and a processor with VNNI instructions", remedy="leave int8 out")
