"""Losses at the ends of what numbers can be: huge, infinite, NaN, 16 bits, nothing, and types of targets."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.losses import LOSSES, binary_cross_entropy, penalty, softmax_loss, squared_error, svm_loss

SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)
INF, NAN = math.inf, math.nan
each = pytest.mark.parametrize("name", sorted(LOSSES.names()))


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def plain(name: str, scores: list[float], right: int) -> float:
    """The definitions, in Python's own numbers."""
    if name == "softmax":
        top = max(scores)
        return math.log(math.fsum(math.exp(s - top) for s in scores)) + (top - scores[right])
    if name == "svm":
        return math.fsum(max(0.0, s - scores[right] + 1) for j, s in enumerate(scores) if j != right)
    if name == "squared_error":
        return math.fsum((s - (j == right)) ** 2 for j, s in enumerate(scores)) / len(scores)
    return math.fsum(max(s, 0.0) - s * (j == right) + math.log1p(math.exp(-abs(s))) for j, s in enumerate(scores))


@SETTINGS
@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=6), st.data())
@each
def test_each_agrees_with_its_definition_however_large_the_scores(name: str, scores: list[float], data: Any) -> None:
    right = data.draw(st.integers(0, len(scores) - 1))
    value = LOSSES.resolve(name)(rows(scores), torch.tensor([right]))
    assert float(value) == pytest.approx(plain(name, scores, right), rel=1e-12, abs=1e-12)


@SETTINGS
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=6), st.data())
@each
def test_gradients_of_single_precision_stay_finite(name: str, scores: list[float], data: Any) -> None:
    right = torch.tensor([data.draw(st.integers(0, len(scores) - 1))])
    given_scores = torch.tensor([scores], dtype=torch.float32, requires_grad=True)
    LOSSES.resolve(name)(given_scores, right).sum().backward()
    assert given_scores.grad is not None
    assert torch.isfinite(given_scores.grad).all()


@SETTINGS
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(-1e3, 1e3), st.sampled_from(["softmax", "svm"]))
def test_a_shift_of_all_scores_does_not_matter(scores: list[float], shift: float, name: str) -> None:
    loss, right = LOSSES.resolve(name), torch.tensor([0])
    torch.testing.assert_close(loss(rows(scores) + shift, right), loss(rows(scores), right), rtol=1e-9, atol=1e-9)


def test_what_infinite_scores_give() -> None:
    ruled_out, first, second = rows([0.0, -INF]), torch.tensor([0]), torch.tensor([1])
    assert softmax_loss(ruled_out, first).item() == 0.0
    assert softmax_loss(ruled_out, second).item() == INF
    assert softmax_loss(ruled_out, first, smoothing=0.1).item() == INF  # a share of the target is on it
    assert math.isnan(softmax_loss(rows([INF, 0.0]), first).item())
    assert svm_loss(ruled_out, first).item() == 0.0
    assert svm_loss(ruled_out, second).item() == INF
    assert svm_loss(rows([INF, 0.0]), first).item() == 0.0
    assert svm_loss(rows([INF, 0.0]), second).item() == INF
    assert squared_error(rows([INF]), rows([1.0])).item() == INF
    for score in (INF, -INF):
        for target in (0.0, 0.5, 1.0):
            assert not math.isfinite(binary_cross_entropy(torch.tensor([score]), torch.tensor([target])).item())


@each
def test_nan_is_never_hidden(name: str) -> None:
    values = LOSSES.resolve(name)(rows([0.0, NAN, 1.0], [0.0, 2.0, 1.0]), torch.tensor([0, 1]))
    assert values.isnan().tolist() == [True, False]
    assert LOSSES.resolve(name)(rows([0.0, NAN, 1.0]), torch.tensor([1])).isnan().all()


@each
def test_one_class_and_strides_and_nothing(name: str) -> None:
    loss = LOSSES.resolve(name)
    generator = torch.Generator().manual_seed(0)
    scores, targets = torch.randn(5, 4, generator=generator), torch.tensor([0, 3, 1, 2, 0])
    spread = torch.zeros(5, 8)
    spread[:, ::2] = scores
    assert torch.equal(loss(spread[:, ::2], targets), loss(scores, targets))
    assert torch.equal(loss(scores.t().contiguous().t(), targets), loss(scores, targets))
    assert torch.equal(loss(scores, targets.repeat_interleave(2)[::2]), loss(scores, targets))
    none = loss(torch.zeros(0, 4, requires_grad=True), targets[:0])
    assert none.shape == (0,)
    none.sum().backward()
    assert loss(torch.randn(3, 1, generator=generator), torch.zeros(3, dtype=torch.long)).shape == (3,)


