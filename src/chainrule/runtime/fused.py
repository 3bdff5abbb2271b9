"""Convolutions that add and rectify what they give while it is in the cache: fewer passes over memory, on a CPU."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

_ADDS = (operator.add, operator.iadd, torch.add)
_RELUS = (torch.relu, functional.relu)


def fused(model: nn.Module, inputs: Tensor) -> nn.Module | None:
    """Return what computes the same with fewer passes: conv -> ReLU and conv -> sum -> ReLU as one operation each.

    A ReLU reads and writes all that a convolution has just written; so does the sum at the end of a residual block.
    oneDNN does them on the way out, and takes weights that are laid out for its kernels once and not at each call.
    These are the operations that torch's compiler would choose too, without compiling. They are internal to torch, so
    whoever uses this compares what comes out with the network itself.

    Args:
        model: In evaluation mode, its batch norms folded (`chainrule.nn.fold_batch_norms`); it is left as it is.
        inputs: Of the shape that most later inputs have, which the weights are laid out for; they are computed once.

    Returns:
        For float32 on a CPU, without gradients. None where torch has no such operations, where the network cannot be
        followed symbolically, or where it has no convolution to begin with.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
        >>> x = torch.randn(1, 3, 9, 9)
        >>> with torch.inference_mode():
        ...     quick = fused(model, x)
        ...     quick is None or torch.allclose(quick(x), model(x), atol=1e-5)
        True

    Source:
        LECTURES C8, D1. docs/speed.md says what it brings.

    Departures:
        torch.fx, which follows the network, takes `a += b` for a = a + b: of a network in which another name for `a` is
        read afterwards, what comes out differs.
    """
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return None
    if model.training or any(part._forward_hooks or part._forward_pre_hooks for part in model.modules()):
        return None
    try:
        graph = fx.Tracer().trace(model)
    except Exception:  # a network of a person's own can fail in any way when it is followed
        return None
    program = fx.GraphModule(model, graph)
    shapes = _Shapes(program)
    shapes.run(inputs.clone())
    modules = dict(program.named_modules(remove_duplicate=False))
    found = [node for node in graph.nodes if node.op == "call_module" and _can_be_fused(modules[str(node.target)])]
    for number, node in enumerate(found):
        chain = _chain(node, modules, shapes.of)
        relu = _is_relu(chain[-1], modules.get(str(chain[-1].target)))
        size = shapes.of[node.all_input_nodes[0]]
        program.add_module(f"fused_{number}", FusedConv2d(modules[str(node.target)], size, relu=relu))
        shapes.of[_replaced(graph, chain, f"fused_{number}")] = shapes.of[chain[-1]]
    if not found:
        return None
    program.delete_all_unused_submodules()
    program.recompile()
    return program


class FusedConv2d(nn.Module):
    """A convolution, then maybe a sum with another value, then maybe a ReLU, as one operation.

    Args:
        layer: The convolution.
        size: Shape of its inputs that the weights are laid out for; others are computed too, only slower.
        relu: Whether what comes out is rectified.
    """

    def __init__(self, layer: Any, size: Sequence[int], *, relu: bool) -> None:
        super().__init__()
        self.relu = "relu" if relu else None
        self.place = (_numbers(layer.padding), _numbers(layer.stride), _numbers(layer.dilation), layer.groups)
        self.bias = None if layer.bias is None else layer.bias.detach()
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(layer.weight.detach(), *self.place, size)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Return relu(w * x + b + other)."""
        given = (self.weight, self.bias, *self.place)
        run = torch.ops.mkldnn._convolution_pointwise
        if other is None:
            value: Tensor = run(x, *given, self.relu or "none", [], "")
        else:
            value = run.binary(x, other, *given, "add", 1.0, self.relu, [], "")
        return value


class _Shapes(fx.Interpreter):
    """Notes the shape of each value."""

    def __init__(self, program: fx.GraphModule) -> None:
        super().__init__(program)
        self.of: dict[fx.Node, list[int]] = {}

    def run_node(self, node: fx.Node) -> Any:
        """Compute the value."""
        value = super().run_node(node)
        self.of[node] = list(value.shape) if isinstance(value, Tensor) else []
        return value


def _numbers(given: Sequence[int] | str) -> list[int]:
    assert not isinstance(given, str), "padding in words is not fused"
    return list(given)


def _can_be_fused(layer: nn.Module) -> bool:
    """Exactly torch's convolution: what derives from it may compute something else."""
    return (
        type(layer) is nn.Conv2d
        and "forward" not in vars(layer)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and layer.weight.dtype == torch.float32
        and layer.weight.device.type == "cpu"
    )


def _chain(node: fx.Node, modules: dict[str, nn.Module], shapes: dict[fx.Node, list[int]]) -> list[fx.Node]:
    """The convolution and what alone reads it, as far as it can be one operation: identities, a sum, a ReLU."""
    chain, summed = [node], False
    while len(chain[-1].users) == 1:
        (user,) = chain[-1].users
        module = modules.get(str(user.target)) if user.op == "call_module" else None  # None: fused before
        if _is_relu(user, module):
            return [*chain, user]
        is_sum = not summed and _is_sum(user, chain[-1], shapes) and not _changed_between(node, user, modules)
        if not is_sum and type(module) is not nn.Identity:
            break
        summed = summed or is_sum
        chain.append(user)
    return chain


def _is_sum(node: fx.Node, part: fx.Node, shapes: dict[fx.Node, list[int]]) -> bool:
    """Whether it is a + b of two values of one shape; where it is a += b, a is the part that nobody else reads."""
    given = node.all_input_nodes
    plain = node.op == "call_function" and node.target in _ADDS and not node.kwargs
    plain = plain and (node.target is not operator.iadd or node.args[0] is part)
    return plain and len(given) == len(node.args) == 2 and shapes.get(given[0]) == shapes.get(given[1]) != []


def _changed_between(first: fx.Node, last: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether anything is changed in its place between two nodes: what the first reads may be another by then."""
    node = first.next
    while node is not last:
        if node.op == "call_module":
            changes = bool(getattr(modules.get(str(node.target)), "inplace", False))
        else:
            name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
            changes = name.endswith("_") or node.target is operator.iadd or bool(node.kwargs.get("inplace"))
            changes = changes or "out" in node.kwargs
        if changes:
            return True
        node = node.next
    return False


def _is_relu(node: fx.Node, module: nn.Module | None) -> bool:
    if node.op == "call_function":
        return node.target in _RELUS
    return type(module) is nn.ReLU or (node.op == "call_method" and node.target in ("relu", "relu_"))


def _replaced(graph: fx.Graph, chain: list[fx.Node], name: str) -> fx.Node:
    """Put one operation in the place of a chain: where the convolution stood, or the sum, for which all is there."""
    sums = [node for node in chain if node.target in _ADDS]
    others = [given for node in sums for given in node.all_input_nodes if given not in chain]
    with graph.inserting_before((sums or chain)[0]):
        one = graph.call_module(name, (chain[0].args[0], *others))
    chain[-1].replace_all_uses_with(one)
    for node in reversed(chain):
        graph.erase_node(node)
    return one
