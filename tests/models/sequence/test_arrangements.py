"""Many to one, many to many, one to many; and the programs of `docs/recurrent.md`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chainrule.analysis import record_gates
from chainrule.core.errors import UsageError
from chainrule.models.sequence import ManyToMany, ManyToOne, OneToMany
from chainrule.nn.recurrent import EachStep, StepForm, step_form

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "recurrent.md").read_text(encoding="utf-8")
B, T, D, H, K = 3, 6, 4, 5, 2
LAYERS = [
    lambda size: nn.RNN(size, H, batch_first=True),
    lambda size: nn.GRU(size, H, 2, batch_first=True),
    lambda size: nn.LSTM(size, H, 2, batch_first=True),
    lambda size: StepForm("lstm", size, H, batch_first=True),
]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("both", [False, True])
def test_many_to_one_tells_the_last_states(both: bool) -> None:
    layer = nn.LSTM(D, H, 2, bidirectional=both, batch_first=True)
    network = ManyToOne(layer, nn.Identity())
    x = torch.randn(B, T, D)
    outputs, _ = layer(x)
    told = network(x)
    torch.testing.assert_close(told[:, :H], outputs[:, -1, :H])
    if both:
        torch.testing.assert_close(told[:, H:], outputs[:, 0, H:])  # what reads from the end has read all at the first


def test_what_lies_beyond_the_lengths_has_no_part() -> None:
    network = ManyToOne(nn.GRU(D, H, bidirectional=True, batch_first=True), nn.Linear(2 * H, K))
    x, lengths = torch.randn(B, T, D), torch.tensor([2, 6, 4])
    told = network(x, lengths)
    other = x.clone()
    for row, length in enumerate(lengths.tolist()):
        other[row, length:] = 99.0
        torch.testing.assert_close(told[row : row + 1], network(x[row : row + 1, :length]))
    torch.testing.assert_close(network(other, lengths), told)
    torch.testing.assert_close(step_form(network)(x, lengths), told)


@pytest.mark.parametrize("layer", LAYERS)
def test_many_to_many_goes_on_where_it_stopped(layer: Any) -> None:
    network = ManyToMany(layer(D), nn.Linear(H, K))
    x = torch.randn(B, T, D)
    whole, _ = network(x)
    torch.testing.assert_close(whole, network.head(network.recurrent(x)[0]))
    first, state = network(x[:, :2])
    rest, _ = network(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)


@pytest.mark.parametrize("layer", LAYERS)
def test_one_to_many_given_its_own_outputs_writes_the_same(layer: Any) -> None:
    network = OneToMany(layer(D), nn.Linear(H, D), size=7)
    vector = torch.randn(B, 7)
    written = network(vector, length=T)
    assert written.shape == (B, T, D)
    torch.testing.assert_close(network(vector, written), written)  # teacher forcing with what it says itself
    changed = network(vector, torch.randn(B, T, D))
    torch.testing.assert_close(changed[:, 0], written[:, 0])
    assert not torch.allclose(changed[:, 1:], written[:, 1:])
    assert not torch.allclose(network(vector + 1, length=T), written)


def test_a_network_at_each_step_learns_through_time() -> None:
    cnn = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten())
    network = ManyToOne(nn.GRU(2 * 4, H, batch_first=True), nn.Linear(H, K), encoder=EachStep(cnn))
    x = torch.randn(B, T, 1, 4, 4, requires_grad=True)
    network(x).sum().backward()
    assert x.grad is not None
    assert bool((x.grad.flatten(2).norm(dim=2) > 0).all())  # every image of every sequence
    assert all(parameter.grad is not None for parameter in network.parameters())
    (found,) = record_gates(network, x.detach(), output=lambda given: given.sum())
    assert found.values["z"].shape == (T, B, H)


def test_what_cannot_be_arranged() -> None:
    head = nn.Linear(H, K)
    for kind in (ManyToOne, ManyToMany):
        with pytest.raises(UsageError, match="take time first"):
            kind(nn.GRU(D, H), head)
        with pytest.raises(UsageError, match="no recurrent layers"):
            kind(nn.Linear(D, H), head)
    with pytest.raises(UsageError, match="read from the end"):
        OneToMany(nn.GRU(D, H, batch_first=True, bidirectional=True), head, size=7)
    with pytest.raises(UsageError, match="proj_size 0, got 2"):
        OneToMany(nn.LSTM(D, H, batch_first=True, proj_size=2), nn.Linear(2, D), size=7)
    network = OneToMany(nn.GRU(D, H, batch_first=True), nn.Linear(H, D), size=7)
    for options in ({}, {"length": 0}, {"length": 2, "given": torch.zeros(B, 2, D)}):
        with pytest.raises(UsageError, match="how many outputs"):
            network(torch.zeros(B, 7), **options)


def test_the_figures_of_the_page_are_those_measured() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "through_time.json").read_text())
    rows = re.findall(r"^\| (\w+), ([hc]) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for cell, state, *told, bits in rows:
        name = f"{cell.lower()} {state}"
        for when, words in zip(("at the start", "after training"), told):
            norms = measured["norms"][when][name]
            alive = max(number for number, norm in enumerate(norms) if norm >= 1e-3)
            assert measured["a thousandth is left after"][when][name] == (alive + 1 if alive < 99 else None)
            assert words == (f"after {alive + 1} characters" if alive < 99 else "farther than 99")
        assert float(bits) == measured["bits of validation"][cell.lower()]


def test_the_programs_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    programs = [text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "runs/" not in text]
    assert len(programs) == 5
    names: dict[str, Any] = {}
    for program in programs:
        exec(compile(program, "docs/recurrent.md", "exec"), names)
    torch.set_num_threads(threads)
    assert names["run"].result["valid"]["accuracy"] > 0.9
    assert names["watched"].result["valid"]["accuracy"] > 0.9
    rows, classes, drawn = names["rows"], names["classes"], names["drawn"]
    last_row = (rows[:, 1:] - rows[:, :-1]).square().mean()
    assert names["error"] < 0.6 * last_row  # of guessing that each row is the one before
    means = torch.stack([rows[classes == digit].mean(0) for digit in range(10)])
    nearest = torch.cdist(drawn.flatten(1), means.flatten(1)).argmin(1)
    assert int((nearest == torch.arange(10)).sum()) >= 9
