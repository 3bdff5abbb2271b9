"""Each check of a loss catches a loss that was broken for it; registered losses pass them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from chainrule.core.errors import UsageError
from chainrule.diagnosis import check_loss
from chainrule.losses import LOSSES, softmax_loss


def failed(report: Any) -> set[str]:
    return {result.name for result in report.failed}


def changed(change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The softmax loss, changed by a function of its values, the scores, and the classes."""
    return lambda scores, targets: change(softmax_loss(scores, targets), scores, targets)


def accepts(make: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Callable[[Tensor, Tensor], Tensor]:
    """The softmax loss of other arguments."""
    return lambda scores, targets: softmax_loss(*make(scores, targets))


class Scaled(torch.autograd.Function):
    """The identity with a gradient that is off."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        return scores.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 1.01


class Leaning(torch.autograd.Function):
    """The identity whose gradient leans to one class by a little."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        return scores.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad + 1e-6


def narrow(scores: Tensor, targets: Tensor) -> Tensor:
    return softmax_loss(scores.float(), targets)


def naive(scores: Tensor, targets: Tensor) -> Tensor:
    """Right but for large scores, where e^s is infinite."""
    softmax_loss(scores, targets)  # refuses what does not fit
    chances = scores.exp() / scores.exp().sum(1, keepdim=True)
    return -(chances.gather(1, targets.long()[:, None])[:, 0] + 1e-12).log() + 1e-11


def in_place(scores: Tensor, targets: Tensor) -> Tensor:
    values = softmax_loss(scores, targets)
    if not scores.requires_grad:
        scores.mul_(1.0)
    return values


def by_position(values: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
    return values * (1 + 0.1 * torch.arange(len(values)))


def hardest(values: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
    return values + (0.1 * values.detach().max() if len(values) else 0)


def wraps_round(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    fits = targets.ndim == 1 and not targets.is_floating_point() and targets.dtype != torch.bool
    return scores, (targets.long() % scores.shape[1] if fits else targets)


def takes_columns(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return scores, targets[:, 0] if targets.ndim == 2 else targets


def takes_floats(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return scores, targets.long() if targets.is_floating_point() else targets


def not_for_none(scores: Tensor, targets: Tensor) -> Tensor:
    values = softmax_loss(scores, targets)
    return values + 0 * torch.nan_to_num(scores.detach()).max()


MUTANTS: list[tuple[str, Callable[[Tensor, Tensor], Tensor], set[str]]] = [
    ("nothing", softmax_loss, set()),
    ("a mean", changed(lambda v, s, y: v.mean()), {"per_example"}),
    ("a column", changed(lambda v, s, y: v[:, None]), {"per_example"}),
    ("single precision", narrow, {"types", "gradient", "gradient_sums", "class_order", "misfits"}),
    ("float64 for all", changed(lambda v, s, y: v.double()), {"types"}),
    ("the hardest of the batch", changed(hardest), {"other_examples", "gradient", "nan_shows"}),
    ("position", changed(by_position), {"example_order", "other_examples", "gradient_sums"}),
    ("a background class", changed(lambda v, s, y: v * torch.where(y == 0, 0.5, 1.0)), {"class_order"}),
    ("a bonus", changed(lambda v, s, y: v - 0.5), {"least"}),
    ("no care for large scores", naive, {"extremes"}),
    ("a gradient that is off", lambda s, y: softmax_loss(Scaled.apply(s), y), {"gradient"}),
    ("a gradient that leans", lambda s, y: softmax_loss(Leaning.apply(s), y), {"gradient_sums", "gradient"}),
    ("none", not_for_none, {"no_examples"}),
    ("a swallowed NaN", changed(lambda v, s, y: torch.nan_to_num(v)), {"nan_shows"}),
    ("an index that wraps round", accepts(wraps_round), {"class_range"}),
    ("a column of classes", accepts(takes_columns), {"misfits"}),
    ("classes as floats", accepts(takes_floats), {"misfits"}),
    ("work in place", in_place, {"pure"}),
    ("the wrong way round", lambda s, y: softmax_loss(-s, y), {"right_answers"}),
]


@pytest.mark.parametrize(("what", "loss", "caught"), MUTANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_broken_loss_is_caught(
    own_checks: None, what: str, loss: Callable[[Tensor, Tensor], Tensor], caught: set[str]
) -> None:
    report = check_loss(loss)
    found = failed(report)
    if caught == {"per_example"}:  # nothing can be asked of what has another shape
        assert "per_example" in found
    else:
        assert found == caught, str(report)


def test_drawing_is_caught(own_checks: None) -> None:
    noisy = changed(lambda v, s, y: v + 1e-3 * torch.rand(v.shape, dtype=v.dtype))
    assert "pure" in failed(check_loss(noisy))


def test_mutants_cover_every_check(own_checks: None) -> None:
    report = check_loss("softmax")
    assert len(report) == 15
    assert {result.name for result in report} == {name for _, _, caught in MUTANTS for name in caught}


@pytest.mark.parametrize("name", sorted(LOSSES.names()))
@pytest.mark.parametrize("classes", [2, 3, 11])
def test_registered_losses(own_checks: None, name: str, classes: int) -> None:
    report = check_loss(name, classes=classes)
    assert report.good, str(report)
    assert report.counts["passed"] == 15


def test_options_and_exceptions(own_checks: None) -> None:
    assert check_loss("softmax", options={"smoothing": 0.2}).good
    assert check_loss("svm", options={"margin": 0.5}).good
    assert check_loss("softmax", least=None)["least"].verdict == "does not apply"
    assert check_loss(MUTANTS[8][1], exceptions={"least": "a constant that training does not see"}).good
    with pytest.raises(UsageError, match=r"no check 16 of a loss"):
        check_loss("softmax", exceptions={16: "there is none"})
