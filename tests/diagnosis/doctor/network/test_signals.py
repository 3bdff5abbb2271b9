"""How the weights begin, which of them get a gradient, and what becomes of units: faulty trainings and sound twins."""

from __future__ import annotations

import itertools
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


def mlp(depth: int = 2, width: int = 32, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    sizes = [64, *[width] * (depth - 1)]
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def filled(model: nn.Module, weight: Callable[[Tensor], object], bias: float | None = None) -> nn.Module:
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                weight(module.weight)
                if bias is not None:
                    module.bias.fill_(bias)
    return model


def above_note(findings: tuple[Finding, ...]) -> list[str]:
    return [f.label for f in findings if f.level != "note"]


STARTS = {
    "all-units-equal": lambda: filled(mlp(3), lambda w: w.fill_(0.05), 0.0),
    "initialization-too-small": lambda: filled(mlp(7), lambda w: w.normal_(0, 0.01), 0.0),
    "initialization-too-large": lambda: filled(mlp(3), lambda w: w.normal_(0, 2.0), 0.0),
    "offsets-at-start": lambda: filled(mlp(3), nn.init.kaiming_normal_, -6.0),
    "gradients-vanish": lambda: filled(mlp(9, activation=nn.Sigmoid), nn.init.xavier_normal_, 0.0),
}


@pytest.mark.parametrize("label", sorted(STARTS))
def test_a_bad_start_is_named_and_its_mend_was_tried(label: str, digits: Data, train: Train, found: Found) -> None:
    findings = found(train(STARTS[label](), *digits, rate=1e-3))
    first = findings[0]
    assert (first.label, first.level) == (label, "fault")
    assert first.tried is not None
    assert first.tried.helped


@pytest.mark.parametrize("bias", [0.0, 0.05])
def test_usual_starts_are_left_alone(bias: float, digits: Data, train: Train, found: Found) -> None:
    assert above_note(found(train(filled(mlp(3), nn.init.kaiming_normal_, bias), *digits))) == []


def test_a_last_layer_of_zeros_is_no_fault(digits: Data, train: Train, found: Found) -> None:
    model = mlp(2)
    nn.init.zeros_(model[-1].weight)
    assert above_note(found(train(model, *digits))) == []


def test_torchs_own_start_and_a_rate_far_too_low_are_not_taken_for_a_bad_start(
    digits: Data, train: Train, found: Found
) -> None:
    assert above_note(found(train(mlp(3), *digits, rate=1e-6))) == []


class Cut(nn.Module):
    """A trunk and a head, with something between them."""

    def __init__(self, between: Callable[[Tensor], Tensor], *, quiet: bool = False) -> None:
        super().__init__()
        self.trunk, self.head, self.between, self.quiet = nn.Linear(64, 32), nn.Linear(32, 10), between, quiet

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.quiet):
            hidden = self.trunk(x).relu()
        return self.head(self.between(hidden))


CUTS = {
    "detach": lambda: Cut(lambda h: h.detach()),
    "data": lambda: Cut(lambda h: h.data),
    "no_grad": lambda: Cut(lambda h: h, quiet=True),
    "numpy": lambda: Cut(lambda h: torch.from_numpy(h.detach().numpy() * 2)),
    "round": lambda: Cut(lambda h: h.round()),
    "sign": lambda: Cut(lambda h: (h > 0.1).float()),
}


@pytest.mark.parametrize("name", sorted(CUTS))
def test_a_cut_graph_is_found(name: str, digits: Data, train: Train, found: Found) -> None:
    findings = found(train(CUTS[name](), *digits))
    assert (findings[0].label, findings[0].level) == ("graph-cut", "fault")
    assert "trunk" in findings[0].title


def test_the_line_of_the_cut_is_named(digits: Data, train: Train, found: Found) -> None:
    cut = next(f for f in found(train(CUTS["detach"](), *digits), "graph-cut"))
    line = CUTS["detach"].__code__.co_firstlineno
    assert cut.where == f"test_signals.py:{line}"


