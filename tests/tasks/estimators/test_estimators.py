"""Estimators: scikit-learn's own checks, agreement with its classifiers, pipelines and searches."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import (
    check_array_api_input,
    check_estimators_data_not_an_array,
    estimator_checks_generator,
)

from chainrule.core.errors import DataError, NonFiniteError, UsageError
from chainrule.tasks.estimators import (
    KNearestNeighbors,
    LinearSVM,
    MultilayerPerceptron,
    ParameterError,
    SoftmaxRegression,
)

ESTIMATORS = [
    KNearestNeighbors(),
    KNearestNeighbors(k=1, distance="l1"),
    KNearestNeighbors(k=2),
    KNearestNeighbors(k=(1, 3)),
    SoftmaxRegression(),
    SoftmaxRegression(solver="averaged_sgd", max_iter=10),
    LinearSVM(max_iter=10),
    LinearSVM(loss="squared_hinge"),
    MultilayerPerceptron(hidden=(16,), lr=0.02, epochs=6),
    MultilayerPerceptron(hidden=(16, 8), lr=0.02, epochs=6, dropout=0.1, activation="tanh"),
]
ELSEWHERE = {
    "check_array_api_input": "needs SCIPY_ARRAY_API=1 at the start: test_array_api",
    "check_classifier_data_not_an_array": "half of it needs pandas; the other half: test_data_that_are_no_array",
}
"""Checks that are not run as they stand, and why. `expected_failed_checks` is empty."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Data are small here: threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def own_checks() -> Iterator[Any]:
    for estimator in ESTIMATORS:
        for each, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            if name not in ELSEWHERE:
                yield pytest.param(each, check, id=f"{estimator}-{name}".replace("\n", ""))


