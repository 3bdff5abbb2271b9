"""Receptive fields: the lectures' numbers, skips, and random graphs against gradients."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from chainrule.analysis.design import NetworkDesign, design_network
from chainrule.nn import build
from chainrule.notation import table

FILE = Path(__file__).parents[3] / "benchmarks" / "random_networks.py"


@pytest.fixture(scope="module")
def graphs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("random_networks_under_test", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def sizes(found: NetworkDesign, path: str) -> list[int]:
    (row,) = (r for r in found.rows if r.path == path and r.kind)
    return [view.size for view in row.views]


def test_worked_numbers_of_the_lectures() -> None:
    first = nn.Sequential(nn.Conv2d(1, 1, 5, stride=2), nn.Conv2d(1, 1, 3))
    assert sizes(design_network(first, [torch.zeros(1, 1, 31, 31)]), "1") == [9, 9]
    second = nn.Sequential(nn.Conv2d(1, 1, 5), nn.Conv2d(1, 1, 3))
    assert sizes(design_network(second, [torch.zeros(1, 1, 31, 31)]), "1") == [7, 7]


@pytest.mark.parametrize(
    "spec",
    [
        "INPUT 32x32x1 | CONV5-10 | POOL2 | CONV5-10 | POOL2 | FC-10",
        "INPUT 64x64x3 | CONV7-8 /2 | BN | RELU | POOL3 /2 pad1 | RES[CONV3-8 | BN ; CONV1-8] | RELU | GAP | FC-10",
        "INPUT 32x32x3 | CONV3-8 dil2 | CAT[ ; CONV5-4 | RELU ; POOL3 /1 pad1] | CONV3-4 groups4 | POOL2 ceil",
        "INPUT 64x64x3 | CONV3-4 | CAT[ ; POOL2 | CONV3-8 | UPCONV2-4] | CONV3-2",
        "INPUT 16x16x3 | CONV3-8 | LN | CONV3-8 | GN4 | CONV3-4",
    ],
)
def test_built_networks_see_what_the_notation_says(spec: str) -> None:
    said = table(spec)
    shape = said.rows[0].output
    found = design_network(build(spec), [torch.zeros(1, shape[2], *shape[:2])])
    rows = {row.path: row for row in found.rows if row.kind}
    checked = 0
    for row in said.rows[1:]:
        if row.path not in rows or row.layer in ("RES", "CAT"):
            continue
        own = rows[row.path]
        assert own.parameters == row.parameters
        assert own.multiply_adds == row.multiply_adds
        assert own.memory == row.memory
        assert own.whole == row.whole
        if not row.whole:
            assert tuple(view.size for view in own.views) == row.field, row.path
            assert own.views[0].jump == (None if row.stride is None else float(row.stride)), row.path
        checked += 1
    assert checked >= 5
    assert (found.parameters, found.multiply_adds) == (said.parameters, said.multiply_adds)


def seen(found: NetworkDesign, unit: tuple[int, int, int]) -> tuple[Any, Any]:
    assert found.sights is not None
    ends = []
    for sights in found.sights.wide:
        low, high = sights[found.tape.outputs[0]].full(found.output or ())
        first, last = float(low[(0, *unit)]), float(high[(0, *unit)])
        ends.append((int(first), int(last)) if last >= first else None)
    return (ends[0], ends[1]) if None not in ends else (None, None)


def test_random_graphs_see_what_gradients_reach(graphs: ModuleType) -> None:
    narrower = 0
    for seed in range(60):
        network, draw = graphs.random_network(seed), random.Random(seed)
        found = design_network(network, [torch.zeros(1, *network.shape)])
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, *network.shape))
        assert counter.get_total_flops() == 2 * found.multiply_adds, seed
        assert found.parameters == sum(p.numel() for p in network.parameters()), seed
        _, channels, height, width = found.output or ()
        unit = (draw.randrange(channels), draw.randrange(height), draw.randrange(width))
        measured = graphs.measured_field(network, unit, seed)
        assert seen(found, unit) == measured, (seed, unit)
        narrower += measured[0] is not None and measured[0][1] - measured[0][0] + 1 < network.shape[1]
    assert narrower > 15  # most do not see the whole input, where anything would be right


class Skip(nn.Module):
    def __init__(self, shortcut: nn.Module) -> None:
        super().__init__()
        self.stem, self.body, self.shortcut = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5, padding=2), shortcut
        self.last = nn.Conv2d(1, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.stem(x))
        return self.last(self.body(x) + self.shortcut(x))


def test_an_identity_in_a_skip_is_a_path_like_any_other() -> None:
    found = design_network(Skip(nn.Identity()), [torch.zeros(1, 1, 20, 20)])
    (last,) = (r for r in found.rows if r.path == "last")
    assert [(v.size, v.narrowest, v.start, v.jump) for v in last.views] == [(9, 5, -2, 1)] * 2


def test_axes_may_differ() -> None:
    found = design_network(nn.Conv2d(1, 1, (5, 3), stride=(2, 1), padding=(2, 0)), [torch.zeros(1, 1, 20, 20)])
    assert [(v.size, v.start, v.jump) for v in found.rows[0].views] == [(5, -2, 2), (3, 0, 1)]


def test_global_pooling_and_flattening_see_everything() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    found = design_network(network, [torch.zeros(1, 1, 9, 9)])
    assert [r.whole for r in found.rows[1:]] == [False, True, True, True]
    flat = nn.Sequential(nn.Flatten(), nn.Linear(81, 3))
    assert design_network(flat, [torch.zeros(1, 1, 9, 9)]).rows[-1].whole


def test_a_recurrence_sees_the_past_and_attention_everything() -> None:
    class First(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0]

    def ends(layer: nn.Module) -> list[tuple[float, float]]:
        found = design_network(First(layer), [torch.zeros(1, 6, 4)])
        assert found.sights is not None
        low, high = found.sights.wide[0][found.tape.outputs[0]].full((1, 6, found.output[2]))  # type: ignore[index]
        return [(float(low[0, t, 0]), float(high[0, t, 0])) for t in range(6)]

    assert ends(nn.LSTM(4, 3, batch_first=True)) == [(0, t) for t in range(6)]
    assert ends(nn.GRU(4, 3, batch_first=True, bidirectional=True)) == [(0, 5)] * 6

    class Causal(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)[None]

    assert ends(Causal()) == [(0, t) for t in range(6)]
