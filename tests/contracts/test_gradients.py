"""Gradients of every layer and loss against differences, for inputs and weights, however the input lies in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from chainrule.losses import LOSSES, binary_cross_entropy, penalty, squared_error
from chainrule.nn import build, drop_path

LAYERS = [
    *("RELU", "LRELU", "ELU", "GELU", "SIGMOID", "TANH", "MAXOUT2", "LRN", "BN", "LN", "IN", "GN2", "GAP", "DROPOUT0"),
    *("POOL2", "POOL3 /2 pad1", "POOL2 avg", "POOL3 /2 avg pad1", "POOL2 /2 ceil", "POOL3 /1 avg"),
    *(
        "CONV1-3",
        "CONV3-2",
        "CONV3-2 nobias",
        "CONV3-4 groups2",
        "CONV3-4 groups4 /2",
        "CONV3-2 dil2",
        "CONV2-3 /2 pad1",
    ),
    *("UPCONV2-3", "UPCONV3-2 nobias", "FC-3", "FC-2 nobias"),
    *("RES[CONV3-4 | TANH]", "RES[CONV1-6 ; CONV1-6] | ELU", "CAT[CONV1-2 ; POOL3 /1 pad1 ; ]", "(CONV3-4 | TANH)*2"),
]

SHAPES = [(2, 4, 4, 4), (1, 4, 3, 5), (3, 4, 5, 3), (1, 4, 4, 6), (0, 4, 4, 4)]

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "turned": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "each second": lambda x: torch.stack([x, x], -1).flatten(3)[..., ::2],
    "a part of more": lambda x: torch.cat([x, x])[len(x) :],
    "one for all": lambda x: x[:1].expand_as(x),
}


def around(shape: tuple[int, ...], seed: int) -> Tensor:
    """Different numbers, none nearer to 0 than 0.05: no kink and no tie is met."""
    count = int(torch.tensor(shape).prod())
    numbers = (torch.randperm(count, generator=torch.Generator().manual_seed(seed)) - count / 2 + 0.25) / max(count, 1)
    return (numbers.double() * 4 + 0.05 * numbers.sign()).reshape(shape)


def laid_out(
    net: nn.Module, names: list[str], layout: Callable[[Tensor], Tensor], x: Tensor, *weights: Tensor
) -> Tensor:
    return torch.func.functional_call(net, dict(zip(names, weights)), (layout(x),))


@pytest.mark.parametrize("spec", LAYERS)
def test_layers(spec: str) -> None:
    for seed, shape in enumerate(SHAPES):
        if spec == "IN" and not shape[0]:
            continue  # torch's instance normalization knows no empty batch
        torch.manual_seed(seed)
        net = build(spec, shape=shape[1:]).double().train(mode=shape[0] > 1)
        weights = [parameter.detach().clone().requires_grad_() for parameter in net.parameters()]
        names = [name for name, _ in net.named_parameters()]
        for layout in LAYOUTS.values():
            if not shape[0] and layout is LAYOUTS["one for all"]:
                continue
            x = around(shape, seed).requires_grad_()

            run = partial(laid_out, net, names, layout)
            assert gradcheck(run, (x, *weights), atol=1e-6, nondet_tol=0.0, fast_mode=seed > 0)


@pytest.mark.parametrize("name", sorted(LOSSES.names()))
@pytest.mark.parametrize("shape", [(1, 2), (4, 3), (3, 7), (6, 1), (5, 2), (2, 11), (0, 3)])
def test_losses(name: str, shape: tuple[int, int]) -> None:
    loss = LOSSES.resolve(name)
    n, k = shape
    targets = torch.arange(n) % k
    for layout in (lambda s: s, lambda s: s.t().contiguous().t(), lambda s: torch.stack([s, s], -1)[..., 1]):
        for scale in (0.13, 1.07, 20.3):
            scores = (around(shape, n + k) * scale).requires_grad_()
            answers = targets.double() if k == 1 and name in ("squared_error", "binary_cross_entropy") else targets
            assert gradcheck(lambda s, layout=layout, y=answers: loss(layout(s), y), (scores,), nondet_tol=0.0)


def test_losses_of_values_and_probabilities() -> None:
    for shape in ((4,), (3, 2), (2, 3, 2), (1,), (0,), (0, 2)):
        values = around(shape, 3).requires_grad_()
        wanted = around(shape, 4)
        assert gradcheck(lambda s, y=wanted: squared_error(s, y), (values,))
        if len(shape) < 3:
            shares = around(shape, 5).sigmoid()
            assert gradcheck(lambda s, y=shares: binary_cross_entropy(s, y), (values,))


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("l1", [0.0, 0.2])
def test_penalties(l1: float, l2: float) -> None:
    for shapes in (((2, 3),), ((1,), (4, 2, 2, 2)), ((0, 2), (3,)), ((2, 2), (2, 2), (5,))):
        weights = [around(shape, seed).requires_grad_() for seed, shape in enumerate(shapes)]
        assert gradcheck(lambda *w: penalty(w, l2=l2, l1=l1), tuple(weights))


@pytest.mark.parametrize("p", [0.0, 0.5, 0.9])
def test_a_dropped_path_passes_the_gradient_of_what_is_kept(p: float) -> None:
    x = around((4, 2, 3), 1).requires_grad_()

    def run(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return drop_path(x, p, training=True)

    assert gradcheck(run, (x,))