def test_a_trunk_that_is_frozen_or_that_nobody_trains_is_meant_so(digits: Data, train: Train, found: Found) -> None:
    frozen = Cut(lambda h: h)
    frozen.trunk.requires_grad_(requires_grad=False)
    probed = Cut(lambda h: h.detach())
    assert above_note(found(train(frozen, *digits, held=list(frozen.head.parameters())))) == []
    assert above_note(found(train(probed, *digits, held=list(probed.head.parameters())))) == []
    straight = Cut(lambda h: h + (h.round() - h).detach())
    assert above_note(found(train(straight, *digits))) == []


class Listed(nn.Module):
    """Layers in a list."""

    def __init__(self, kept: type[Any]) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 32), nn.Linear(32, 10)
        self.hidden = kept([nn.Linear(32, 32), nn.Linear(32, 32)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for layer in self.hidden:
            x = layer(x).relu()
        return self.last(x)


def test_layers_in_a_plain_list_are_found(digits: Data, train: Train, found: Found) -> None:
    findings = found(train(Listed(list), *digits))
    assert (findings[0].label, findings[0].where) == ("layers-not-registered", "Listed.hidden")
    assert above_note(found(train(Listed(nn.ModuleList), *digits))) == []
    held = Listed(list)
    own = [*held.parameters(), *(p for layer in held.hidden for p in layer.parameters())]
    assert above_note(found(train(held, *digits, held=own))) == []


class Forgetful(nn.Module):
    """Makes a layer in each call, or has one that it does not use."""

    def __init__(self, *, anew: bool) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.anew = anew

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        return self.last(nn.Linear(32, 32)(self.second(x).relu()).relu() if self.anew else x)


def test_layers_that_are_made_anew_or_never_used(digits: Data, train: Train, found: Found) -> None:
    assert found(train(Forgetful(anew=True), *digits))[0].label == "layers-made-in-forward"
    unused = found(train(Forgetful(anew=False), *digits))
    assert [(f.label, f.level, f.where) for f in unused][:1] == [("unused-layer", "warning", "second")]


def test_dead_and_saturated_units_are_warned_of(digits: Data, train: Train, found: Found) -> None:
    dead = mlp(3)
    with torch.no_grad():
        dead[2].bias.fill_(-20.0)
    names = [f.label for f in found(train(dead, *digits, rate=1e-5), "dead-units")]
    assert names == ["dead-units"]
    stuck = filled(mlp(3, activation=nn.Tanh), lambda w: w.normal_(0, 30.0), 0.0)
    assert [f.label for f in found(train(stuck, *digits, rate=1e-5), "saturated-units")] == ["saturated-units"]
    assert [f.label for f in found(train(mlp(3, activation=nn.Tanh), *digits), "saturated-units")] == []


class Counting(nn.Module):
    """A recurrent network with weights that make its gradient grow with time."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.cell, self.head = nn.RNN(8, 16, batch_first=True, nonlinearity="relu"), nn.Linear(16, 10)
        nn.init.normal_(self.cell.weight_hh_l0, std=size / 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x.reshape(-1, 8, 8).repeat(1, 3, 1))[0][:, -1])


def test_gradients_that_explode_through_time_are_found_and_clipped(digits: Data, train: Train, found: Found) -> None:
    case = train(Counting(1.5), *digits, rate=0.02, optimizer=torch.optim.SGD)
    first = found(case, "gradients-explode")
    assert [(f.label, f.level) for f in first] == [("gradients-explode", "fault")]
    calm = train(Counting(0.8), *digits, rate=0.02, optimizer=torch.optim.SGD)
    assert found(calm, "gradients-explode") == ()


def test_loops_without_an_optimizer_are_seen_too(digits: Data, found: Found) -> None:
    from chainrule.diagnosis.doctor._case import Case
    from chainrule.diagnosis.doctor._observe import Watch

    def run(start: Callable[[int, int], Tensor]) -> Case:
        one, two = start(64, 32).requires_grad_(), start(32, 10).requires_grad_()
        with Watch() as watch:
            for _ in range(12):
                loss = F.cross_entropy(torch.relu(digits[0] @ one) @ two, digits[1])
                loss.backward()
                with torch.no_grad():
                    for weight in (one, two):
                        weight -= 0.5 * weight.grad
                        weight.grad = None
        return Case(watch.seen)

    assert found(run(lambda a, b: torch.zeros(a, b)))[0].label == "all-units-equal"
    assert above_note(found(run(lambda a, b: torch.randn(a, b) * (2 / a) ** 0.5))) == []
