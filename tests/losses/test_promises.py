"""What the losses promise beside their formulas: smoothing, margins, shapes, extremes, purity."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from chainrule.core.errors import DataError, UsageError
from chainrule.losses import LOSSES, binary_cross_entropy, penalty, softmax_loss, squared_error, svm_loss


def batch(n: int = 6, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, k, generator=generator, dtype=torch.float64), torch.randint(0, k, (n,), generator=generator)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothing_mixes_the_target_with_all_classes(smoothing: float) -> None:
    scores, targets = batch()
    wanted = torch.full((6, 5), smoothing / 5, dtype=torch.float64)
    wanted[torch.arange(6), targets] += 1 - smoothing
    expected = -(wanted * (scores - torch.logsumexp(scores, 1, keepdim=True))).sum(1)
    torch.testing.assert_close(softmax_loss(scores, targets, smoothing=smoothing), expected)


@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
def test_margin(margin: float) -> None:
    scores, targets = batch()
    for row, (values, right) in enumerate(zip(scores.tolist(), targets.tolist())):
        wanted = sum(max(0.0, s - values[right] + margin) for j, s in enumerate(values) if j != right)
        assert float(svm_loss(scores, targets, margin=margin)[row]) == pytest.approx(wanted)


def test_the_kink_of_the_hinge_has_no_gradient() -> None:
    scores = torch.tensor([[1.0, 0.0]], requires_grad=True)
    svm_loss(scores, torch.tensor([0])).sum().backward()
    assert scores.grad is not None
    assert not scores.grad.any()


@pytest.mark.parametrize("name", sorted(LOSSES.names()))
def test_examples_are_apart_and_inputs_stay(name: str) -> None:
    loss = LOSSES.resolve(name)
    scores, targets = batch()
    kept = scores.clone(), targets.clone()
    values = loss(scores, targets)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert torch.equal(loss(scores[order], targets[order]), values[order])
    assert torch.equal(loss(scores[2:3], targets[2:3]), values[2:3])
    assert torch.equal(scores, kept[0])
    assert torch.equal(targets, kept[1])
    assert (values >= 0).all()
    assert torch.equal(loss(scores, targets.to(torch.int32)), values)
    assert torch.equal(loss(scores, targets.to(torch.int16)), values)


@pytest.mark.parametrize("name", sorted(LOSSES.names()))
def test_second_derivatives(name: str) -> None:
    scores, targets = batch(3, 4)
    assert torch.autograd.gradgradcheck(lambda s: LOSSES.resolve(name)(s, targets[:3] % 4), (scores.requires_grad_(),))


def test_extreme_scores() -> None:
    big = torch.tensor([[1e30, -1e30, 0.0]], requires_grad=True)
    assert softmax_loss(big, torch.tensor([0])).item() == 0.0
    value = softmax_loss(big, torch.tensor([1]))
    assert value.item() == pytest.approx(2e30, rel=1e-6)
    value.sum().backward()
    assert big.grad is not None
    assert big.grad.tolist() == [[1.0, -1.0, 0.0]]
    assert svm_loss(torch.tensor([[1e30, -1e30]]), torch.tensor([1])).item() == pytest.approx(2e30, rel=1e-6)
    assert binary_cross_entropy(torch.tensor([1e4, -1e4]), torch.tensor([1.0, 0.0])).tolist() == [0.0, 0.0]
    assert binary_cross_entropy(torch.tensor([1e4]), torch.tensor([0.0])).item() == 1e4
    assert math.isnan(softmax_loss(torch.tensor([[float("nan"), 0.0]]), torch.tensor([0])).item())
    ruled_out = torch.tensor([[0.0, -float("inf")]])
    assert softmax_loss(ruled_out, torch.tensor([0])).item() == 0.0
    assert softmax_loss(ruled_out, torch.tensor([1])).item() == math.inf


def test_one_output_may_stand_as_a_column() -> None:
    a, y = torch.tensor([0.5, -2.0]), torch.tensor([1.0, 0.0])
    for loss in (squared_error, binary_cross_entropy):
        wanted = loss(a, y)
        for scores, targets in ((a[:, None], y), (a, y[:, None]), (a[:, None], y[:, None])):
            assert torch.equal(loss(scores, targets), wanted)
    grid = torch.randn(3, 2, 4)
    torch.testing.assert_close(squared_error(grid, torch.zeros(3, 2, 4)), grid.square().mean((1, 2)))
    one_hot = squared_error(torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([1]))
    assert one_hot.item() == pytest.approx((1 + 4 + 0) / 3)


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: softmax_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), smoothing=1.0),
            UsageError,
            "smoothing",
        ),
        (lambda: svm_loss(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), margin=0.0), UsageError, "margin > 0"),
        (lambda: softmax_loss(torch.zeros(2, 3), torch.zeros(2)), UsageError, "whole numbers"),
        (lambda: softmax_loss(torch.zeros(2, 3, 4), torch.zeros(2, dtype=torch.long)), UsageError, "fit together"),
        (lambda: squared_error(torch.zeros(2, 3), torch.zeros(3, 2)), UsageError, r"targets of shape \(2, 3\)"),
        (lambda: binary_cross_entropy(torch.zeros(2), torch.zeros(3)), UsageError, "fit together"),
        (lambda: binary_cross_entropy(torch.zeros(2), torch.tensor([0.0, 1.5])), DataError, "0 to 1, got 1.5"),
        (lambda: binary_cross_entropy(torch.zeros(2), torch.tensor([0.0, float("nan")])), DataError, "0 to 1"),
        (lambda: penalty([torch.ones(2)], l2=-1.0), UsageError, "at least 0, finite, got -1"),
        (lambda: penalty([torch.ones(2)], l1=float("nan")), UsageError, "at least 0, finite, got nan"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_penalty_of_nothing_and_of_a_generator() -> None:
    assert penalty([]).item() == 0.0
    weights = [torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0]])]
    assert penalty((w for w in weights), l2=0.5, l1=2.0).item() == pytest.approx(0.5 * 14 + 2 * 6)


def test_the_squared_hinge_loss_is_the_sum_of_squares() -> None:
    scores = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0]], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 1])
    wanted = [(5.1 - 3.2 + 1) ** 2, 0.0]
    assert svm_loss(scores, targets, power=2).tolist() == pytest.approx(wanted)
    assert torch.autograd.gradcheck(lambda s: svm_loss(s, targets, margin=1.5, power=2), (scores,))
    with pytest.raises(UsageError, match="expected power 1 or 2, got 3"):
        svm_loss(scores, targets, power=3)  # type: ignore[arg-type]
