"""What may see what: examples, places, padding, the order, earlier calls, chance. Faulty networks and sound twins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor]
Train = Callable[..., Any]
Found = Callable[..., tuple[Finding, ...]]


def above_note(findings: tuple[Finding, ...]) -> list[str]:
    return [f.label for f in findings if f.level != "note"]


def by_place(scores: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(scores.flatten(0, 1), target.flatten())


class Language(nn.Module):
    """One attention over tokens, with a mask of one's own."""

    def __init__(self, mask: Callable[[Tensor], Tensor], *, places: bool = True) -> None:
        super().__init__()
        self.token, self.place, self.places = nn.Embedding(12, 16), nn.Embedding(16, 16), places
        self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(3))
        self.head, self.mask = nn.Linear(16, 12), mask

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens)
        if self.places:
            x = x + self.place(torch.arange(tokens.shape[1]))
        scores = self.q(x) @ self.k(x).transpose(-2, -1) / math.sqrt(16)
        return self.head(x + self.mask(scores).softmax(-1) @ self.v(x))


def seen(scores: Tensor, diagonal: int = 0) -> Tensor:
    return torch.ones(scores.shape[-2:]).tril(diagonal)


MASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "no-causal-mask": lambda s: s,
    "causal-mask-inverted": lambda s: s.masked_fill(seen(s).T == 0, -math.inf),
    "causal-mask-shifted": lambda s: s.masked_fill(seen(s, 1) == 0, -math.inf),
    "mask-filled-with-zero": lambda s: s.masked_fill(seen(s) == 0, 0.0),
}


@pytest.mark.parametrize("label", sorted(MASKS))
def test_masks_that_show_the_future(label: str, sentences: Data, train: Train, found: Found) -> None:
    first = found(train(Language(MASKS[label]), *sentences, loss_of=by_place))[0]
    assert (first.label, first.level) == (label, "fault")


def test_a_mask_that_is_multiplied_is_none(sentences: Data, train: Train, found: Found) -> None:
    first = found(train(Language(lambda s: s * seen(s)), *sentences, loss_of=by_place))[0]
    assert first.label == "mask-filled-with-zero"


def test_a_causal_mask_is_right(sentences: Data, train: Train, found: Found) -> None:
    model = Language(lambda s: s.masked_fill(seen(s) == 0, -math.inf))
    assert above_note(found(train(model, *sentences, loss_of=by_place))) == []


class Recurrent(nn.Module):
    """A recurrent model over tokens, in one direction or both."""

    def __init__(self, *, both: bool = False) -> None:
        super().__init__()
        self.token, self.cell = nn.Embedding(12, 8), nn.GRU(8, 8, batch_first=True, bidirectional=both)
        self.head = nn.Linear(16 if both else 8, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.cell(self.token(tokens))[0])


def test_a_model_in_both_directions_sees_the_future(sentences: Data, train: Train, found: Found) -> None:
    assert found(train(Recurrent(both=True), *sentences, loss_of=by_place))[0].label == "no-causal-mask"
    assert above_note(found(train(Recurrent(), *sentences, loss_of=by_place))) == []


def test_a_tagger_may_look_both_ways(sentences: Data, train: Train, found: Found) -> None:
    tags = (sentences[0] > 5).long() + (sentences[0].roll(-1, 1) > 7).long()
    assert above_note(found(train(Recurrent(both=True), sentences[0], tags, loss_of=by_place))) == []


def test_targets_that_are_not_shifted(sentences: Data, train: Train, found: Found) -> None:
    first = found(train(Recurrent(), sentences[0], sentences[0], loss_of=by_place))[0]
    assert (first.label, first.level) == ("target-seen", "fault")


def test_attention_that_sees_only_its_own_place(sentences: Data, train: Train, found: Found) -> None:
    model = Language(lambda s: s.masked_fill(torch.eye(s.shape[-1]) == 0, -math.inf))
    assert found(train(model, *sentences, loss_of=by_place))[0].label == "past-unseen"


def test_attention_without_positions_ignores_the_order(sentences: Data, train: Train, found: Found) -> None:
    model = Language(lambda s: s.masked_fill(seen(s) == 0, -math.inf), places=False)
    first = found(train(model, *sentences, loss_of=by_place))[0]
    assert (first.label, first.level) == ("order-ignored", "fault")


class Image(nn.Module):
    """A network over digits with one step of its own."""

    def __init__(self, step: Callable[[Tensor], Tensor], size: int = 64) -> None:
        super().__init__()
        self.first, self.last, self.step = nn.Linear(size, 32), nn.Linear(32, 10), step

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(self.step(x)).relu())


LEAKS: dict[str, Callable[[Tensor], Tensor]] = {
    "norm over the batch": lambda x: (x - x.mean(0)) / (x.std(0) + 1),
    "reshape for transpose": lambda x: x.reshape(64, -1).reshape(-1, 64) + x.reshape(64, -1).T.reshape(64, -1).T * 0
    + x.T.reshape(-1, 64),
    "attention over the batch": lambda x: (x @ x.T / 8).softmax(-1) @ x,
    "sum over the batch": lambda x: x + x.sum(0, keepdim=True) / 8,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LEAKS))
def test_examples_that_leak_into_each_other(name: str, digits: Data, train: Train, found: Found) -> None:
    first = found(train(Image(LEAKS[name]), *digits))[0]
    assert (first.label, first.level) == ("examples-leak", "fault")
    assert first.where.startswith("test_sight.py:")


def test_a_softmax_over_the_batch(digits: Data, train: Train, found: Found) -> None:
    class Over(Image):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).softmax(0)

    assert found(train(Over(lambda x: x), *digits))[0].label == "softmax-over-batch"


