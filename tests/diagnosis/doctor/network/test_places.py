"""Places in a sequence and in a batch: heads, masks of padding, states behind it, positions. Faulty and sound twins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor]
Train = Callable[..., Any]
Found = Callable[..., tuple[Finding, ...]]


def above_note(findings: tuple[Finding, ...]) -> list[str]:
    return [f.label for f in findings if f.level != "note"]


@pytest.fixture
def padded() -> Data:
    """Rows of one to five tokens and padding up to sixteen; the class is that of the tokens' sum."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 6, (256,), generator=generator)
    tokens = torch.randint(1, 9, (256, 16), generator=generator)
    x = tokens.masked_fill(torch.arange(16) >= lengths[:, None], 0)
    return x, (x % 2 == 1).sum(1).ge(2).long()


class Masked(nn.Module):
    """One attention over padded tokens, and the mean over the real ones."""

    def __init__(self, *, inverted: bool) -> None:
        super().__init__()
        self.embed, self.place, self.inverted = nn.Embedding(9, 16), nn.Parameter(0.1 * torch.randn(16, 16)), inverted
        self.attention, self.out = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        pad = tokens == 0
        x = self.embed(tokens) + self.place
        x = x + self.attention(x, x, x, key_padding_mask=~pad if self.inverted else pad)[0]
        keep = (~pad)[..., None].float()
        found: Tensor = self.out((x * keep).sum(1) / keep.sum(1))
        return found


@pytest.mark.parametrize("inverted", [True, False])
def test_masks_that_show_the_padding(inverted: bool, padded: Data, train: Train, found: Found) -> None:
    findings = found(
        train(Masked(inverted=inverted), *padded), "padding-mask-inverted", "padding-seen", "order-ignored"
    )
    if inverted:
        assert (findings[0].label, findings[0].level) == ("padding-mask-inverted", "fault")
    else:
        assert above_note(findings) == []


class LastState(nn.Module):
    def __init__(self, *, packed: bool) -> None:
        super().__init__()
        self.embed, self.rnn, self.out = nn.Embedding(9, 16), nn.GRU(16, 24, batch_first=True), nn.Linear(24, 2)
        self.packed = packed

    def forward(self, tokens: Tensor) -> Tensor:
        x: Any = self.embed(tokens)
        if self.packed:
            x = pack_padded_sequence(x, (tokens > 0).sum(1), batch_first=True, enforce_sorted=False)
        found: Tensor = self.out(self.rnn(x)[1][-1])
        return found


def test_states_behind_the_padding(padded: Data, train: Train, found: Found) -> None:
    longer = (F.pad(padded[0], (0, 24)), padded[1])
    first = found(train(LastState(packed=False), *longer, steps=60, rate=3e-3), "padding-seen")[0]
    assert (first.label, first.level) == ("padding-seen", "fault")
    assert first.tried is not None
    assert first.tried.helped
    assert above_note(found(train(LastState(packed=True), *longer, steps=60, rate=3e-3), "padding-seen")) == []


class Heads(nn.Module):
    """A language model of one attention with two heads."""

    def __init__(self, *, how: str) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(12, 16), nn.Parameter(0.1 * torch.randn(13, 16))
        self.qkv, self.proj, self.head, self.how = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 12), how

    def split(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        return x.reshape(b, 2, t, 8) if self.how == "split" else x.reshape(b, t, 2, 8).transpose(1, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        b, t = tokens.shape
        x = self.token(tokens) + self.place[:t]
        q, k, v = (self.split(each) for each in self.qkv(x).chunk(3, -1))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(8)).masked_fill(torch.ones(t, t).tril() == 0, -math.inf)
        y = scores.softmax(-1) @ v
        y = y.reshape(b, t, 16) if self.how in ("split", "join") else y.transpose(1, 2).reshape(b, t, 16)
        found: Tensor = self.head(x + self.proj(y))
        return found


@pytest.mark.parametrize("how", ["split", "join", "right"])
def test_heads_that_mix_places(how: str, sentences: Data, train: Train, found: Found) -> None:
    findings = found(train(Heads(how=how), *sentences, loss_of=lambda s, y: F.cross_entropy(s.transpose(1, 2), y)))
    if how == "right":
        assert above_note(findings) == []
    else:
        assert (findings[0].label, findings[0].level) == ("heads-mixed-with-places", "fault")


class Positions(nn.Module):
    """Tokens and their positions, taken along the right axis or along that of the batch."""

    def __init__(self, *, along: int) -> None:
        super().__init__()
        self.embed, self.along, self.out = nn.Embedding(12, 16), along, nn.Linear(16, 12)
        self.register_buffer("table", torch.randn(64, 16))

    def forward(self, tokens: Tensor) -> Tensor:
        places = self.table[: tokens.shape[self.along]]
        x = self.embed(tokens) + (places[:, None] if self.along == 0 else places)
        found: Tensor = self.out(torch.tanh(x)).mean(1)
        return found


def test_positions_along_the_batch(sentences: Data, train: Train, found: Found) -> None:
    x, y = sentences[0], sentences[1][:, -1]
    first = found(train(Positions(along=0), x, y))[0]
    assert (first.label, first.level) == ("place-in-batch-matters", "fault")
    assert found(train(Positions(along=1), x, y), "place-in-batch-matters") == ()


class Noisy(nn.Module):
    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.one, self.two, self.always = nn.Linear(64, 32), nn.Linear(32, 10), always

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.always:
            x = x + torch.randn_like(x)
        found: Tensor = self.two(torch.relu(self.one(x)))
        return found


def test_noise_in_evaluation(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Noisy(always=True), *digits))[0]
    assert (first.label, first.level) == ("random-in-evaluation", "fault")
    assert above_note(found(train(Noisy(always=False), *digits))) == []


class Tagger(nn.Module):
    """Attention both ways; the tag of a token tells whether it stood there before."""

    def __init__(self, *, places: bool) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(12, 16), nn.Parameter(0.1 * torch.randn(13, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.out, self.places = nn.Linear(16, 2), places

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        if self.places:
            x = x + self.place[: tokens.shape[1]]
        found: Tensor = self.out(self.layer(x))
        return found


@pytest.mark.parametrize("places", [False, True])
def test_tags_that_need_the_order(places: bool, sentences: Data, train: Train, found: Found) -> None:
    x = sentences[0]
    before = torch.stack([(x[:, :t] == x[:, t : t + 1]).any(1) for t in range(x.shape[1])], 1)
    findings = found(
        train(Tagger(places=places), x, before.long(), loss_of=lambda s, y: F.cross_entropy(s.transpose(1, 2), y)),
        "order-ignored",
    )
    assert [(f.label, f.level) for f in findings] == ([] if places else [("order-ignored", "fault")])


class Patches(nn.Module):
    def __init__(self, *, places: bool) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(4, 16), nn.Parameter(0.1 * torch.randn(16, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.out, self.places = nn.Linear(16, 10), places

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(F.unfold(x, 2, stride=2).transpose(1, 2))
        found: Tensor = self.out(self.layer(h + self.place if self.places else h).mean(1))
        return found


@pytest.mark.parametrize("places", [False, True])
def test_patches_without_positions(places: bool, digits: Data, train: Train, found: Found) -> None:
    x = digits[0].reshape(-1, 1, 8, 8)
    findings = found(train(Patches(places=places), x, digits[1], steps=60), "order-ignored")
    assert [(f.label, f.level) for f in findings] == ([] if places else [("order-ignored", "fault")])
