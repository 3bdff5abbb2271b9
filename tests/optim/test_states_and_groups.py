"""Optimizers between runs and layouts: states of another layout, copies, gaps, groups, steps without a gradient.

What one parameter does alone, in one layout, is proved in tests/contracts; here the same must come out in company.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import UsageError
from chainrule.optim import OPTIMIZERS
from chainrule.optim._inside import InsideEpsilon
from chainrule.optim._options import can_be_fused, has_no_gaps

SETTINGS = settings(deadline=None, max_examples=80, derandomize=True)
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "form": "step", "weight_decay": 0.1}),
    ("adagrad", {}),
    ("adagrad", {"epsilon": "inside"}),
    ("rmsprop", {"momentum": 0.5}),
    ("rmsprop", {"momentum": 0.5, "epsilon": "inside"}),
    ("adam", {"weight_decay": 0.1}),
    ("adam", {"epsilon": "inside"}),
    ("adamw", {"weight_decay": 0.2}),
    ("adamw", {"epsilon": "inside"}),
    ("muon", {"weight_decay": 0.1, "normalize": False}),
    ("muon", {"weight_decay": 0.1, "orthogonal": False, "rest": "adamw", "normalize": False}),
]
each = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: str(value))
SHAPE = (4, 6, 3, 2)


def gradients(steps: int, shape: tuple[int, ...] = SHAPE, seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(steps)]


def make(name: str, options: dict[str, Any], *parameters: Any) -> torch.optim.Optimizer:
    return OPTIMIZERS.resolve(name)(list(parameters), lr=0.05, **options)


def run(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, given_gradients: list[torch.Tensor]) -> None:
    for gradient in given_gradients:
        parameter.grad = gradient.clone()
        optimizer.step()


def straight(name: str, options: dict[str, Any], start: torch.Tensor, given_gradients: list[Any]) -> torch.Tensor:
    alone = start.clone(memory_format=torch.contiguous_format).requires_grad_()
    run(make(name, options, alone), alone, given_gradients)
    return alone.detach()


def with_gaps(start: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    whole = torch.full((*start.shape[:-1], 2 * start.shape[-1]), 7.0)
    whole[..., ::2] = start
    return whole, whole[..., ::2].requires_grad_()


@each
@pytest.mark.parametrize("into", ["channels last", "gaps", "contiguous"])
@pytest.mark.parametrize("out_of", ["channels last", "gaps", "contiguous"])
def test_a_state_goes_on_in_another_layout(name: str, options: dict[str, Any], out_of: str, into: str) -> None:
    layouts = {
        "channels last": lambda x: (None, x.to(memory_format=torch.channels_last).requires_grad_()),
        "gaps": with_gaps,
        "contiguous": lambda x: (None, x.contiguous().clone().requires_grad_()),
    }
    start, given_gradients = gradients(1, seed=0)[0], gradients(5)
    wanted = straight(name, options, start, given_gradients)
    _, first = layouts[out_of](start.clone())
    optimizer = make(name, options, first)
    run(optimizer, first, given_gradients[:3])
    whole, second = layouts[into](first.detach().clone())
    again = make(name, options, second)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(again, second, given_gradients[3:])
    torch.testing.assert_close(second.detach(), wanted, rtol=1e-5, atol=1e-6)
    if whole is not None:
        assert (whole[..., 1::2] == 7.0).all()


@each
def test_a_group_that_comes_later_may_have_gaps(name: str, options: dict[str, Any]) -> None:
    start, given_gradients = gradients(1, seed=0)[0], gradients(3)
    wanted = straight(name, options, start, given_gradients)
    whole, late = with_gaps(start)
    optimizer = make(name, options, torch.ones(2, requires_grad=True))
    optimizer.add_param_group({"params": [late]})
    run(optimizer, late, given_gradients)
    torch.testing.assert_close(late.detach(), wanted, rtol=1e-5, atol=1e-6)
    assert (whole[..., 1::2] == 7.0).all()


@each
def test_gradients_come_in_some_steps_only(name: str, options: dict[str, Any]) -> None:
    starts, given_gradients = gradients(2, (3, 2), seed=0), gradients(6, (3, 2))
    taken = ({0, 1, 2, 3, 4, 5}, {1, 2, 5})
    both = [start.clone().requires_grad_() for start in starts]
    optimizer = make(name, options, *both)
    for t, gradient in enumerate(given_gradients):
        for parameter, when in zip(both, taken):
            parameter.grad = gradient.clone() if t in when else None
        optimizer.step()
    for parameter, when, start in zip(both, taken, starts):
        wanted = straight(name, options, start, [g for t, g in enumerate(given_gradients) if t in when])
        torch.testing.assert_close(parameter.detach(), wanted)


@each
def test_each_group_has_its_own_rate_and_decay(name: str, options: dict[str, Any]) -> None:
    starts, given_gradients = gradients(3, (3, 2), seed=0), gradients(4, (3, 2))
    own: list[dict[str, Any]] = [{"weight_decay": 0.5}, {"lr": 0.2}, {}]
    every = [start.clone().requires_grad_() for start in starts]
    optimizer = make(name, options, *({"params": [p], **changed} for p, changed in zip(every, own)))
    for gradient in given_gradients:
        for parameter in every:
            parameter.grad = gradient.clone()
        optimizer.step()
    for parameter, changed, start in zip(every, own, starts):
        alone = start.clone().requires_grad_()
        # muon keeps the ratio of its rates, which is that of the optimizer as a whole
        rest = {"rest_lr": 0.1 * changed.get("lr", 0.05) / 0.05} if name == "muon" else {}
        single = OPTIMIZERS.resolve(name)([alone], **{"lr": 0.05, **options, **rest, **changed})
        run(single, alone, given_gradients)
        torch.testing.assert_close(parameter.detach(), alone.detach())


@each
def test_gradients_and_their_strides_are_left_to_the_caller(name: str, options: dict[str, Any]) -> None:
    x, gradient = torch.ones(3, 2, requires_grad=True), gradients(1, (3, 2))[0]
    optimizer = make(name, options, x)
    x.grad = gradient
    before = gradient.clone()
    optimizer.step()
    assert x.grad is gradient
    assert torch.equal(gradient, before)


@pytest.mark.parametrize("kind", ["adagrad", "rmsprop", "adam", "adamw"])
def test_a_deep_copy_goes_on_with_the_same_bits(kind: Any) -> None:
    x, given_gradients = torch.ones(3, 2, requires_grad=True), gradients(4, (3, 2))
    optimizer = OPTIMIZERS.resolve(kind)([x], lr=0.05, epsilon="inside")
    assert isinstance(optimizer, InsideEpsilon)
    run(optimizer, x, given_gradients[:2])
    twin = copy.deepcopy(optimizer)
    y = twin.param_groups[0]["params"][0]
    run(optimizer, x, given_gradients[2:])
    run(twin, y, given_gradients[2:])
    assert y is not x
    assert torch.equal(x, y)


@pytest.mark.parametrize("decoupled", [False, True])
def test_decay_in_the_adaptive_ones_against_a_loop(decoupled: bool) -> None:
    """The only options of `epsilon="inside"` that no formula of the lectures has."""
    start, given_gradients = gradients(1, (5,), seed=0)[0].double(), gradients(5, (5,))
    for kind in ["adamw"] if decoupled else ["adagrad", "rmsprop", "adam"]:
        momentum = {"momentum": 0.7} if kind == "rmsprop" else {}
        parameter = start.clone().requires_grad_()
        optimizer = OPTIMIZERS.resolve(kind)(
            [parameter], lr=0.05, eps=0.01, epsilon="inside", weight_decay=0.3, **momentum
        )
        run(optimizer, parameter, [g.double() for g in given_gradients])
        x = start.numpy().copy()
        s, m, v = np.zeros(5), np.zeros(5), np.zeros(5)
        for t, gradient in enumerate(given_gradients, 1):
            g = gradient.double().numpy()
            if decoupled:
                x = x - 0.05 * 0.3 * x
            else:
                g = g + 0.3 * x
            if kind == "adagrad":
                s = s + g**2
                x = x - 0.05 * g / np.sqrt(s + 0.01)
            elif kind == "rmsprop":
                s = 0.99 * s + 0.01 * g**2
                v = 0.7 * v + g / np.sqrt(s + 0.01)
                x = x - 0.05 * v
            else:
                m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
                x = x - 0.05 * (m / (1 - 0.9**t)) / np.sqrt(s / (1 - 0.999**t) + 0.01)
        np.testing.assert_allclose(parameter.detach().numpy(), x, rtol=1e-9)


@SETTINGS
@given(
    st.lists(st.integers(0, 4), max_size=4).flatmap(
        lambda shape: st.tuples(
            st.just(shape), st.permutations(range(len(shape))), st.lists(st.integers(1, 2), min_size=4, max_size=4)
        )
    ),
    st.booleans(),
)
def test_gaps_are_found(case: tuple[list[int], list[int], list[int]], expanded: bool) -> None:
    shape, order, skips = case
    whole = torch.zeros([size * skip for size, skip in zip(shape, skips)]).permute(order)
    view = whole[tuple(slice(None, None, skips[axis]) for axis in order)]
    if expanded:
        view = view[..., None].expand(*view.shape, 2)
    places = [sum(map(int.__mul__, at, view.stride())) for at in itertools.product(*map(range, view.shape))]
    assert has_no_gaps(view) == (sorted(places) == list(range(len(places))))
    assert can_be_fused([view]) == can_be_fused([{"params": [view]}]) == has_no_gaps(view)
    assert not can_be_fused([view, torch.zeros(3, dtype=torch.long)])


@pytest.mark.parametrize(
    ("name", "given_params", "message"),
    [
        (
            "adam",
            [{"params": [], "lr": -1.0}],
            "adam, group 0: lr is out of range: expected at least 0, finite, got -1",
        ),
        ("sgd", [{"params": []}, {"params": [], "weight_decay": -1}], "sgd, group 1: weight_decay is out of range"),
        ("rmsprop", [{"params": [], "momentum": 1.0}], "rmsprop, group 0: momentum is out of range"),
        ("muon", [{"params": [], "rest_momentum": -0.1}], "muon, group 0: rest_momentum is out of range"),
        ("adagrad", [], "adagrad: there is nothing to train"),
        ("adamw", iter(()), "adamw: there is nothing to train"),
    ],
)
def test_groups_out_of_range(name: str, given_params: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        OPTIMIZERS.resolve(name)(given_params)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS.names()))
@pytest.mark.parametrize("option", ["lr", "weight_decay", "eps"])
def test_infinite_options(name: str, option: str) -> None:
    if option == "eps" and name in ("sgd", "muon"):
        option = "rest_lr" if name == "muon" else "momentum"
    for value in (float("inf"), float("nan"), -1.0):
        with pytest.raises(UsageError, match="out of range|eps keeps the division"):
            OPTIMIZERS.resolve(name)([torch.ones(2, requires_grad=True)], **{option: value})
