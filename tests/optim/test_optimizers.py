"""What optimizers promise beside their formulas: memory layouts, states, groups, what they leave alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import UsageError
from chainrule.optim import OPTIMIZERS, orthogonalize

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"momentum": 0.9, "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("sgd", {"momentum": 0.9, "form": "step", "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "form": "step", "nesterov": True}),
    ("adagrad", {}),
    ("adagrad", {"epsilon": "inside"}),
    ("rmsprop", {"momentum": 0.5}),
    ("rmsprop", {"momentum": 0.5, "epsilon": "inside"}),
    ("adam", {"weight_decay": 0.1}),
    ("adam", {"epsilon": "inside"}),
    ("adamw", {}),
    ("adamw", {"epsilon": "inside"}),
    ("muon", {"weight_decay": 0.1}),
    ("muon", {"scale": "rms", "normalize": False}),
    ("muon", {"orthogonal": False, "rest": "adamw", "normalize": False}),
]
each = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: str(value))
LAST = torch.channels_last


def gradients(seed: int, shape: tuple[int, ...], steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(steps)]


def steps(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, given: list[torch.Tensor]) -> None:
    for gradient in given:
        parameter.grad = gradient.clone(memory_format=torch.preserve_format)
        optimizer.step()


@each
def test_layout_of_gradients_and_weights_does_not_matter(name: str, options: dict[str, Any]) -> None:
    start = gradients(0, (4, 6, 3, 2), 1)[0]
    results = []
    for weight_format, gradient_format in ((None, None), (LAST, LAST), (None, LAST), (LAST, None)):
        parameter = (start.clone() if weight_format is None else start.to(memory_format=LAST)).requires_grad_()
        given = [g if gradient_format is None else g.to(memory_format=LAST) for g in gradients(1, start.shape, 4)]
        steps(OPTIMIZERS.resolve(name)([parameter], lr=0.05, **options), parameter, given)
        results.append(parameter.detach())
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-5, atol=1e-6)


@each
def test_a_slice_of_a_larger_tensor_is_stepped_right_and_the_rest_is_left(name: str, options: dict[str, Any]) -> None:
    whole = gradients(0, (6, 10), 1)[0]
    before, piece = whole.clone(), whole[:, ::2].requires_grad_()
    alone = piece.detach().clone().requires_grad_()
    given = gradients(1, (6, 5), 3)
    for parameter in (piece, alone):
        steps(OPTIMIZERS.resolve(name)([parameter], lr=0.05, **options), parameter, given)
    torch.testing.assert_close(piece, alone)
    assert torch.equal(whole[:, 1::2], before[:, 1::2])


@each
def test_a_restored_state_goes_on_with_the_same_bits(name: str, options: dict[str, Any]) -> None:
    start, given = gradients(0, (5, 3), 1)[0], gradients(1, (5, 3), 6)
    straight = start.clone().requires_grad_()
    steps(OPTIMIZERS.resolve(name)([straight], lr=0.05, **options), straight, given)
    first = start.clone().requires_grad_()
    optimizer = OPTIMIZERS.resolve(name)([first], lr=0.05, **options)
    steps(optimizer, first, given[:3])
    state = copy.deepcopy(optimizer.state_dict())
    second = first.detach().clone().requires_grad_()
    again = OPTIMIZERS.resolve(name)([second], lr=0.05, **options)
    again.load_state_dict(state)
    steps(again, second, given[3:])
    assert torch.equal(second, straight)


@each
def test_parameters_without_a_gradient_stay(name: str, options: dict[str, Any]) -> None:
    used, unused = torch.ones(3, 2, requires_grad=True), torch.ones(3, 2, requires_grad=True)
    optimizer = OPTIMIZERS.resolve(name)([used, unused], lr=0.05, **options)
    steps(optimizer, used, gradients(1, (3, 2), 3))
    assert torch.equal(unused, torch.ones(3, 2))
    assert not torch.equal(used, torch.ones(3, 2))


@each
def test_groups_have_their_own_rates(name: str, options: dict[str, Any]) -> None:
    a, b = (torch.ones(3, 2, requires_grad=True) for _ in range(2))
    alone = torch.ones(3, 2, requires_grad=True)
    both = OPTIMIZERS.resolve(name)([{"params": [a], "lr": 0.0}, {"params": [b]}], lr=0.05, **options)
    single = OPTIMIZERS.resolve(name)([alone], lr=0.05, **options)
    for gradient in gradients(1, (3, 2), 3):
        for parameter in (a, b, alone):
            parameter.grad = gradient.clone()
        both.step()
        single.step()
    torch.testing.assert_close(b, alone)
    if not options.get("normalize", name == "muon"):
        assert torch.equal(a, torch.ones(3, 2))


@each
def test_a_closure_is_called_with_gradients_on(name: str, options: dict[str, Any]) -> None:
    x = torch.ones(2, 2, requires_grad=True)
    optimizer = OPTIMIZERS.resolve(name)([x], lr=0.05, **options)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (x**2).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 4.0
    assert not torch.equal(x, torch.ones(2, 2))


@each
def test_whatever_iterable_of_parameters_is_taken(name: str, options: dict[str, Any]) -> None:
    layer = torch.nn.Linear(3, 2)
    OPTIMIZERS.resolve(name)(layer.parameters(), lr=0.1, **options)
    OPTIMIZERS.resolve(name)([{"params": layer.parameters()}], lr=0.1, **options)
    OPTIMIZERS.resolve(name)([{"params": layer.weight}], lr=0.1, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sgd", {"lr": -1.0}, "lr is out of range"),
        ("sgd", {"lr": float("nan")}, "lr is out of range"),
        ("sgd", {"momentum": 1.0}, "momentum is out of range"),
        ("sgd", {"nesterov": True}, "expected momentum above 0"),
        ("sgd", {"form": "other"}, "velocity or step"),
        ("sgd", {"weight_decay": -0.1}, "weight_decay is out of range"),
        ("adam", {"betas": (0.9, 1.0)}, "betas is out of range"),
        ("adam", {"eps": 0.0}, "expected above 0"),
        ("adagrad", {"epsilon": "middle"}, "outside or inside"),
        ("rmsprop", {"decay": 1.5}, "decay is out of range"),
        ("muon", {"iterations": 0}, "at least 1"),
        ("muon", {"lr": 0.0}, "lr above 0"),
        ("muon", {"scale": "big"}, "unit or rms"),
        ("muon", {"rest": "adam"}, "nesterov or adamw"),
        ("muon", {"rest_betas": (0.9, 1.0)}, "rest_betas"),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        OPTIMIZERS.resolve(name)([torch.ones(2, requires_grad=True)], **options)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_orthogonalize_brings_singular_values_near_one(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    out = orthogonalize(matrix, 3)
    before, after = torch.linalg.svdvals(matrix), torch.linalg.svdvals(out)
    large = before > 0.01 * matrix.flatten(1).norm(dim=1, keepdim=True)
    assert (after[large] > 0.4).all()
    assert (after < 1.21).all()
    u, _, v = torch.linalg.svd(matrix[0], full_matrices=False)
    turned = u.T @ out[0] @ v.T  # same singular vectors: only the diagonal is left
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-6


def test_muon_leaves_a_matrix_without_direction_and_takes_only_filters_when_asked() -> None:
    weight = torch.ones(3, 2, requires_grad=True)
    optimizer = OPTIMIZERS.resolve("muon")([weight], lr=0.1, normalize=False)
    weight.grad = torch.zeros(3, 2)
    optimizer.step()
    assert torch.equal(weight, torch.ones(3, 2))
    matrix, plain = torch.ones(3, 2, requires_grad=True), torch.ones(3, 2, requires_grad=True)
    filters_only = OPTIMIZERS.resolve("muon")([matrix], lr=0.05, min_ndim=4)
    asked = OPTIMIZERS.resolve("muon")([{"params": [plain], "orthogonal": False}], lr=0.05)
    sgd = torch.ones(3, 2, requires_grad=True)
    nesterov = OPTIMIZERS.resolve("sgd")([sgd], lr=0.1, momentum=0.85, nesterov=True)
    for gradient in gradients(2, (3, 2), 3):
        for parameter, step in ((matrix, filters_only), (plain, asked), (sgd, nesterov)):
            parameter.grad = gradient.clone()
            step.step()
    torch.testing.assert_close(matrix, sgd)
    torch.testing.assert_close(plain, sgd)
