"""The parts of the solvers: losses as curves, the objective, products with the Hessian, conjugate gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from chainrule import formulas as f
from chainrule.core.errors import DataError, UsageError
from chainrule.optim.solvers import _problem
from chainrule.optim.solvers._conjugate import Kronecker, conjugate_gradients, spectrum
from chainrule.optim.solvers._curves import CURVES, SLOPES, Hinge, Softmax, SquaredHinge, known_loss
from chainrule.optim.solvers._problem import Hessian, Problem, check_problem


def softmax_of(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(scores.T, right, reduction="none")


def hinge_of(scores: torch.Tensor, right: torch.Tensor, power: int = 1) -> torch.Tensor:
    rows = torch.arange(len(right))
    margins = (scores.T - scores[right, rows][:, None] + 1).relu() ** power
    return margins.sum(1) - 1  # j = y is always 1


REFERENCES = {
    Softmax: softmax_of,
    Hinge: hinge_of,
    SquaredHinge: lambda scores, right: hinge_of(scores, right, 2),
}


def random_scores(seed: int, classes: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(classes, count, generator=generator, dtype=torch.float64)
    return scores, torch.randint(classes, (count,), generator=generator)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), classes=st.integers(2, 6), count=st.integers(1, 9))
@pytest.mark.parametrize("loss", list(REFERENCES))
def test_value_slope_and_bend_are_autograds(loss: type, seed: int, classes: int, count: int) -> None:
    scores, right = random_scores(seed, classes, count)
    u = random_scores(seed + 1, classes, count)[0]
    before = scores.clone()
    value, slopes = loss.slope(scores, right)

    def total(scores: torch.Tensor) -> torch.Tensor:
        return REFERENCES[loss](scores, right).sum()

    assert value == pytest.approx(total(scores).item(), rel=1e-12, abs=1e-12)
    torch.testing.assert_close(slopes, torch.autograd.functional.jacobian(total, scores), rtol=1e-10, atol=1e-12)
    if loss is not Hinge:
        bent = loss.bend(loss.curvature(scores, right), right, u)
        product = torch.autograd.functional.hvp(total, scores, u)[1]
        torch.testing.assert_close(bent, product, rtol=1e-9, atol=1e-11)
    assert torch.equal(scores, before)


def test_losses_are_the_formulas() -> None:
    scores, right = random_scores(3, 5, 20)
    for loss, forward, backward in (
        (Softmax, f.softmax_loss, f.softmax_loss_backward),
        (Hinge, f.svm_loss, f.svm_loss_backward),
    ):
        losses, cache = forward(scores.T.numpy(), right.numpy())
        value, slopes = loss.slope(scores, right)
        assert value == pytest.approx(losses.sum(), rel=1e-12)
        np.testing.assert_allclose(slopes.T.numpy(), backward(np.ones(20), cache), atol=1e-12)


def test_huge_scores_do_not_overflow() -> None:
    scores = torch.tensor([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]])
    value, slopes = Softmax.slope(scores, torch.tensor([0, 0]))
    assert value == 2e4
    torch.testing.assert_close(slopes, torch.tensor([[0.0, -1.0], [0.0, 1.0], [0.0, 0.0]]))


def random_problem(
    seed: int = 0, count: int = 50, features: int = 4, classes: int = 3, penalize_bias: bool = False
) -> tuple[Problem, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, features, generator=generator, dtype=torch.float64)
    right = torch.randint(classes, (count,), generator=generator)
    theta = torch.randn(classes, features + 1, generator=generator, dtype=torch.float64)
    return Problem(x, right, classes, 0.3, penalize_bias), theta


@pytest.mark.parametrize("rows", [7, 1024])
@pytest.mark.parametrize("penalize_bias", [False, True])
def test_objective_and_gradient_are_the_formulas(
    rows: int, penalize_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_problem, "ROWS", rows)
    problem, theta = random_problem(penalize_bias=penalize_bias)
    x, W, b = problem.x.numpy(), theta[:, :-1].numpy().T, theta[:, -1].numpy()
    scores, affine = f.affine_forward(x, W, b)
    losses, cache = f.softmax_loss(scores, problem.right.numpy())
    R, penalty = f.l2_penalty(W)
    L, full = f.full_loss(losses, R, 0.3)
    dlosses, dR = f.full_loss_backward(1.0, full)
    _, dW, db = f.affine_backward(f.softmax_loss_backward(dlosses, cache), affine)
    dW = dW + f.l2_penalty_backward(dR, penalty)
    if penalize_bias:
        L, db = L + 0.3 * (b**2).sum(), db + 0.6 * b
    objective, gradient = problem.slope(Softmax, theta)
    assert objective == pytest.approx(L, rel=1e-12)
    np.testing.assert_allclose(gradient.numpy(), np.c_[dW.T, db], atol=1e-12)


@pytest.mark.parametrize("loss", list(CURVES.values()))
@pytest.mark.parametrize("penalize_bias", [False, True])
def test_products_with_the_hessian_are_autograds(
    loss: type, penalize_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_problem, "ROWS", 16)
    problem, theta = random_problem(1, penalize_bias=penalize_bias)
    direction = random_problem(2)[1]

    def objective(theta: torch.Tensor) -> torch.Tensor:
        scores = theta[:, :-1] @ problem.x.T + theta[:, -1:]
        penalized = theta if penalize_bias else theta[:, :-1]
        return REFERENCES[loss](scores, problem.right).mean() + 0.3 * penalized.square().sum()

    product = torch.autograd.functional.hvp(objective, theta, direction)[1]
    torch.testing.assert_close(Hessian(problem, loss, theta)(direction), product, rtol=1e-10, atol=1e-12)


def test_the_curvature_of_the_classes_is_the_hessian_of_the_bias() -> None:
    problem, theta = random_problem(4)
    for loss in CURVES.values():
        hessian = Hessian(problem, loss, theta)
        columns = []
        for k in range(3):
            unit = torch.zeros_like(theta)
            unit[k, -1] = 1
            columns.append(hessian(unit)[:, -1])
        torch.testing.assert_close(hessian.of_classes(), torch.stack(columns, 1))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), size=st.integers(1, 8), preconditioned=st.booleans())
def test_conjugate_gradients_solve_in_as_many_steps_as_unknowns(seed: int, size: int, preconditioned: bool) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size))
    H = torch.from_numpy(root @ root.T + np.eye(size))
    right = torch.from_numpy(rng.standard_normal((1, size)))
    kept = right.clone()
    near = torch.diag(1 / H.diagonal()) if preconditioned else torch.eye(size, dtype=torch.float64)
    precondition = (lambda r: r @ near) if preconditioned else (lambda r: r)  # the latter gives back its argument
    v, products = conjugate_gradients(
        lambda v: v @ H, right, precondition=precondition, tolerance=1e-9, iterations=3 * size
    )
    torch.testing.assert_close(v, torch.linalg.solve(H, right[0])[None], rtol=1e-7, atol=1e-7)
    assert products <= size + 2  # rounding may cost a step
    assert torch.equal(right, kept)


def test_conjugate_gradients_stop() -> None:
    H = torch.diag(torch.arange(1.0, 101.0))
    right = torch.ones(1, 100)
    v, products = conjugate_gradients(lambda v: v @ H, right, precondition=lambda r: r, tolerance=0.1, iterations=1000)
    assert (right - v @ H).norm() <= 0.1 * right.norm()
    assert products < 50
    assert conjugate_gradients(lambda v: v @ H, right, precondition=lambda r: r, tolerance=0, iterations=7)[1] == 7
    zero, products = conjugate_gradients(
        lambda v: v @ H, 0 * right, precondition=lambda r: r, tolerance=0, iterations=7
    )
    assert not zero.any()
    assert products == 0
    flat, products = conjugate_gradients(lambda v: 0 * v, right, precondition=lambda r: r, tolerance=0, iterations=7)
    assert not flat.any()
    assert products == 1


def test_the_preconditioner_is_exact_where_all_examples_bend_alike() -> None:
    problem, _ = random_problem(6, count=40, penalize_bias=True)
    hessian = Hessian(problem, Softmax, problem.zeros())
    solve = Kronecker(problem.x, problem.l2).inverse(hessian)
    right = random_problem(7)[1]
    torch.testing.assert_close(hessian(solve(right)), right, rtol=1e-8, atol=1e-8)


def test_spectrum_is_that_of_the_products_with_a_one_for_the_bias() -> None:
    x = np.random.default_rng(0).standard_normal((3000, 3))
    values, vectors = spectrum(torch.from_numpy(x))
    whole = np.c_[x, np.ones(3000)]
    np.testing.assert_allclose((vectors * values @ vectors.T).numpy(), whole.T @ whole / 3000, atol=1e-12)
    assert (values.diff() >= 0).all()


def test_a_sample_has_the_rows_and_the_settings() -> None:
    problem, _ = random_problem()
    part = problem.sample(torch.tensor([4, 2]))
    assert torch.equal(part.x, problem.x[[4, 2]])
    assert torch.equal(part.right, problem.right[[4, 2]])
    assert (part.classes, part.l2, part.penalize_bias) == (3, 0.3, False)
    assert problem.sample(torch.randperm(50)) is problem


@pytest.mark.parametrize(
    ("x", "targets", "settings", "error", "says"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), {}, UsageError, "do not fit together"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), {}, UsageError, r"got \(3, 2\) and \(2,\)"),
        (torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), {}, UsageError, "real numbers"),
        (torch.zeros(3, 2), torch.zeros(3), {}, UsageError, "classes are whole numbers"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), {"classes": 2}, DataError, "expected 0 to 1, got 2"),
        (torch.zeros(3, 2), torch.tensor([0, -1, 2]), {}, DataError, "out of range: expected 0 to 2, got -1"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), {"l2": -0.1}, UsageError, "l2 is a strength"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), {"l2": float("nan")}, UsageError, "l2 is a strength"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), {}, DataError, "nothing to learn from"),
        (torch.zeros(2, 0), torch.zeros(2, dtype=torch.int64), {}, DataError, "nothing to learn from"),
        (torch.tensor([[0.0], [float("nan")]]), torch.tensor([0, 1]), {}, DataError, "a feature is not finite"),
        (torch.tensor([[0.0], [float("inf")]]), torch.tensor([0, 1]), {}, DataError, "a feature is not finite"),
        (torch.tensor([[0.0], [1e18]]), torch.tensor([0, 1]), {}, DataError, "squares of features overflow"),
    ],
)
def test_what_does_not_fit_is_told(
    x: torch.Tensor, targets: torch.Tensor, settings: dict[str, object], error: type[Exception], says: str
) -> None:
    full = {"classes": None, "l2": 0.1, "penalize_bias": False, **settings}
    with pytest.raises(error, match=says):
        check_problem("newton_cg", x, targets, **full)


def test_other_types_are_made_to_fit() -> None:
    x, targets = torch.ones(3, 2, dtype=torch.float16), torch.tensor([0, 0, 0], dtype=torch.uint8)
    problem = check_problem("newton_cg", x, targets, None, 0.0, False)
    assert problem.x.dtype == torch.float32
    assert problem.right.dtype == torch.int64
    assert problem.classes == 2  # one class alone would be no question


def test_an_unknown_loss_is_told() -> None:
    with pytest.raises(UsageError, match='newton_cg: there is no loss "softmx"'):
        known_loss("newton_cg", "softmx", CURVES)
    assert known_loss("averaged_sgd", "hinge", SLOPES) is Hinge
