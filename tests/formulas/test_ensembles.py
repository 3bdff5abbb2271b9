"""Ensembles and calibration: worked numbers, other libraries, and the product's parts against the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from chainrule import formulas as f
from chainrule.core.errors import UsageError
from chainrule.metrics import Calibration
from chainrule.models import COMBINATIONS, Ensemble, average_weights
from chainrule.optim import SCHEDULES, cycle_ends


def probabilities(rng: np.random.Generator, members: int, count: int, classes: int) -> np.ndarray:
    return np.asarray(rng.dirichlet(np.full(classes, 0.5), size=(members, count)))


def test_by_hand() -> None:
    p = np.array([[[0.9, 0.1, 0.0]], [[0.3, 0.4, 0.3]], [[0.3, 0.4, 0.3]]])
    assert f.mean_probability(p).tolist() == [pytest.approx([0.5, 0.3, 0.2])]
    assert f.vote_of_members(p).tolist() == [1], "two votes beat a higher mean"
    assert f.vote_of_members(p[:2]).tolist() == [0], "one vote each: the mean decides"
    assert f.average_parameters([np.array([[1.0]]), np.array([[4.0]])]).tolist() == [[2.5]]


def test_squared_error_of_the_mean_is_that_of_the_members_less_their_spread() -> None:
    """LECTURES B14: the mean over members takes variance away and nothing else."""
    rng = np.random.default_rng(0)
    p, y = probabilities(rng, 5, 40, 3), np.eye(3)[rng.integers(0, 3, 40)]
    together = ((f.mean_probability(p) - y) ** 2).sum(1).mean()
    apart = ((p - y) ** 2).sum(2).mean()
    assert together == pytest.approx(apart - ((p - f.mean_probability(p)) ** 2).sum(2).mean(), rel=1e-12)


def test_likelihood_is_scikit_learns_and_calibration_is_zero_where_confidence_is_true() -> None:
    rng = np.random.default_rng(1)
    p, y = probabilities(rng, 1, 300, 4)[0], rng.integers(0, 4, 300)
    assert f.negative_log_likelihood(p, y) == pytest.approx(log_loss(y, p, labels=range(4)), rel=1e-9)
    sure = np.tile([0.75, 0.25], (4, 1))
    assert f.expected_calibration_error(sure, np.array([0, 0, 0, 1])) == pytest.approx(0.0, abs=1e-12)
    assert f.expected_calibration_error(sure, np.array([1, 1, 1, 1])) == pytest.approx(0.75)


@pytest.mark.parametrize("bins", [1, 2, 15])
def test_the_tally_is_the_formula_however_it_is_cut(bins: int) -> None:
    rng = np.random.default_rng(bins)
    p, y = probabilities(rng, 1, 211, 3)[0], rng.integers(0, 3, 211)
    scores, targets = torch.tensor(np.log(p)), torch.tensor(y)
    whole = Calibration.of(scores, targets, bins=bins)
    assert whole.result() == pytest.approx(f.expected_calibration_error(p, y, bins), rel=1e-9)
    cut = Calibration.of(scores[:50], targets[:50], bins=bins).merge(
        Calibration.of(scores[50:], targets[50:], bins=bins)
    )
    assert cut == whole
    assert sum(one["count"] for one in whole.bins()) == 211
    right = sum(one["count"] * one["accuracy"] for one in whole.bins() if one["count"])
    assert right == pytest.approx((p.argmax(1) == y).sum())


def test_bins_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="confidences are put in bins"):
        Calibration.of(torch.zeros(1, 2), torch.tensor([0]), bins=0)
    with pytest.raises(UsageError, match="same bins"):
        Calibration().merge(Calibration.of(torch.zeros(1, 2), torch.tensor([0]), bins=3))


def test_combinations_are_the_formulas() -> None:
    rng = np.random.default_rng(3)
    p = probabilities(rng, 4, 200, 5)
    scores = torch.tensor(np.log(p)) + torch.tensor(rng.standard_normal((4, 200, 1)))  # a shift changes nothing
    mean = COMBINATIONS["mean"](scores).exp().double()
    torch.testing.assert_close(mean, torch.tensor(f.mean_probability(p)), rtol=1e-5, atol=1e-6)
    votes = COMBINATIONS["vote"](scores)
    assert votes.argmax(1).tolist() == f.vote_of_members(p).tolist()
    torch.testing.assert_close(votes.exp().sum(1), torch.ones(200, dtype=torch.float64), rtol=1e-5, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    members = [torch.nn.Linear(4, 3) for _ in range(3)]
    x = torch.randn(6, 4)
    p = np.stack([torch.softmax(member(x), 1).detach().double().numpy() for member in members])
    np.testing.assert_allclose(Ensemble(members)(x).exp().detach().numpy(), f.mean_probability(p), rtol=1e-5)


def test_weights_are_averaged_and_counts_are_the_last() -> None:
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal((3, 2)) for _ in range(4)]
    given = [{"w": torch.tensor(one), "n": torch.tensor(number)} for number, one in enumerate(arrays)]
    found = average_weights(given)
    np.testing.assert_allclose(found["w"].numpy(), f.average_parameters(arrays), rtol=1e-12)
    assert int(found["n"]) == 3
    with pytest.raises(UsageError, match="different networks"):
        average_weights([{"w": torch.zeros(2)}, {"w": torch.zeros(3)}])
    with pytest.raises(UsageError, match="at least one network"):
        average_weights([])


@pytest.mark.parametrize(("steps", "cycles"), [(10, 3), (100, 5), (7, 7), (3, 5), (1, 1)])
def test_each_cycle_begins_at_the_base_rate_and_ends_near_zero(steps: int, cycles: int) -> None:
    cyclic, ends = SCHEDULES.resolve("cyclic"), cycle_ends(steps, cycles)
    rates = [cyclic(t, steps, cycles=cycles) for t in range(steps)]
    assert rates == pytest.approx([f.cyclic_rate(1.0, t, steps, cycles) for t in range(steps)], rel=1e-12)
    assert ends[-1] == steps
    assert ends == sorted(set(ends))
    assert len(ends) <= cycles
    assert [rates[end] for end in [0, *ends[:-1]]] == [1.0] * len(ends)
    assert all(rates[end - 1] == min(rates[begin:end]) for begin, end in zip([0, *ends], ends, strict=False))


def test_a_warm_up_belongs_to_the_first_cycle_and_a_run_has_cycles() -> None:
    cyclic = SCHEDULES.resolve("cyclic")
    warm = [cyclic(t, 20, cycles=2, warmup=4) for t in range(20)]
    assert warm[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert warm[10:] == [cyclic(t, 20, cycles=2) for t in range(10, 20)]
    with pytest.raises(UsageError, match="a run has cycles"):
        cyclic(0, 20, cycles=0)
