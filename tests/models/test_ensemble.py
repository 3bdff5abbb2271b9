"""Thinned networks, bootstrap draws, and statistics that are measured anew."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chainrule.core.errors import RecipeError, UsageError
from chainrule.data import bootstrap, bootstrap_counts
from chainrule.models import COMBINATIONS, EachHead, Ensemble, shared_trunk, thinned
from chainrule.nn import recalibrate


def small(p: float = 0.5) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Dropout2d(p), nn.Flatten(), nn.Dropout(p), nn.Linear(96, 3)
    )


def test_thinned_networks_share_weights_and_answer_to_each_example_alone() -> None:
    model = small().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    networks, x = thinned(model, 3, seed=1), torch.randn(5, 1, 6, 6)
    with torch.no_grad():
        answers = [network(x) for network in networks]
        for network, answer in zip(networks, answers, strict=True):
            torch.testing.assert_close(network(x[[3, 0]]), answer[[3, 0]])
            assert not network.training
    assert not torch.equal(answers[0], answers[1])
    with torch.no_grad():
        assert torch.equal(thinned(model, 1, seed=1)[0](x), answers[0]), "a function of the seed"
        assert not torch.equal(thinned(model, 1, seed=2)[0](x), answers[0])
    assert all(a is b for a, b in zip(networks[0].parameters(), model.parameters(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_on_average_thinned_layers_give_what_the_layer_gives() -> None:
    model, x = nn.Sequential(nn.Dropout(0.3), nn.Linear(40, 4)).eval(), torch.randn(1, 40)
    with torch.no_grad():
        mean = torch.stack([network(x) for network in thinned(model, 800)]).mean(0)
        torch.testing.assert_close(mean, model(x), atol=0.12, rtol=0)


def test_whole_channels_are_dropped_together() -> None:
    model = nn.Sequential(nn.Dropout2d(0.5))
    found = thinned(model, 1)[0](torch.ones(2, 32, 3, 3))
    flat = found.flatten(2)
    assert bool((flat == flat[..., :1]).all())
    assert set(found.unique().tolist()) == {0.0, 2.0}


def test_a_network_without_dropout_is_refused() -> None:
    for model in (nn.Sequential(nn.Linear(2, 2)), small(0.0)):
        with pytest.raises(UsageError, match="has no dropout to keep on"):
            thinned(model, 2)
    with pytest.raises(UsageError, match="1 or more"):
        thinned(small(), 0)
    with pytest.raises(UsageError, match="an ensemble has members"):
        Ensemble([], COMBINATIONS["mean"])


def test_a_bootstrap_is_a_function_of_seed_and_place() -> None:
    drawn = bootstrap(500, 3)
    assert torch.equal(drawn, bootstrap(500, 3))
    assert not torch.equal(drawn, bootstrap(500, 4))
    assert 0 <= int(drawn.min()) <= int(drawn.max()) < 500
    often = torch.bincount(drawn, minlength=500)
    assert abs(float((often == 0).double().mean()) - 0.368) < 0.06
    index = torch.tensor([7, 3, 400])
    assert torch.equal(bootstrap_counts(index, 3, 1), bootstrap_counts(torch.arange(500), 3, 1)[index])
    counts = torch.stack([bootstrap_counts(torch.arange(4000), 0, member) for member in range(2)])
    assert not torch.equal(counts[0], counts[1])
    for number, share in enumerate((0.3679, 0.3679, 0.1839, 0.0613)):
        assert abs(float((counts == number).double().mean()) - share) < 0.015


def test_statistics_are_those_of_all_the_data_whatever_the_groups() -> None:
    torch.manual_seed(1)
    norm, x = nn.BatchNorm1d(3), torch.randn(40, 3) * 4 + 2
    model = nn.Sequential(norm, nn.Dropout(0.5)).train()
    norm.running_mean.fill_(99.0)
    assert recalibrate(model, x.split(10)) == 1
    torch.testing.assert_close(norm.running_mean, x.mean(0), rtol=1e-5, atol=1e-5)
    variances = torch.stack([part.var(0) for part in x.split(10)]).mean(0)
    torch.testing.assert_close(norm.running_var, variances, rtol=1e-5, atol=1e-5)
    assert model.training
    assert norm.training
    assert norm.momentum == 0.1
    assert recalibrate(nn.Linear(2, 2), []) == 0
    with pytest.raises(UsageError, match="at least one group"):
        recalibrate(model, [])


def test_heads_learn_for_themselves_and_answer_together() -> None:
    torch.manual_seed(2)
    network = shared_trunk((1, 6, 6), 3, trunk="CONV3-4 | RELU | POOL2", heads=3)
    x = torch.randn(5, 1, 6, 6)
    given = network.train()(x)
    assert isinstance(given, EachHead)
    assert given.scores.shape == (3, 5, 3)
    given.scores[1].square().sum().backward()
    touched = [any(p.grad is not None and bool(p.grad.any()) for p in head.parameters()) for head in network.heads]
    assert touched == [False, True, False], "the loss of a head moves that head"
    assert all(p.grad is not None for p in network.trunk.parameters()), "and the trunk"
    with torch.no_grad():
        mean = torch.softmax(given.scores, 2).mean(0)
        torch.testing.assert_close(network.eval()(x).exp(), mean, rtol=1e-5, atol=1e-6)
    with pytest.raises(RecipeError, match="several heads"):
        shared_trunk((1, 6, 6), 3, trunk="RELU", heads=1)
