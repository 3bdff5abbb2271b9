"""Targets: not scaled, constant, encoded wrongly, uneven, weighed the wrong way, unrelated to inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from chainrule.diagnosis.doctor.checks.data._balance import upside_down

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Ask = Callable[..., str]
Mlp = Callable[..., nn.Module]


def regression() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1), nn.Flatten(0))


def relabeled(data: Data, change: Callable[[Tensor], Tensor], *, valid: bool = True) -> Data:
    x, y, xv, yv = data
    return x, change(y), xv, change(yv) if valid else yv


@pytest.mark.parametrize("change", [lambda y: y * 5000 + 20000, lambda y: y + 300])
def test_targets_far_from_the_unit_scale(first: Ask, train: Any, numbers: Data, change: Any) -> None:
    assert first(train, regression(), relabeled(numbers, change), loss=F.mse_loss) == "target-not-scaled"


def test_targets_of_another_unit_that_do_no_harm_are_let_be(first: Ask, train: Any, numbers: Data) -> None:
    assert first(train, regression(), relabeled(numbers, lambda y: y * 3 + 1), loss=F.mse_loss) == ""


def test_all_targets_the_same(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), relabeled(digits, torch.zeros_like)) == "target-constant"


def test_labels_from_one_without_an_output_for_the_last(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), relabeled(digits, lambda y: y + 1)) == "labels-out-of-range"


def test_labels_from_one_with_an_output_too_many(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(outputs=11), relabeled(digits, lambda y: y + 1)) == "labels-start-at-one"


def test_labels_as_floats(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    assert first(train, mlp(), relabeled(digits, Tensor.float)) == "labels-of-wrong-kind"


def test_two_classes_as_minus_one_and_one(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    net = nn.Sequential(mlp(outputs=1), nn.Flatten(0))
    signs = relabeled(digits, lambda y: (y > 4).float() * 2 - 1)
    assert first(train, net, signs, loss=F.binary_cross_entropy_with_logits) == "labels-out-of-range"
    net = nn.Sequential(mlp(outputs=1), nn.Flatten(0))
    bits = relabeled(digits, lambda y: (y > 4).float())
    assert first(train, net, bits, loss=F.binary_cross_entropy_with_logits, epochs=2) == ""


def test_several_classes_at_once_in_a_softmax(found: Any, train: Any, digits: Data, mlp: Mlp) -> None:
    hot = relabeled(digits, lambda y: F.one_hot(y, 10).float() + F.one_hot((y + 1) % 10, 10).float())
    assert "labels-out-of-range" in found(train, mlp(), hot, epochs=1)


def test_another_numbering_in_the_validation(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    assert first(train, mlp(), (x, y, xv, (yv + 3) % 10)) == "labels-numbered-differently"


def test_classes_that_training_never_meets(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    kept = y < 8
    assert first(train, mlp(), (x[kept][:600], y[kept][:600], xv, yv)) == "class-missing"


def uneven(data: Data) -> Data:
    x, y, xv, yv = data
    y, yv = (y == 9).long(), (yv == 9).long()
    kept = torch.cat([(y == 0).nonzero()[:600, 0], (y == 1).nonzero()[:30, 0]])
    return x[kept], y[kept], xv, yv


@pytest.mark.parametrize("wrong", [True, False])
def test_weights_of_classes(first: Ask, train: Any, digits: Data, mlp: Mlp, wrong: bool) -> None:
    data = uneven(digits)
    counts = torch.bincount(data[1]).float()
    weight = counts / counts.sum() if wrong else counts.sum() / (2 * counts)
    label = first(train, mlp(outputs=2), data, loss=nn.CrossEntropyLoss(weight=weight))
    assert label == ("class-weights-upside-down" if wrong else "")


@pytest.mark.parametrize("factor", [0.05, 20.0])
def test_the_weight_of_the_positive_class(first: Ask, train: Any, digits: Data, mlp: Mlp, factor: float) -> None:
    x, y, xv, yv = uneven(digits)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(factor))
    net = nn.Sequential(mlp(outputs=1), nn.Flatten(0))
    label = first(train, net, (x, y.float(), xv, yv.float()), loss=loss)
    assert label == ("class-weights-upside-down" if factor < 1 else "")


def test_weights_of_examples(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    data = uneven(digits)
    shares = torch.bincount(data[1]).float() / len(data[1])

    def loss(scores: Tensor, y: Tensor) -> Tensor:
        return (F.cross_entropy(scores, y, reduction="none") * shares[y]).mean()

    assert first(train, mlp(outputs=2), data, loss=loss) == "class-weights-upside-down"


@pytest.mark.parametrize("wrong", [True, False])
def test_a_sampler(first: Ask, digits: Data, mlp: Mlp, wrong: bool) -> None:
    x, y, xv, yv = uneven(digits)
    counts = torch.bincount(y).double()
    weights = counts[y] if wrong else 1 / counts[y]

    def run() -> None:
        loader = DataLoader(TensorDataset(x, y), batch_size=32, sampler=WeightedRandomSampler(weights.tolist(), 640))
        net = mlp(outputs=2)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(3):
            for inputs, labels in loader:
                optimizer.zero_grad()
                F.cross_entropy(net(inputs), labels).backward()
                optimizer.step()
        with torch.no_grad():
            (net.eval()(xv).argmax(1) == yv).float().mean().item()

    assert first(run) == ("class-weights-upside-down" if wrong else "")


def test_weights_that_grow_against_frequency_are_right() -> None:
    counts = torch.tensor([500, 100, 20])
    assert upside_down(counts.float(), counts)
    assert not upside_down(1 / counts.float(), counts)
    assert not upside_down(torch.ones(3), counts)
    assert not upside_down(torch.tensor([1.0, 3.0, 9.0]), torch.tensor([100, 101, 99]))


def test_uneven_classes_of_which_one_is_answered(found: Any, train: Any, digits: Data, mlp: Mlp) -> None:
    said = found(train, mlp(outputs=2), uneven(digits), epochs=1, rate=3e-4)
    assert {"fault"} == {each.level for label, each in said.items() if label == "rare-class-neglected"} or (
        said["classes-uneven"].level == "fault"
    )
    said = found(train, mlp(outputs=2), uneven(digits), epochs=12, rate=1e-2)
    assert said["classes-uneven"].level == "note"


def test_labels_shuffled_without_their_inputs(first: Ask, train: Any, digits: Data, mlp: Mlp) -> None:
    x, y, xv, yv = digits
    assert first(train, mlp(), (x, y[torch.randperm(len(y))], xv, yv), epochs=2) == "labels-unrelated"


def test_labels_out_of_step_with_their_inputs(first: Ask, train: Any, numbers: Data) -> None:
    x, y, xv, yv = numbers
    assert first(train, regression(), (x, y.roll(1), xv, yv), loss=F.mse_loss, epochs=2) == "labels-unrelated"
