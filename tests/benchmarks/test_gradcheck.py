"""A small run of the gradient check's proof: slips are found, right functions with kinks are not accused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def proof(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("gradcheck", "mutants", "measure"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("gradcheck")


@pytest.mark.filterwarnings("ignore")
def test_forty_slips_are_found(proof: ModuleType) -> None:
    with np.errstate(all="ignore"):
        found = proof.slips(40, seed=1)
    assert found["checked"] == 40
    assert found["missed"] == []
    assert len(found["by kind"]) > 3


def test_forty_right_functions_with_kinks_are_not_accused(proof: ModuleType) -> None:
    found = proof.right_ones(40, seed=7)
    assert found["accused"] == []
    assert found["not clear"] == []
    assert found["kinks met"] > 20


def test_slips_are_real(proof: ModuleType) -> None:
    """The judge of the slips: the right function has no error, and one with a factor has that."""
    (pair,) = (pair for pair in proof.PAIRS if pair.name == "tanh")
    inputs = pair.inputs(np.random.default_rng(0))
    assert proof.true_error(pair, pair.backward, inputs, 0) == 0.0
    doubled = proof.true_error(pair, lambda dout, cache: 2 * pair.backward(dout, cache), inputs, 0)
    assert doubled == pytest.approx(0.5)
