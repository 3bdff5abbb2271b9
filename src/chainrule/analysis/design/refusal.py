"""Which layer does not take what it is given, what it takes, and what it got."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves

from chainrule.core.errors import UsageError

_CONVOLUTIONS = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3,
    nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 2, nn.ConvTranspose3d: 3,
}  # fmt: skip
_NORMS: dict[type[nn.Module], tuple[int, ...]] = {nn.BatchNorm1d: (2, 3), nn.BatchNorm2d: (4,), nn.BatchNorm3d: (5,)}


class Running:
    """The modules whose calls have begun and not ended, with the shapes that they were given."""

    def __init__(self, network: nn.Module) -> None:
        self.paths = {id(module): path for path, module in network.named_modules()}
        self.stack: list[tuple[nn.Module, list[Tensor]]] = []

    def __enter__(self) -> Running:
        """Begin to listen."""
        self.hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave),
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        for hook in self.hooks:
            hook.remove()

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self.stack.append((module, [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]))

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        while self.stack and self.stack.pop()[0] is not module:
            pass


def refusal(error: Exception, running: Running) -> UsageError | None:
    """The error as one that names the layer; None where no known kind of layer refused."""
    if not running.stack:
        return None
    module, tensors = running.stack[-1]
    wanted = _takes(module)
    if wanted is None or not tensors or _fits(module, tensors[0]):
        return None
    path = running.paths.get(id(module), "")
    name = f'"{path}" ({type(module).__name__})' if path else type(module).__name__
    return UsageError(
        f"layer {name} does not take what it is given",
        expected=wanted,
        got=written(tensors[0]),
        remedy="change --input, or the layer before it",
    )


def written(tensor: Tensor) -> str:
    """A shape as it is written on the command line, with the type of what is no floating number."""
    shape = "x".join(map(str, tensor.shape)) or "a single number"
    return shape if tensor.is_floating_point() else f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"


def _takes(module: nn.Module) -> str | None:
    spatial = _CONVOLUTIONS.get(type(module))
    if spatial is not None:
        sizes = "x".join(["L"] if spatial == 1 else ["D", "H", "W"][-spatial:])
        channels = module.in_channels
        least = ""
        if type(module).__name__.startswith("Conv") and "Transpose" not in type(module).__name__:
            padding = module.padding if isinstance(module.padding, tuple) else (0,) * spatial
            reach = [d * (k - 1) + 1 - 2 * p for d, k, p in zip(module.dilation, module.kernel_size, padding)]  # type: ignore[arg-type]
            least = f", {sizes} at least {'x'.join(str(max(r, 1)) for r in reach)}"
        return f"Nx{channels}x{sizes} of floating numbers{least}"
    if type(module) in _NORMS:
        return f"{module.num_features} channels in dimension 1"
    if isinstance(module, nn.Linear):
        return f"{module.in_features} features in the last dimension"
    if isinstance(module, (nn.RNN, nn.LSTM, nn.GRU)):
        return f"{module.input_size} features in the last dimension"
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return "integers (such as 1x16:int64)"
    return None


def _fits(module: nn.Module, given: Tensor) -> bool:
    spatial = _CONVOLUTIONS.get(type(module))
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return not given.is_floating_point()
    if not given.is_floating_point():
        return False
    if spatial is not None:
        return False  # if the channels fit, the sizes do not
    if type(module) in _NORMS:
        return given.dim() in _NORMS[type(module)] and given.shape[1] == module.num_features
    last = module.in_features if isinstance(module, nn.Linear) else module.input_size
    return bool(given.dim()) and given.shape[-1] == last
