"""Each check of a network catches a network that was broken for it, and the whole network passes them all."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.diagnosis import check_model

SHAPE, CLASSES = (2, 8, 8), 5


class Plain(nn.Module):
    """A small network that keeps to the contract; mutants change one thing each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()
        self.conv2, self.bn2, self.relu2 = nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        self.pool, self.drop, self.fc = nn.MaxPool2d(2), nn.Dropout(0.2), nn.Linear(8, CLASSES)

    def before(self, x: Tensor) -> Tensor:
        return x

    def features(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))
        return self.pool(self.relu2(self.bn2(self.conv2(x))))  # (n, 8, h / 2, w / 2)

    def middle(self, h: Tensor) -> Tensor:
        return h.mean((2, 3))

    def head(self, h: Tensor) -> Tensor:
        return self.fc(h)

    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores

    def forward(self, x: Tensor) -> Tensor:
        given = self.before(x)
        return self.after(self.head(self.drop(self.middle(self.features(given)))), x)


DRAWN = itertools.count()


class WeightsFromElsewhere(Plain):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(next(DRAWN))
        with torch.no_grad():
            self.fc.weight.copy_(torch.randn(CLASSES, 8, generator=generator) * 0.3)


class TensorOutsideTheState(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(CLASSES) + 0.5

    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores * self.scale


class HoldsItsFirstSelf(Plain):
    def __init__(self) -> None:
        super().__init__()
        linear = [self.fc]
        self.classify = lambda h: linear[0](h)

    def head(self, h: Tensor) -> Tensor:
        return self.classify(h)


class DropsInAnyMode(Plain):
    def head(self, h: Tensor) -> Tensor:
        return self.fc(functional.dropout(h, 0.2))


class UndeclaredNoise(Plain):
    def features(self, x: Tensor) -> Tensor:
        h = super().features(x)
        return h + 0.1 * torch.randn_like(h) if self.training else h


class DividesByTheLargestOfTheBatch(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores / torch.clamp(torch.nan_to_num(x).abs().max() / 50, min=1.0) if x.numel() else scores


class KnowsTheBatchSize(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores * (1 + 0.01 * x.shape[0])


class CountsAlongTheBatch(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores + 0.01 * torch.arange(scores.shape[0])[:, None]


class GivesProbabilities(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores.softmax(1)


class TurnsPixelsIntoExamples(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8 * 16, CLASSES)

    def middle(self, h: Tensor) -> Tensor:
        return h.reshape(-1, 8 * 16)


class CannotTakeNone(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8 * 16, CLASSES)

    def middle(self, h: Tensor) -> Tensor:
        return h.reshape(h.shape[0], -1)


class TakesAnyType(Plain):
    def before(self, x: Tensor) -> Tensor:
        return x.to(self.fc.weight.dtype)


class SwallowsNan(Plain):
    def before(self, x: Tensor) -> Tensor:
        return torch.nan_to_num(x)


class LayerThatIsNotUsed(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(3, 3)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.seen: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x


class GathersInAnyMode(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.counting = Counting()

    def before(self, x: Tensor) -> Tensor:
        return self.counting(x)


class WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        return weight.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 1.01


class GradientIsOff(Plain):
    def head(self, h: Tensor) -> Tensor:
        return functional.linear(h, WrongBackward.apply(self.fc.weight), self.fc.bias)


class EverySecondPassIsAnother(Plain):
    turn = 0

    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        if not (self.training and torch.is_grad_enabled()):
            return scores
        self.turn += 1
        return scores * (1.0 if self.turn % 2 else 1.05)


class CannotBeSure(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return 0.1 * torch.tanh(scores)


class SureFromTheStart(Plain):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.fc.weight.mul_(30)


class HiddenLayerTooLarge(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(8, 8)
        with torch.no_grad():
            self.hidden.weight.mul_(20)
            self.fc.weight.mul_(0.1)

    def head(self, h: Tensor) -> Tensor:
        return self.fc(torch.relu(self.hidden(h)))


class DrawsWhileEvaluating(Plain):
    def before(self, x: Tensor) -> Tensor:
        if not self.training:
            torch.rand(1)
        return x


class DrawsWhileBuilding(Plain):
    def __init__(self) -> None:
        super().__init__()
        random.random()


class WritesToItsInput(Plain):
    def before(self, x: Tensor) -> Tensor:
        return x.clamp_(-40, 40)


class RoundsItsScores(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores.float()


class LosesDigitsIn16Bits(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return (scores + 100.0) - 100.0


class LooksAtValues(Plain):
    def after(self, scores: Tensor, x: Tensor) -> Tensor:
        return scores * 2 if float(scores.detach().sum()) > 1e9 else scores


class KeepsAFoldedWeight(Plain):
    folded: Tensor | None = None

    def train(self, mode: bool = True) -> KeepsAFoldedWeight:
        self.folded = None
        return super().train(mode)

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        self.folded = None
        return super().load_state_dict(*args, **options)

    def _apply(self, *args: Any, **options: Any) -> Any:
        self.folded = None
        return super()._apply(*args, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> KeepsAFoldedWeight:
        twin = type(self)()
        twin.load_state_dict(self.state_dict())
        return twin.train(self.training)

    def head(self, h: Tensor) -> Tensor:
        if self.training:
            return self.fc(h)
        if self.folded is None:
            self.folded = self.fc.weight.detach() * 1.0
        return functional.linear(h, self.folded, self.fc.bias)


ALIVE: list[nn.Module] = []


class IsNeverForgotten(Plain):
    def __init__(self) -> None:
        super().__init__()
        ALIVE.append(self)


class KeepsFeaturesInItself(Plain):
    def features(self, x: Tensor) -> Tensor:
        self.h = super().features(x)
        time.sleep(0.001)
        return self.h


class CutsTheWayToTheInput(Plain):
    def before(self, x: Tensor) -> Tensor:
        return x.detach()


# what is broken -> the checks that catch it, all others pass; the first is the one it is made for
MUTANTS: list[tuple[type[Plain], list[str]]] = [
    (WeightsFromElsewhere, ["builds"]),
    (TensorOutsideTheState, ["save_and_load", "double_precision", "averages"]),
    (HoldsItsFirstSelf, ["copies"]),
    (
        DropsInAnyMode,  # what is random in evaluation is seen by all that compare two evaluations
        [
            *("eval_twice", "save_and_load", "copies", "declared_randomness", "other_examples", "batching"),
            *("permutation", "wrong_inputs", "generators", "double_precision", "autocast", "export", "averages"),
            *("threads", "explained"),
        ],
    ),
    (UndeclaredNoise, ["declared_randomness", "generators"]),
    (DividesByTheLargestOfTheBatch, ["other_examples"]),
    (KnowsTheBatchSize, ["batching"]),
    (CountsAlongTheBatch, ["permutation", "batching"]),
    (GivesProbabilities, ["output_shape", "overfits"]),
    (TurnsPixelsIntoExamples, ["sizes"]),
    (CannotTakeNone, ["few_examples"]),
    (TakesAnyType, ["wrong_inputs"]),
    (SwallowsNan, ["wrong_inputs"]),
    (LayerThatIsNotUsed, ["gradients"]),
    (GathersInAnyMode, ["frozen_parts"]),
    (GradientIsOff, ["finite_differences"]),
    (EverySecondPassIsAnother, ["recomputation"]),
    (CannotBeSure, ["overfits"]),
    (SureFromTheStart, ["first_loss"]),
    (HiddenLayerTooLarge, ["first_activations"]),
    (DrawsWhileEvaluating, ["generators"]),
    (DrawsWhileBuilding, ["generators"]),
    (WritesToItsInput, ["input_unmodified"]),
    (RoundsItsScores, ["double_precision", "finite_differences", "explained"]),
    (LosesDigitsIn16Bits, ["autocast"]),
    (LooksAtValues, ["export"]),
    (KeepsAFoldedWeight, ["averages", "copies"]),
    (IsNeverForgotten, ["freed"]),
    (KeepsFeaturesInItself, ["threads"]),
    (CutsTheWayToTheInput, ["explained"]),
]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What mutants keep alive ends with the test."""
    yield
    ALIVE.clear()


def failed(report: Any) -> set[str]:
    return {result.name for result in report.failed}


def test_the_whole_network_passes() -> None:
    state = torch.get_rng_state()
    report = check_model(lambda: Plain(), SHAPE, CLASSES, parameters=2 * 6 * 9 + 6 * 8 * 9 + 2 * 14 + 9 * CLASSES)
    assert report.good, str(report)
    assert {r.number for r in report if r.verdict == "does not apply"} == {2, 4, 11}
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
@pytest.mark.parametrize(("mutant", "caught"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_network_is_caught(mutant: type[Plain], caught: list[str]) -> None:
    report = check_model(lambda: mutant(), SHAPE, CLASSES)
    assert failed(report) == set(caught), str(report)


def test_a_wrong_count_is_caught() -> None:
    report = check_model(lambda: Plain(), SHAPE, CLASSES, parameters=600)
    assert failed(report) == {"parameter_count"}
    assert report["parameter_count"].numbers == {"found": 613, "wanted": 600}


def test_mutants_cover_every_check() -> None:
    known = {check for _, caught in MUTANTS for check in caught[:1]}
    known |= {"parameter_count", "round_trip", "fresh_process"}  # the last two in test_model_builders.py
    names = [result.name for result in check_model(lambda: Plain(), SHAPE, CLASSES)]
    assert len(names) == 32
    assert set(names) - known == {"padding"}  # nothing here is a sequence: it never applies
