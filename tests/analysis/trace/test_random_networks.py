"""Values and gradients of random networks against plain autograd with hooks: branches, reuse, in place, functional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from chainrule.analysis.trace import walk_through

STEPS = ("linear", "relu", "tanh", "join", "product", "shared", "in place", "part", "view", "softmax", "norm")
Seen = Callable[[Tensor], Any]


class Net(nn.Module):
    """Runs a list of steps over a pool of tensors; `seen` is told of what each operation makes."""

    def __init__(self, steps: list[tuple[str, int, int]]) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in steps)
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.norm = nn.LayerNorm(4)
        self.seen: Seen = lambda tensor: None

    def forward(self, x: Tensor) -> Tensor:
        pool = [x]
        for number, (kind, i, j) in enumerate(self.steps):
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            pool.append(self.step(kind, a, b, self.layers[number]))
        total = torch.cat(pool[1:], dim=1)
        self.seen(total)
        return total

    def step(self, kind: str, a: Tensor, b: Tensor, layer: nn.Module) -> Tensor:
        tell = self._tell
        if kind == "linear":
            return tell(layer(a))
        if kind == "relu":
            return tell(functional.relu(a))
        if kind == "tanh":
            return tell(a.tanh())
        if kind == "join":
            return tell(a + b)
        if kind == "product":
            return tell(a * b)
        if kind == "shared":
            return tell(a @ self.weight)
        if kind == "softmax":
            return tell(torch.softmax(a, dim=1))
        if kind == "norm":
            return tell(self.norm(a))
        made = tell(a - b)
        if kind == "in place":
            made.mul_(1.5)
            tell(made)
            return tell(made.relu_())
        if kind == "part":
            column = tell(b[:, 1])
            made[:, 0] = column
            return tell(made)
        row = tell(made[1:])  # a view, changed in place: the tensor that it is part of changes as well
        row.mul_(2)
        self.seen(row)
        return tell(made)

    def _tell(self, tensor: Tensor) -> Tensor:
        self.seen(tensor)
        return tensor


def reference(net: Net, x: Tensor, upstream: Tensor) -> list[tuple[Tensor, Tensor | None]]:
    """Value and gradient of everything that is made, in order, by hooks on the tensors."""
    found: list[list[Tensor | None]] = []

    def seen(tensor: Tensor) -> None:
        place: list[Tensor | None] = [tensor.detach().clone(), None]
        found.append(place)
        tensor.register_hook(lambda gradient: place.__setitem__(1, gradient.clone()))

    net.seen = seen
    net(x.clone().requires_grad_()).backward(upstream)
    net.seen = lambda tensor: None
    return [(value, gradient) for value, gradient in found]  # type: ignore[misc]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9),
    seed=st.integers(0, 2**16),
)
def test_values_gradients_and_arrivals(steps: list[tuple[str, int, int]], seed: int) -> None:
    torch.manual_seed(seed)
    net, x = Net(steps).double(), torch.randn(3, 4, dtype=torch.float64)
    upstream = torch.randn(3, 4 * len(steps), dtype=torch.float64)
    trace = walk_through(net, x, upstream=upstream)
    made = [name for operation in trace.operations for name in operation.outputs]
    expected = reference(net, x, upstream)
    assert len(made) == len(expected)
    for name, (value, gradient) in zip(made, expected):
        assert torch.equal(trace.value(name), value), name
        mine = trace.gradient(name)
        assert (mine is None) == (gradient is None), (name, trace.values[name].why)
        if mine is not None and gradient is not None:
            torch.testing.assert_close(mine, gradient, rtol=1e-10, atol=1e-12)
    for name, parameter in net.named_parameters():
        mine = trace.gradient(name) if name in trace.values else None
        if parameter.grad is None:
            assert mine is None
        else:
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-10, atol=1e-12)
    for name, told in trace.values.items():
        if told.arrivals:
            paths = [gradient for _, gradient in trace.arrivals(name)]
            torch.testing.assert_close(sum(paths), trace.gradient(name), rtol=1e-10, atol=1e-12)


def test_the_steps_are_all_drawn_sometimes() -> None:
    steps = [(kind, number, number + 1) for number, kind in enumerate(STEPS)]
    torch.manual_seed(1)
    net, x = Net(steps).double(), torch.randn(3, 4, dtype=torch.float64)
    trace = walk_through(net, x)
    ones = torch.ones(3, 4 * len(steps), dtype=torch.float64)
    for (name, mine), (_, gradient) in zip(
        [(n, trace.gradient(n)) for o in trace.operations for n in o.outputs], reference(net, x, ones)
    ):
        assert (mine is None) == (gradient is None), name
        if mine is not None:
            torch.testing.assert_close(mine, gradient, rtol=1e-10, atol=1e-12)
    assert any(len(value.arrivals) > 2 for value in trace.values.values())