@pytest.mark.parametrize(("estimator", "check"), list(own_checks()))
def test_check(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as scikit-learn runs them; data without a pattern converge late
        check(estimator)


def test_data_that_are_no_array() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    y = np.repeat([0, 1], 15)
    for estimator in ESTIMATORS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_estimators_data_not_an_array(type(estimator).__name__, clone(estimator), x, y, "NotAnArray")


ARRAY_API = f"""
import warnings
warnings.simplefilter("ignore")
from {check_array_api_input.__module__} import check_array_api_input
from chainrule.tasks.estimators import *
for estimator in {ESTIMATORS!r}:
    check_array_api_input(type(estimator).__name__, estimator, "numpy", expect_only_array_outputs=False)
print("passed")
"""


@pytest.mark.slow
def test_array_api() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARRAY_API],
        env={**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "passed", done.stderr


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, ...]:
    """900 digits to learn from, and 300 others."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:1200]
    return x[order[:900]], y[order[:900]], x[order[900:]], y[order[900:]]


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("k", [1, 3, 4, 5])
def test_neighbors_are_scikit_learns(digits: tuple[np.ndarray, ...], k: int, distance: Any) -> None:
    x, y, queries, _ = digits
    ours = KNearestNeighbors(k, distance=distance).fit(x, y)
    peer = KNeighborsClassifier(k + 1, algorithm="brute", p=1 if distance == "l1" else 2).fit(x, y)
    distances, index = ours.neighbors(queries)
    wanted, near = peer.kneighbors(queries)
    np.testing.assert_allclose(distances, wanted[:, :k], rtol=1e-6)  # theirs are off by rounding
    clear = wanted[:, k] - wanted[:, k - 1] > 1e-6  # no tie for the last place: both hold the same examples
    assert clear.mean() > 0.8
    assert (np.sort(index[clear]) == np.sort(near[clear, :k])).all()
    shares = ours.predict_proba(queries)
    np.testing.assert_allclose(shares[clear], peer.set_params(n_neighbors=k).predict_proba(queries)[clear], atol=1e-15)
    best = (shares >= shares.max(1, keepdims=True) - 1e-9).sum(1) == 1  # no tie of votes
    assert best[clear].mean() > 0.9
    assert (ours.predict(queries) == peer.predict(queries))[clear & best].all()


def test_ties() -> None:
    x = np.array([[0.0], [2.0], [2.0], [-2.0], [5.0]])
    y = np.array(["c", "b", "a", "a", "c"])
    four = KNearestNeighbors(4).fit(x, y)
    distances, index = four.neighbors([[0.4]])
    assert index.tolist() == [[0, 1, 2, 3]]  # of equally near ones the first
    np.testing.assert_allclose(distances, [[0.4, 1.6, 1.6, 2.4]])
    two = KNearestNeighbors(2).fit(x, y)
    assert two.predict([[0.4]]).tolist() == ["c"]  # c and b have a vote each: the nearest member's class
    assert KNeighborsClassifier(2).fit(x, y).predict([[0.4]]).tolist() != ["c"]
    shares = two.predict_proba([[0.4]])
    np.testing.assert_allclose(shares, [[0.0, 0.5, 0.5]], rtol=1e-15)
    assert two.classes_[shares.argmax(1)].tolist() == ["c"]
    assert four.predict_proba([[0.4]]).tolist() == [[0.5, 0.25, 0.25]]  # no tie: the shares themselves


def test_8_bits_are_exact(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, _ = digits
    wide, narrow = KNearestNeighbors(3).fit(x, y), KNearestNeighbors(3).fit(x.astype(np.uint8), y)
    assert narrow._points.points.dtype == torch.uint8
    for given in (queries, queries.astype(np.uint8), queries.astype(np.int16)):
        for ours, theirs in zip(narrow.neighbors(given), wide.neighbors(queries)):
            np.testing.assert_array_equal(ours, theirs)


def test_k_by_cross_validation(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, _ = digits
    folds = KFold(4, shuffle=True, random_state=1)
    fitted = KNearestNeighbors((9, 1, 3), cv=folds).fit(x, y)
    for k, accuracy in fitted.cv_accuracy_.items():
        scores = [(KNearestNeighbors(k).fit(x[a], y[a]).predict(x[b]) == y[b]).sum() for a, b in folds.split(x)]
        assert accuracy == pytest.approx(sum(scores) / len(y), abs=1e-12)
    assert list(fitted.cv_accuracy_) == [1, 3, 9]
    assert fitted.k_ == min(k for k, a in fitted.cv_accuracy_.items() if a == max(fitted.cv_accuracy_.values()))
    assert (fitted.predict(queries) == KNearestNeighbors(fitted.k_).fit(x, y).predict(queries)).all()
    ordered = np.argsort(y, kind="stable")  # data in the order of their classes have stratified folds
    assert KNearestNeighbors((1, 3)).fit(x[ordered], y[ordered]).cv_accuracy_[1] > 0.95


def test_what_is_given_may_change_afterwards(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, _ = digits
    mine = x.copy()
    fitted = KNearestNeighbors(3).fit(mine, y)
    before = fitted.predict(queries)
    mine[:] = 0
    assert (fitted.predict(queries) == before).all()


def softmax_objective(weights: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray, l2: float) -> float:
    scores = x @ weights.T + bias
    scores -= scores.max(1, keepdims=True)
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(y)), y]
    return float(losses.mean() + l2 * (weights**2).sum())


def test_softmax_regression_is_at_the_minimum(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, truth = digits
    x, queries, l2 = x / 16, queries / 16, 1e-3
    ours = SoftmaxRegression(l2, tol=1e-5).fit(x, y)
    peer = LogisticRegression(C=1 / (2 * l2 * len(x)), tol=1e-5, max_iter=1000).fit(x, y)
    own = softmax_objective(ours.coef_, ours.intercept_, x, y, l2)
    theirs = softmax_objective(peer.coef_, peer.intercept_, x, y, l2)
    assert own == pytest.approx(ours.objective_, rel=1e-9)
    assert own <= theirs + 1e-7
    np.testing.assert_allclose(ours.predict_proba(queries), peer.predict_proba(queries), atol=2e-3)
    assert ours.score(queries, truth) > 0.94
    near = SoftmaxRegression(l2, solver="averaged_sgd").fit(x, y)
    assert own - 1e-9 <= near.objective_ < own * 1.05


def test_two_classes_have_one_row(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, _ = digits
    x, queries, y, l2 = x / 16, queries / 16, np.where(y % 2, "odd", "even"), 1e-3
    ours = SoftmaxRegression(l2, tol=1e-7).fit(x, y)
    assert (ours.coef_.shape, ours.intercept_.shape) == ((1, 64), (1,))
    peer = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-7, max_iter=2000).fit(x, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.predict_proba(queries), peer.predict_proba(queries), atol=1e-4)
    for fitted in (ours, LinearSVM(l2).fit(x, y), MultilayerPerceptron((8,), epochs=3).fit(x, y)):
        scores = fitted.decision_function(queries)
        assert scores.shape == (len(queries),)
        assert (fitted.predict(queries) == fitted.classes_[(scores > 0).astype(int)]).all()


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_the_svm_is_as_good_as_scikit_learns(digits: tuple[np.ndarray, ...], loss: Any) -> None:
    x, y, queries, truth = digits
    ours = LinearSVM(1e-3, loss=loss).fit(x / 16, y)
    peer = LinearSVC(C=1, random_state=0).fit(x / 16, y)
    assert ours.score(queries / 16, truth) >= peer.score(queries / 16, truth) - 0.015
    scores = x / 16 @ ours.coef_.T + ours.intercept_
    margins = np.maximum(0, scores - scores[np.arange(len(y)), y][:, None] + 1)
    margins[np.arange(len(y)), y] = 0
    losses = (margins if loss == "hinge" else margins**2).sum(1)
    assert ours.objective_ == pytest.approx(losses.mean() + 1e-3 * (ours.coef_**2).sum(), rel=1e-6)
    assert not hasattr(ours, "predict_proba")


def test_the_network_learns_and_its_seed_decides(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, truth = digits
    model = make_pipeline(StandardScaler(), MultilayerPerceptron((64,), lr=5e-3, epochs=15))
    first, state = model.fit(x, y), torch.get_rng_state()
    assert first.score(queries, truth) > 0.93
    curve = first[-1].loss_curve_
    assert len(curve) == first[-1].n_iter_ == 15
    assert curve[-1] < 0.1 < curve[0]
    chances = first.predict_proba(queries)
    assert (clone(model).fit(x, y).predict_proba(queries) == chances).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert (model.set_params(multilayerperceptron__random_state=1).fit(x, y).predict_proba(queries) != chances).any()
    np.testing.assert_allclose(np.exp(first.predict_log_proba(queries)), first.predict_proba(queries), atol=1e-6)


def test_random_states(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, _ = digits

    def scores(state: Any) -> np.ndarray:
        return LinearSVM(max_iter=1, random_state=state).fit(x, y).decision_function(queries)

    assert (scores(3) == scores(np.int64(3))).all()
    assert (scores(np.random.RandomState(5)) == scores(np.random.RandomState(5))).all()
    assert (scores(3) != scores(4)).any()
    assert (scores(None) != scores(None)).any()
    with pytest.raises(ValueError, match="cannot be used to seed"):
        scores("seven")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_pickled_one_answers_the_same(estimator: Any, digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, _ = digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = clone(estimator).fit(x[:200] / 16, y[:200])
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict(queries) == fitted.predict(queries)).all()
    assert repr(clone(fitted)) == repr(estimator)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(queries)


def test_pipeline_and_grid_search(digits: tuple[np.ndarray, ...]) -> None:
    x, y, queries, truth = digits
    pipeline = make_pipeline(StandardScaler(), SoftmaxRegression(max_iter=200))
    found = GridSearchCV(pipeline, {"softmaxregression__l2": [1.0, 1e-3]}, cv=3).fit(x, y)
    assert found.best_params_ == {"softmaxregression__l2": 1e-3}
    assert found.score(queries, truth) > 0.93
    assert cross_val_score(KNearestNeighbors(1), x, y, cv=3).mean() > 0.95


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_sparse_data_are_refused(estimator: Any) -> None:
    with pytest.raises(TypeError, match=re.escape("Sparse data was passed for X, but dense data is required")):
        clone(estimator).fit(scipy.sparse.eye_array(10).tocsr(), np.arange(10) % 2)


X, Y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2


@pytest.mark.parametrize(
    ("estimator", "error", "words"),
    [
        (KNearestNeighbors(0), ParameterError, "k is how many neighbors vote: expected at least 1"),
        (KNearestNeighbors(True), ParameterError, "k is how many neighbors vote"),
        (KNearestNeighbors([]), ParameterError, "k is how many neighbors vote"),
        (KNearestNeighbors(2.5), ParameterError, "got 2.5"),
        (KNearestNeighbors(11), ParameterError, "expected k at most n_samples = 10, got 11"),
        (KNearestNeighbors((1, 9)), ParameterError, "expected k at most 8, which a fold leaves of n_samples = 10"),
        (KNearestNeighbors(distance="max"), ParameterError, "expected l1 or l2, got max"),
        (SoftmaxRegression(-1.0), UsageError, "l2 is a strength: expected at least 0, finite, got -1.0"),
        (SoftmaxRegression(solver="lbfgs"), ParameterError, "expected newton_cg or averaged_sgd, got lbfgs"),
        (SoftmaxRegression(max_iter=-1), UsageError, "wrong iterations"),
        (LinearSVM(loss="l1"), ParameterError, "expected hinge or squared_hinge, got l1"),
        (LinearSVM(max_iter=0), UsageError, "wrong epochs"),
        (MultilayerPerceptron(activation="relux"), UsageError, 'did you mean "relu"'),
        (MultilayerPerceptron(optim="adamm"), UsageError, 'did you mean "adam"'),
        (MultilayerPerceptron(hidden=8), ParameterError, "hidden are widths of layers"),
        (MultilayerPerceptron(hidden=(0,)), ParameterError, "hidden are widths of layers"),
        (MultilayerPerceptron(batch=0), ParameterError, "batch is a count"),
        (MultilayerPerceptron(epochs=1.5), ParameterError, "epochs is a count"),
        (MultilayerPerceptron(lr=1e30), NonFiniteError, "the weights were not changed"),
    ],
    ids=str,
)
def test_wrong_parameters(estimator: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        estimator.fit(X, Y)
    assert "\n" not in str(caught.value)


def test_numbers_that_overflow() -> None:
    for estimator in (SoftmaxRegression(), LinearSVM()):
        with pytest.raises(DataError, match="squares of features overflow"):
            estimator.fit(X * 1e200, Y)


def test_a_search_that_was_cut_short_says_so(digits: tuple[np.ndarray, ...]) -> None:
    x, y, _, _ = digits
    with pytest.warns(ConvergenceWarning, match="newton_cg stopped after 1 iterations"):
        fitted = SoftmaxRegression(max_iter=1).fit(x, y)
    assert fitted.n_iter_ == 1
