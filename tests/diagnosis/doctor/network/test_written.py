"""What people write by hand: backward functions, lists of layers, calls whose result is lost; and their sound twins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.findings import Finding

Data = tuple[Tensor, Tensor]
Train = Callable[..., Any]
Found = Callable[..., tuple[Finding, ...]]


def above_note(findings: tuple[Finding, ...]) -> list[str]:
    return [f.label for f in findings if f.level != "note"]


class Square(torch.autograd.Function):
    """max(x, 0) squared."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.clamp(min=0))
        return x.clamp(min=0) ** 2

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * grads[0]


class Forgets(Square):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0]


class Straight(torch.autograd.Function):
    """The sign, with the gradient of a straight line."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * (ctx.saved_tensors[0].abs() < 1)


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return -grads[0]


class Affine(torch.autograd.Function):
    """x @ w + b, whose gradient by b is a mean where it should be a sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w + b

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        x, w = ctx.saved_tensors
        return grads[0] @ w.t(), x.t() @ grads[0], grads[0].mean(0)


class With(nn.Module):
    """Two layers and a function of one's own between them."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.one, self.two, self.function = nn.Linear(64, 32), nn.Linear(32, 10), function

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.two(self.function.apply(self.one(x)))
        return found


class OwnLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.b, self.out = nn.Parameter(0.1 * torch.randn(64, 32)), nn.Parameter(torch.zeros(32)), None
        self.two = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.two(torch.relu(Affine.apply(x, self.w, self.b)))  # type: ignore[no-untyped-call]
        return found


def test_backward_functions_are_checked(digits: Data, train: Train, found: Found) -> None:
    first = found(train(With(Forgets), *digits), "backward-written-wrong")[0]
    assert (first.label, first.level) == ("backward-written-wrong", "fault")
    assert first.where.startswith("test_written.py:")
    assert first.tried is not None
    assert first.tried.helped
    assert above_note(found(train(With(Square), *digits), "backward-written-wrong")) == []
    first = found(train(OwnLayer(), *digits), "backward-written-wrong")[0]
    assert first.level == "fault"
    assert "b: relative error" in first.evidence[0].value


@pytest.mark.parametrize("function", [Straight, Reversed])
def test_gradients_that_are_meant_otherwise(function: Any, digits: Data, train: Train, found: Found) -> None:
    assert found(train(With(function), *digits), "backward-written-wrong") == ()


class Chain(nn.Module):
    """Layers in a list, and what is done with them."""

    def __init__(self, layers: list[nn.Module], how: str = "right") -> None:
        super().__init__()
        self.first, self.layers, self.out, self.how = nn.Linear(64, 32), nn.ModuleList(layers), nn.Linear(32, 10), how

    def forward(self, x: Tensor) -> Tensor:
        h = x = torch.relu(self.first(x))
        for layer in self.layers:
            h = torch.relu(layer(x if self.how == "from x" else h))
            if self.how == "return":
                break
        found: Tensor = self.out(h)
        return found


def test_one_layer_n_times(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Chain([nn.Linear(32, 32)] * 4), *digits))[0]
    assert (first.label, first.level, first.where) == ("layers-are-one", "fault", "layers")
    several: list[nn.Module] = [nn.Linear(32, 32) for _ in range(4)]
    assert above_note(found(train(Chain(several), *digits))) == []


@pytest.mark.parametrize(("how", "where"), [("from x", "layers.0"), ("return", "layers.1")])
def test_loops_that_lose_layers(how: str, where: str, digits: Data, train: Train, found: Found) -> None:
    first = found(train(Chain([nn.Linear(32, 32) for _ in range(3)], how), *digits))[0]
    assert (first.label, first.level, first.where) == ("unused-layer", "fault", where)


class Stack(nn.Module):
    def __init__(self, which: int) -> None:
        super().__init__()
        self.rnn, self.out, self.which = nn.LSTM(8, 16, num_layers=2, batch_first=True), nn.Linear(16, 10), which

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.out(self.rnn(x.view(-1, 8, 8))[1][0][self.which])
        return found


def test_the_state_of_the_first_layer(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Stack(0), *digits))[0]
    assert (first.label, first.level, first.where) == ("unused-layer", "fault", "rnn")
    assert above_note(found(train(Stack(-1), *digits), "unused-layer")) == []


class Both(nn.Module):
    def __init__(self, joined: bool) -> None:
        super().__init__()
        self.rnn, self.joined = nn.GRU(8, 16, batch_first=True, bidirectional=True), joined
        self.out = nn.Linear(32 if joined else 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.rnn(x.view(-1, 8, 8))[1]
        found: Tensor = self.out(torch.cat([h[0], h[1]], 1) if self.joined else h[0])
        return found


@pytest.mark.parametrize("joined", [False, True])
def test_one_direction_of_two(joined: bool, digits: Data, train: Train, found: Found) -> None:
    findings = found(train(Both(joined), *digits), "unused-layer")
    assert above_note(findings) == ([] if joined else ["unused-layer"])


class OwnNorm(nn.Module):
    """Batch normalization whose averages are kept up, or made and forgotten."""

    def __init__(self, kept: bool) -> None:
        super().__init__()
        self.kept = kept
        self.register_buffer("mean", torch.zeros(32))
        self.register_buffer("var", torch.ones(32))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = (x.mean(0), x.var(0)) if self.training else (self.mean, self.var)
        if self.training and self.kept:
            self.mean.mul_(0.8).add_(0.2 * mean.detach())
            self.var.mul_(0.8).add_(0.2 * var.detach())
        found: Tensor = (x - mean) / (var + 1e-5).sqrt()
        return found


@pytest.mark.parametrize("kept", [False, True])
def test_averages_that_are_never_kept_up(kept: bool, digits: Data, train: Train, found: Found) -> None:
    layers = [nn.Linear(64, 32), OwnNorm(kept), nn.ReLU(), nn.Linear(32, 32), OwnNorm(kept), nn.ReLU()]
    x, y = digits
    case = train(nn.Sequential(*layers, nn.Linear(32, 10)), 20 * x + 10, y, steps=40)
    expected = [] if kept else ["evaluation-is-another-network"]
    assert above_note(found(case, "evaluation-is-another-network")) == expected


class TextConvolution(nn.Module):
    def __init__(self, turned: bool) -> None:
        super().__init__()
        self.embed, self.turned = nn.Embedding(17, 12), turned
        self.conv, self.out = nn.Conv1d(12 if turned else 64, 8, 3), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        e = self.embed((x * 16).long())
        found: Tensor = self.out(torch.relu(self.conv(e.transpose(1, 2) if self.turned else e)).amax(2))
        return found


@pytest.mark.parametrize("turned", [False, True])
def test_convolutions_over_features(turned: bool, digits: Data, train: Train, found: Found) -> None:
    findings = found(train(TextConvolution(turned), *digits, steps=4), "convolution-over-features")
    assert above_note(findings) == ([] if turned else ["convolution-over-features"])


class Norms(nn.Module):
    def __init__(self, norms: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 32)])
        self.norms, self.out = nn.ModuleList([nn.BatchNorm1d(32) for _ in range(norms)]), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        for place, layer in enumerate(self.layers):
            x = torch.relu(self.norms[place % len(self.norms)](layer(x)))
        found: Tensor = self.out(x)
        return found


def test_one_norm_for_all_layers(digits: Data, train: Train, found: Found) -> None:
    first = found(train(Norms(1), *digits, steps=80), "norm-shared-by-layers")[0]
    assert (first.label, first.level) == ("norm-shared-by-layers", "fault")
    assert above_note(found(train(Norms(3), *digits, steps=80), "norm-shared-by-layers")) == []


def test_softmax_as_an_activation(digits: Data, train: Train, found: Found) -> None:
    def network(between: Callable[[], nn.Module]) -> nn.Module:
        return nn.Sequential(nn.Linear(64, 32), between(), nn.Linear(32, 32), between(), nn.Linear(32, 10))

    first = found(train(network(lambda: nn.Softmax(1)), *digits, steps=60), "softmax-between-layers")[0]
    assert (first.label, first.level) == ("softmax-between-layers", "fault")
    assert above_note(found(train(network(nn.ReLU), *digits, steps=60), "softmax-between-layers")) == []


class Block(nn.Module):
    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.up, self.down, self.skip = nn.Linear(32, 32), nn.Linear(32, 32), skip
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.down(torch.relu(self.up(x)))
        return x + found if self.skip else found


@pytest.mark.parametrize("skip", [False, True])
def test_blocks_that_do_not_add_their_input(skip: bool, digits: Data, train: Train, found: Found) -> None:
    network = nn.Sequential(nn.Linear(64, 32), *[Block(skip) for _ in range(6)], nn.Linear(32, 10))
    findings = found(train(network, *digits, steps=10), "deep-without-skips")
    if skip:
        assert above_note(findings) == []
    else:
        assert (findings[0].label, findings[0].level) == ("deep-without-skips", "fault")
        assert findings[0].where.startswith("test_written.py:")


class Lost(nn.Module):
    def __init__(self, kept: bool) -> None:
        super().__init__()
        self.one, self.mix, self.two, self.kept = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10), kept

    def forward(self, x: Tensor) -> Tensor:
        h = self.one(x)
        if self.kept:
            h = torch.relu(self.mix(h))
        else:
            self.mix(h)
            h = torch.relu(h)
        found: Tensor = self.two(h)
        return found


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("def forward(self, x):\n    F.relu(x)\n    return x\n", "fault"),
        ("def forward(self, s):\n    s.masked_fill(m == 0, -1e9)\n    return s\n", "fault"),
        ("x.detach()\n", "note"),
        ("def forward(self, x):\n    F.relu(x, inplace=True)\n    x = x.relu()\n    seen.add(1)\n    return x\n", ""),
    ],
)
def test_statements_that_keep_nothing(text: str, level: str, digits: Data, train: Train, found: Found) -> None:
    seen = train(Lost(True), *digits, steps=3).seen
    findings = found(Case(seen, Source.of(Path("program.py"), text)), "result-thrown-away")
    assert [f.level for f in findings] == ([level] if level else [])


def test_a_layer_whose_result_is_thrown_away(digits: Data, train: Train, found: Found) -> None:
    source = Source.of(Path("program.py"), "def forward(self, x):\n    self.mix(h)\n    return self.two(h)\n")
    first = found(Case(train(Lost(False), *digits).seen, source))[0]
    assert (first.label, first.level, first.where) == ("result-thrown-away", "fault", "program.py:2")
    kept = Source.of(Path("program.py"), "def forward(self, x):\n    h = F.relu(self.mix(h))\n    return self.two(h)\n")
    assert above_note(found(Case(train(Lost(True), *digits).seen, kept))) == []


def test_deep_sigmoids(digits: Data, train: Train, found: Found) -> None:
    torch.manual_seed(1)
    parts = [part for _ in range(6) for part in (nn.Linear(48, 48), nn.Sigmoid())]
    network = nn.Sequential(nn.Linear(64, 48), nn.Sigmoid(), *parts, nn.Linear(48, 10))
    case = train(network, *digits, steps=40, optimizer=lambda p, lr: torch.optim.SGD(p, lr=0.05, momentum=0.9))
    assert found(case, "gradients-vanish")[0].label == "gradients-vanish"