@pytest.mark.usefixtures("own_checks")
@each
def test_classes_of_any_whole_type_and_no_other(name: str) -> None:
    loss, scores = LOSSES.resolve(name), torch.tensor([[0.5, 2.0, -1.0], [1.0, 0.0, 3.0]])
    wanted = loss(scores, torch.tensor([2, 0]))
    for kind in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16, torch.uint32):
        assert torch.equal(loss(scores, torch.tensor([2, 0]).to(kind)), wanted)
    for kind in (torch.bool, torch.complex64):
        with pytest.raises(UsageError, match="whole numbers.*got torch"):
            loss(scores, torch.tensor([1, 0]).to(kind))
    for classes in ([3, 0], [0, -1]):
        with pytest.raises(
            DataError, match=f"a class is out of range: expected 0 to 2, got {3 if 3 in classes else -1}"
        ):
            loss(scores, torch.tensor(classes))


@pytest.mark.usefixtures("own_checks")
def test_answers_of_any_real_type_and_no_other() -> None:
    scores = torch.tensor([[0.5, 2.0], [1.0, -3.0]])
    answers = torch.tensor([[1, 0], [0, 1]])
    for loss in (binary_cross_entropy, squared_error):
        wanted = loss(scores, answers.float())
        for kind in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64):
            given_answers = answers.to(kind)
            assert torch.equal(loss(scores, given_answers), wanted)
            assert torch.equal(given_answers, answers.to(kind))
        with pytest.raises(UsageError, match="targets are real numbers"):
            loss(scores, answers.to(torch.complex64))
        # one score an example: whole numbers are answers, not classes
        column = loss(scores[:, :1], torch.tensor([1, 0]))
        assert torch.equal(column, loss(scores[:, 0], torch.tensor([1.0, 0.0])))
    with pytest.raises(DataError, match="0 to 1, got 1.0000001"):
        binary_cross_entropy(torch.zeros(1), torch.tensor([1.0000001], dtype=torch.float64))
    with pytest.raises(DataError, match="0 to 1, got -1"):
        binary_cross_entropy(torch.zeros(2), torch.tensor([-1.0, 1.0]))
    for shape in ((), (2, 3, 4)):
        with pytest.raises(UsageError, match=r"one score or K of them: expected scores \(N,\), \(N, 1\) or \(N, K\)"):
            binary_cross_entropy(torch.zeros(shape), torch.zeros(shape))
    with pytest.raises(UsageError, match="do not fit together"):
        squared_error(torch.zeros(()), torch.zeros(()))
    with pytest.raises(UsageError, match=r"targets of shape \(2, 3\), got \(2,\)"):
        squared_error(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(UsageError, match="do not fit together"):
        binary_cross_entropy(torch.zeros(2, 3), torch.zeros(2))


@each
def test_16_bits_are_as_exact_as_32(name: str) -> None:
    scores = torch.tensor([[300.0, -300.0, 2.0, 0.1], [0.5, 0.25, -8.0, 60000.0]], dtype=torch.float16)
    values = LOSSES.resolve(name)(scores, torch.tensor([1, 0]))
    assert values.dtype == torch.float32
    assert torch.equal(values, LOSSES.resolve(name)(scores.float(), torch.tensor([1, 0])))


def test_penalties_leave_weights_and_have_their_type() -> None:
    weight = torch.tensor([[0.0, -2.0]], dtype=torch.float64, requires_grad=True)
    value = penalty([weight], l2=0.5, l1=3.0)
    assert value.dtype == torch.float64
    assert value.shape == ()
    value.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[0.0, 2 * 0.5 * -2 - 3]]
    assert weight.tolist() == [[0.0, -2.0]]
    assert penalty([weight]).item() == 0.0
    for factors in ({"l2": INF}, {"l1": INF}, {"l1": -1e-9}):
        with pytest.raises(UsageError, match="finite"):
            penalty([weight], **factors)
    for margin in (-1.0, INF, NAN):
        with pytest.raises(UsageError, match="margin > 0, finite"):
            svm_loss(torch.zeros(1, 2), torch.tensor([0]), margin=margin)
    for smoothing in (-0.1, NAN):
        with pytest.raises(UsageError, match="0 <= smoothing < 1"):
            softmax_loss(torch.zeros(1, 2), torch.tensor([0]), smoothing=smoothing)
