"""The tables of formulas: each is the book's, line by line, and each slip is one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from chainrule.analysis.compare import formula_named, formulas
from chainrule.analysis.compare._formula import Formula
from chainrule.analysis.compare._numbers import TOLERANCE, error
from chainrule.analysis.compare._student import Student
from chainrule.analysis.compare._trial import Trial, run_trial

ALL = {formula.name: formula for formula in formulas()}


def students_code(formula: Formula):
    """The book's own answers behind a plain signature."""

    unreturned = () if formula.moves else formula.optional

    def forward(**given):
        if formula.name in ("softmax_loss", "svm_loss", "mse", "bce"):
            given["each"] = False
        if "mask" in given:
            given["seen"] = given["mask"]
        if formula.name == "dropout":
            rng = np.random.default_rng(int(abs(given["x"].sum()) * 1e6))
            given["train"] = given["train"] and given["mode"] == "train"
            given["kept"] = (
                rng.random(given["x"].shape) >= given["p"] if given["train"] else np.ones(given["x"].shape, bool)
            )
        outputs = tuple(v for k, v in formula.reference(given, formula.outputs).items() if k not in unreturned)
        return (*outputs, given) if formula.gradients else outputs if len(outputs) > 1 else outputs[0]

    def backward(*values):
        *upstream, given = values
        given = {**given, **dict(zip(formula.upstream, upstream))}
        return tuple(formula.reference(given, formula.gradients).values())

    kind = inspect.Parameter.KEYWORD_ONLY
    forward.__signature__ = inspect.Signature([inspect.Parameter(a.name, kind) for a in formula.arguments])
    return forward, (backward if formula.gradients else None)


def trial_of(formula: Formula) -> Trial:
    forward, backward = students_code(formula)
    return run_trial(Student(formula, forward, backward, lambda f, *a, **k: f(*a, **k)), 0)


@pytest.mark.parametrize("name", ALL)
def test_the_steps_are_the_book(name: str) -> None:
    """What the tables write line by line is the formula, and the formula is not accused."""
    trial = trial_of(ALL[name])
    assert [row.problem for row in trial.rows if row.problem] == []
    assert trial.wrong() == []
    with np.errstate(all="ignore"):
        for row in trial.rows:
            for result, wanted in row.wanted.items():
                assert error(getattr(row.right, result), wanted) <= TOLERANCE, (name, row.case, result)


@pytest.mark.parametrize("name", ALL)
def test_every_slip_changes_something(name: str) -> None:
    formula = ALL[name]
    trial = trial_of(formula)
    with np.errstate(all="ignore"):
        for slip in formula.slips:
            worst = 0.0
            failed = []
            for row in trial.rows:
                variant = row.right.changed(slip.lines)
                for result in (*formula.outputs, *formula.gradients):
                    try:
                        worst = max(worst, error(getattr(variant, result), getattr(row.right, result)))
                    except (ValueError, IndexError) as why:  # shapes that do not fit on this case
                        failed.append(str(why))
            assert worst > TOLERANCE, (name, slip.label, failed)


def test_names_of_the_courses() -> None:
    for word, name in {
        "conv_forward_naive": "conv", "batchnorm_forward": "batch_norm", "softmax_loss": "softmax_loss", "adam": "adam",
        "max_pool_forward_naive": "max_pool", "sgd_momentum": "momentum", "lstm_step_forward": "lstm_step",
        "rnn_step_forward": "rnn_step", "layernorm_forward": "layer_norm", "affine_relu_forward": "affine_relu",
    }.items():  # fmt: skip
        assert formula_named(word).name == name


def test_there_are_at_least_thirty() -> None:
    assert len(ALL) >= 30
    labels = [(name, slip.label) for name, formula in ALL.items() for slip in formula.slips]
    assert all(label == label.lower() and " " not in label for _, label in labels)