def test_batch_norm_may_use_the_batch_in_training(digits: Data, train: Train, found: Found) -> None:
    sound = nn.Sequential(nn.Linear(64, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    assert above_note(found(train(sound, *digits))) == []
    faulty = nn.Sequential(
        nn.Linear(64, 32), nn.BatchNorm1d(32, track_running_stats=False), nn.ReLU(), nn.Linear(32, 10)
    )
    assert found(train(faulty, *digits))[0].label == "examples-leak"


class Steps(nn.Module):
    """A recurrent network over the rows of a digit, which reads one of its steps."""

    def __init__(self, read: Callable[[Tensor], Tensor], *, batch_first: bool = True) -> None:
        super().__init__()
        self.cell, self.head, self.read = nn.GRU(8, 16, batch_first=batch_first), nn.Linear(16, 10), read

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.read(self.cell(x.reshape(-1, 8, 8))[0]))


def test_a_recurrent_layer_that_runs_over_the_batch(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Steps(lambda out: out[:, -1], batch_first=False), *digits))[0]
    assert (first.label, first.where) == ("batch-axis-as-time", "Steps.cell")
    assert above_note(found(train(Steps(lambda out: out[:, -1]), *digits))) == []


def test_sequences_that_come_first_are_right_where_they_do(digits: Data, train: Train, found: Found) -> None:
    class First(Steps):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cell(x.reshape(-1, 8, 8).transpose(0, 1))[0][-1])

    assert above_note(found(train(First(lambda out: out, batch_first=False), *digits))) == []


def test_only_the_first_step_is_read(sentences: Data, train: Train, found: Found) -> None:
    class Judge(Recurrent):
        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

        def forward(self, tokens: Tensor) -> Tensor:
            return super().forward(tokens)[:, self.place]

    first = found(train(Judge(0), sentences[0], sentences[1][:, -1]))[0]
    assert (first.label, first.level) == ("part-of-input-unseen", "fault")
    assert above_note(found(train(Judge(-1), sentences[0], sentences[1][:, -1]))) == []


def test_columns_that_are_never_used(digits: Data, train: Train, found: Found) -> None:
    labels = above_note(found(train(Image(lambda x: x[:, :20], 20), *digits)))
    assert labels == ["part-of-input-unseen"]


def test_an_answer_that_is_always_the_same(digits: Data, train: Train, found: Found) -> None:
    model = Image(lambda x: x.clamp(2, 3))
    assert [f.label for f in found(train(model, *digits), "input-ignored")] == ["input-ignored"]


def test_chance_in_evaluation(digits: Data, train: Train, found: Found) -> None:
    always = Image(lambda x: F.dropout(x, 0.3))
    first = found(train(always, *digits))[0]
    assert (first.label, first.level) == ("dropout-always-on", "fault")
    drawn = found(train(Image(lambda x: x + 0.3 * torch.randn_like(x)), *digits))
    assert [(f.label, f.level) for f in drawn if f.label == "random-in-evaluation"] == [
        ("random-in-evaluation", "fault")
    ]
    assert above_note(drawn) == ["random-in-evaluation"]
    sound = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
    assert above_note(found(train(sound, *digits))) == []


def test_a_state_that_is_kept_between_batches(digits: Data, train: Train, found: Found) -> None:
    class Keeping(Steps):
        state: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            out, state = self.cell(x.reshape(-1, 8, 8), self.state)
            self.state = state.detach()
            return self.head(out[:, -1])

    first = found(train(Keeping(lambda out: out), *digits))[0]
    assert (first.label, first.level) == ("state-carried-over", "fault")


def padded() -> Data:
    """Sequences of five to twenty tokens, padded with 0; the class is that of the first token."""
    lengths = torch.randint(4, 12, (256,))
    tokens = torch.randint(1, 12, (256, 20))
    tokens[torch.arange(20) >= lengths[:, None]] = 0
    return tokens, (tokens[:, 0] > 6).long()


class Mean(nn.Module):
    """The mean of what attention gives, over all places or the real ones."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(12, 16), nn.Embedding(20, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.head, self.masked = nn.Linear(16, 2), masked

    def forward(self, tokens: Tensor) -> Tensor:
        pad = tokens == 0 if self.masked else torch.zeros_like(tokens, dtype=torch.bool)
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        x = self.block(x, src_key_padding_mask=pad) * ~pad[..., None]
        return self.head(x.sum(1) / (~pad).sum(1, keepdim=True))


def test_padding_that_changes_the_answer(train: Train, found: Found) -> None:
    x, y = padded()
    assert [f.label for f in found(train(Mean(masked=False), x, y, steps=20), "padding-seen")] == ["padding-seen"]
    findings = found(train(Mean(masked=True), x, y, steps=20))
    assert above_note(findings) == []
    assert "padding-seen" not in {f.label for f in findings}


class Stack(nn.Module):
    """Two convolutions over a series (batch, 1, places), padded on both sides or on the left."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.enter, self.leave, self.left = nn.Conv1d(1, 8, 3), nn.Conv1d(8, 1, 3), left

    def forward(self, x: Tensor) -> Tensor:
        def padded(t: Tensor) -> Tensor:
            return F.pad(t, (self.left, 2 - self.left))

        answer: Tensor = self.leave(padded(torch.relu(self.enter(padded(x)))))
        return answer


@pytest.mark.parametrize("left", [1, 2])
def test_convolutions_over_a_series_with_channels_first(left: int, train: Train, found: Found) -> None:
    values = torch.randn(64, 1, 17, generator=torch.Generator().manual_seed(0)).cumsum(2)
    case = train(Stack(left), values[:, :, :-1], values[:, :, 1:], loss_of=F.mse_loss)
    assert above_note(found(case, "no-causal-mask")) == ([] if left == 2 else ["no-causal-mask"])
