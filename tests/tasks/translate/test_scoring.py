"""Teacher forcing and scheduled sampling: what a network is given while it learns to write."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chainrule.data import Batch
from chainrule.data.pair_examples import PairExamples
from chainrule.data.ragged import Ragged
from chainrule.models import TRANSLATION_MODELS
from chainrule.optim import At
from chainrule.runtime.rng import keys
from chainrule.tasks import open_recipe
from chainrule.tasks.translate._scoring import (
    TOLD,
    Measure,
    by_steps,
    drawn,
    forced,
    in_two_passes,
    translation_objective,
)

SOURCES = Ragged([torch.tensor([7, 8, 3]), torch.tensor([9, 3]), torch.tensor([5, 5, 6, 3])])
TARGETS = Ragged([torch.tensor([2, 5, 3]), torch.tensor([2, 5, 6, 7, 3]), torch.tensor([2, 9, 8, 3])])


def model(name: str = "seq2seq", **options: Any) -> Any:
    torch.manual_seed(1)
    return TRANSLATION_MODELS.resolve(name)(11, 12, **{"width": 12, **options}).double().eval()


def batch(*index: int, epoch: int = 0) -> Batch:
    chosen = torch.tensor(index)
    return PairExamples(SOURCES, TARGETS).fetch(chosen, keys(0, epoch, chosen, "example"))


class Certain(torch.nn.Module):
    """Scores that leave one token alone: the one after what was read."""

    def encode(self, source: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"count": torch.zeros(len(source))}

    def forward(self, tokens: torch.Tensor, state: Any) -> Any:
        scores = torch.full((*tokens.shape, 12), -60.0, dtype=torch.float64)
        return scores.scatter(2, ((tokens + 1) % 12).unsqueeze(2), 60.0), state


@pytest.mark.parametrize("told", TOLD.values(), ids=list(TOLD))
def test_all_truth_is_teacher_forcing(told: Any) -> None:
    made = model()
    assert torch.allclose(told(made, batch(0, 1, 2), 1.0), forced(made, batch(0, 1, 2)), atol=1e-12)


def test_step_by_step_reads_what_was_drawn_from_what_was_drawn() -> None:
    found = by_steps(Certain(), batch(1), 0.0).argmax(2)
    assert found.tolist() == [[3, 4, 5, 6]]  # 2, and then one more than was written each time


def test_the_second_pass_reads_what_the_first_made_of_the_truth() -> None:
    found = in_two_passes(Certain(), batch(1), 0.0).argmax(2)
    assert batch(1).inputs.target.tolist() == [[2, 5, 6, 7]]
    assert found.tolist() == [[3, 4, 7, 8]]  # read were 2 and, of the truth before it, 2 + 1, 5 + 1, 6 + 1


@pytest.mark.parametrize("told", TOLD.values(), ids=list(TOLD))
def test_what_is_drawn_belongs_to_the_example_and_epoch(told: Any) -> None:
    made = model("attention")
    together = told(made, batch(0, 1, 2), 0.5)
    alone = told(made, batch(1), 0.5)
    assert torch.allclose(together[1], alone[0], atol=1e-12)
    assert not torch.allclose(told(made, batch(0, 1, 2, epoch=1), 0.5), together)


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    scores = torch.tensor([0.5, 0.3, 0.2]).log().expand(1, 4000, 3)
    place = torch.rand(1, 4000, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn(scores, place)[0], minlength=3) / 4000
    assert counts.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert drawn(torch.tensor([[[0.0, -torch.inf]]]), torch.tensor([[0.99999]])).tolist() == [[0]]


def recipe(**settings: Any) -> Any:
    data = {"name": "addition", "tokenizer": "characters"}
    plain = {"task": "translate", "data": data, "model": {"name": "seq2seq"}, "train": {"steps": 10}}
    return open_recipe(plain, settings)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_counts_nowhere(smoothing: float) -> None:
    made = model()
    objective = translation_objective(recipe(**{"loss.name": "softmax", "loss.smoothing": smoothing}), by_steps)
    whole = batch(0, 1, 2)
    values, _ = objective.values(made, whole, At(seed=0, step=0, steps=10, history=()), {})
    count = objective.count(whole)["loss"]
    assert count == 2 + 4 + 3
    log_p = torch.log_softmax(forced(made, whole), 2)
    wanted = []
    for row, target in enumerate((TARGETS[0], TARGETS[1], TARGETS[2])):
        for place, token in enumerate(target[1:].tolist()):
            right, others = log_p[row, place, token], log_p[row, place].mean()
            wanted.append(-(1 - smoothing) * right - smoothing * others)
    assert float(values["loss"].sum().detach()) == pytest.approx(float(torch.stack(wanted).sum().detach()))
    measured = Measure(recipe(**{"loss.name": "softmax", "loss.smoothing": smoothing}))(made, whole)
    assert float(measured["loss"].result()) == pytest.approx(float(values["loss"].sum().detach()) / count, rel=1e-5)
    assert float(measured["accuracy"].result()) == pytest.approx(float(values["accuracy"].sum()) / count)


def test_the_share_of_truth_falls_with_the_steps() -> None:
    made = model()
    asked = recipe(**{"teaching.name": "linear"})
    objective = translation_objective(asked, lambda network, given, share: forced(network, given) * share)
    whole = batch(0, 1, 2)
    sums = []
    for step in (0, 5, 10):
        values, _ = objective.values(made, whole, At(seed=0, step=step, steps=10, history=()), {})
        sums.append(float(values["loss"].sum().detach()))
    flat = 9 * torch.tensor(12.0).log()
    assert sums[2] == pytest.approx(float(flat))  # share 0: all scores 0
    assert len(set(sums)) == 3


def test_exact_is_the_greedy_translation() -> None:
    right = Certain()
    sources, targets = Ragged([torch.tensor([4, 3])]), Ragged([torch.tensor([2, 3])])
    index = torch.tensor([0])
    measured = Measure(recipe())(right, PairExamples(sources, targets).fetch(index, index))
    assert float(measured["exact"].result()) == 1.0
    assert float(Measure(recipe())(right, batch(0, 1, 2))["exact"].result()) == 0.0
