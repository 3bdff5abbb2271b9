"""Muon: its options one by one, matrices of many shapes at once, huge and vanishing gradients, empty weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.optim import muon, orthogonalize

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stepped(weight: torch.Tensor, *gradients: torch.Tensor, **options: Any) -> torch.Tensor:
    parameter = weight.clone().requires_grad_()
    optimizer = muon([parameter], **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def test_scale_normalization_and_decay_of_a_matrix() -> None:
    weight, gradient = randn(4, 3, 2, 2), randn(4, 3, 2, 2, seed=1)
    plain = {"lr": 0.05, "normalize": False, "momentum": 0.0}
    step = weight - stepped(weight, gradient, **plain)
    wanted = 0.05 * orthogonalize(gradient.reshape(1, 4, 12), 3).reshape(4, 3, 2, 2)
    torch.testing.assert_close(step, wanted)
    scaled = weight - stepped(weight, gradient, scale="rms", **plain)
    torch.testing.assert_close(scaled, 0.2 * 12**0.5 * wanted)
    tall = weight.reshape(12, 4) - stepped(weight.reshape(12, 4), gradient.reshape(12, 4), scale="rms", **plain)
    torch.testing.assert_close(tall, 0.2 * 12**0.5 * 0.05 * orthogonalize(gradient.reshape(1, 12, 4), 3)[0])
    decayed = stepped(weight, gradient, weight_decay=0.3, **plain)
    torch.testing.assert_close(decayed, weight * (1 - 0.05 * 0.3) - wanted)
    normal = stepped(weight, gradient, **{**plain, "normalize": True})
    torch.testing.assert_close(normal, weight * 4**0.5 / weight.norm() - wanted)
    assert stepped(torch.zeros(3, 2), torch.zeros(3, 2)).eq(0).all()  # no norm to divide by


def test_momentum_looks_ahead() -> None:
    weight, first, second = randn(3, 5), randn(3, 5, seed=1), randn(3, 5, seed=2)
    options: dict[str, Any] = {"lr": 0.1, "momentum": 0.7, "normalize": False, "iterations": 2}
    moves = [1.7 * first, second + 0.7 * (0.7 * first + second)]
    wanted = weight - 0.1 * sum(orthogonalize(move[None], 2)[0] for move in moves)
    torch.testing.assert_close(stepped(weight, first, second, **options), wanted)


def test_the_rest_moves_at_its_share_of_the_rate() -> None:
    bias, gradient = randn(5), randn(5, seed=1)
    for lr, momentum in ((0.05, 0.85), (0.2, 0.0)):
        options: dict[str, Any] = {"lr": lr, "rest_lr": 0.3, "rest_momentum": momentum, "weight_decay": 0.1}
        wanted = bias - 0.3 * (gradient + 0.1 * bias) * (1 + momentum)
        torch.testing.assert_close(stepped(bias, gradient, **options), wanted)
        parameter = bias.clone().requires_grad_()
        optimizer = muon([parameter], **options)
        optimizer.param_groups[0]["lr"] = lr / 4  # a schedule
        parameter.grad = gradient.clone()
        optimizer.step()
        torch.testing.assert_close(parameter.detach(), bias - (bias - wanted) / 4)


def test_filters_alone_are_matrices_when_asked() -> None:
    for shape, is_matrix in (((4, 3), False), ((4, 3, 2), False), ((4, 3, 2, 2), True), ((2, 2, 1, 2, 2), True)):
        weight, gradient = randn(*shape), randn(*shape, seed=1)
        found = stepped(weight, gradient, min_ndim=4, normalize=False)
        if is_matrix:
            torch.testing.assert_close(found, stepped(weight, gradient, normalize=False))
        else:
            torch.testing.assert_close(found, weight - 0.1 * 1.85 * gradient)


def test_many_shapes_at_once_are_stepped_as_each_alone() -> None:
    shapes = [(4, 3), (3, 4), (4, 3), (5,), (4, 3, 1, 1), (2, 6), (4, 3), (), (6, 2), (1, 1)]
    weights = [randn(*shape, seed=i) for i, shape in enumerate(shapes)]
    gradients = [randn(*shape, seed=100 + i) for i, shape in enumerate(shapes)]
    parameters = [weight.clone().requires_grad_() for weight in weights]
    optimizer = muon(parameters)
    for _ in range(2):
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        optimizer.step()
    for parameter, weight, gradient in zip(parameters, weights, gradients):
        torch.testing.assert_close(parameter.detach(), stepped(weight, gradient, gradient))


@SETTINGS
@given(st.integers(1, 12), st.integers(1, 12), st.integers(-30, 30), st.integers(0, 10**6))
def test_the_size_of_a_gradient_does_not_matter(rows: int, columns: int, exponent: int, seed: int) -> None:
    matrix = randn(1, rows, columns, seed=seed).float()
    found = orthogonalize(matrix * 10.0**exponent)
    norm = float((matrix.double() * 10.0**exponent).norm())
    if norm >= 1e-7:
        torch.testing.assert_close(found, orthogonalize(matrix), rtol=1e-3, atol=1e-4)
    else:
        # fades: each of three iterations makes small values 3.4445 times larger
        torch.testing.assert_close(found, matrix * (10.0**exponent / 1e-7 * 3.4445**3), rtol=1.0, atol=1.0)
        assert float(found.norm()) <= 3.4445**3 * norm / 1e-7 * 1.001


def test_orthogonalize_keeps_type_input_and_zeros() -> None:
    matrix = randn(2, 3, 4)
    before = matrix.clone()
    wanted = orthogonalize(matrix)
    assert wanted.dtype == torch.float64
    assert torch.equal(matrix, before)
    torch.testing.assert_close(orthogonalize(matrix.mT), wanted.mT)
    half = orthogonalize(matrix.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, orthogonalize(matrix.bfloat16().float()).bfloat16())  # in float32, rounded once
    assert torch.equal(orthogonalize(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))
    assert orthogonalize(torch.full((1, 2, 2), float("nan"))).isnan().all()
    for shape in ((0, 3, 4), (2, 0, 4), (2, 3, 0)):
        assert orthogonalize(torch.zeros(shape)).shape == shape


def test_a_weight_without_elements_and_a_zero_gradient() -> None:
    for shape in ((0, 5), (5, 0), (0, 2, 3, 3)):
        assert stepped(torch.zeros(shape), torch.zeros(shape)).shape == shape
    weight = randn(3, 2)
    assert torch.equal(stepped(weight, torch.zeros(3, 2).double(), normalize=False), weight)
    # without new gradients the momentum comes to rest
    parameter = weight.clone().requires_grad_()
    optimizer = muon([parameter], normalize=False)
    parameter.grad = randn(3, 2, seed=1)
    optimizer.step()
    parameter.grad = torch.zeros(3, 2).double()
    for _ in range(60):
        optimizer.step()
    rested = parameter.detach().clone()
    for _ in range(60):
        optimizer.step()
    torch.testing.assert_close(parameter.detach(), rested, rtol=0, atol=1e-4)


def test_a_group_may_change_any_of_its_options() -> None:
    weight, gradient = randn(3, 2), randn(3, 2, seed=1)
    for own in ({"normalize": False}, {"momentum": 0.1}, {"orthogonal": False}, {"weight_decay": 0.5}):
        parameter = weight.clone().requires_grad_()
        optimizer = muon([{"params": [parameter], **own}])
        for _ in range(2):
            parameter.grad = gradient.clone()
            optimizer.step()
        if own == {"orthogonal": False}:
            v = 0.85 * gradient + gradient
            wanted = weight - 0.1 * (1.85 * gradient) - 0.1 * (gradient + 0.85 * v)
        else:
            wanted = stepped(weight, gradient, gradient, **own)
        torch.testing.assert_close(parameter.detach(), wanted)


def test_options_are_told_by_name() -> None:
    for options, message in (
        ({"momentum": 1.0}, "momentum"),
        ({"rest_lr": -1.0}, "rest_lr"),
        ({"min_ndim": 3}, "min_"),
    ):
        with pytest.raises(Exception, match=message):
            muon([torch.ones(2, 2, requires_grad=True)], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 3, 3)])
def test_the_rest_by_adamw_is_torchs(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(shape, generator=generator)
    mine, theirs = (start.clone().requires_grad_() for _ in range(2))
    group = {"params": [mine], "orthogonal": False, "lr": 0.01}
    optimizer = muon([group], lr=0.02, rest="adamw", rest_lr=0.004, rest_betas=(0.8, 0.9), weight_decay=0.3)
    other = torch.optim.AdamW([theirs], lr=0.002, betas=(0.8, 0.9), weight_decay=0.3)  # half of both rates
    for _ in range(20):
        gradient = torch.randn(shape, generator=generator)
        mine.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        other.step()
    torch.testing.assert_close(mine, theirs)
