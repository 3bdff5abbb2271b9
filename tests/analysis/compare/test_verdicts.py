"""What is said of people's code: slips, pairs of slips, conventions, misuse; and never the solution."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from chainrule import formulas as book
from chainrule.analysis.compare import compare_with_formula, in_words
from chainrule.core.errors import UsageError
from chainrule.formulas import attention, norms, recurrent, updates


def labels(found: dict) -> list[str]:
    return [f["label"] for f in found["findings"]]


def states(found: dict) -> dict[str, str]:
    return {r["name"]: r["state"] for r in found["results"]}


def affine(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_back(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def test_right_code_is_right() -> None:
    found = compare_with_formula("affine", affine, affine_back)
    assert found["verdict"] == "right"
    assert found["score"] == 1.0
    assert states(found) == {"out": "right", "dx": "right", "dW": "right", "db": "right"}
    assert found["findings"] == found["problems"] == found["notes"] == []
    assert in_words(found).startswith("Affine (fully connected) layer (A3): your code agrees")


def test_each_result_has_its_own_verdict() -> None:
    found = compare_with_formula("affine", affine, lambda dout, cache: (*affine_back(dout, cache)[:2], dout[0]))
    assert found["verdict"] == "wrong"
    assert states(found) == {"out": "right", "dx": "right", "dW": "right", "db": "wrong"}
    assert labels(found) == ["first-example-only"]
    assert found["score"] == 0.75
    assert "db   is wrong: relative error" in in_words(found)


def test_two_slips_in_one_line_are_both_named() -> None:
    def forward(x, gamma, beta, eps=1e-5):
        return gamma * (x - x.mean(0)) / (x.var(0, ddof=1) ** 0.5 + eps) + beta

    found = compare_with_formula("batch_norm", forward)
    assert sorted(labels(found)) == ["epsilon-outside-the-root", "unbiased-variance"]


def test_a_gradient_of_the_wrong_forward_is_not_accused_twice() -> None:
    def loss(scores, y):
        shifted = scores - scores.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        d = np.exp(log_p)
        d[np.arange(len(y)), y] -= 1
        return -log_p[np.arange(len(y)), y].sum() * 3.0, 3.0 * d

    found = compare_with_formula("softmax_loss", loss)
    assert found["verdict"] == "wrong"
    assert states(found)["dscores"] in ("follows", "wrong")
    found = compare_with_formula("sigmoid", lambda x: (np.tanh(x), np.tanh(x)), lambda d, t: d * (1 - t * t))
    assert labels(found) == ["tanh-instead"]
    assert states(found) == {"out": "wrong", "dx": "follows"}


def test_a_convention_of_the_notes_is_no_error() -> None:
    def adagrad(x, dx, s, lr, eps=1e-8):
        return x - lr * dx / np.sqrt(s + dx**2 + eps), s + dx**2

    found = compare_with_formula("adagrad", adagrad)
    assert found["verdict"] == "convention"
    assert [(f["kind"], f["convention"]) for f in found["findings"]] == [("convention", "004")]
    assert "Your code follows the convention of 004: epsilon inside the root." in in_words(found)


def test_a_convention_of_the_gradient_alone_is_an_error() -> None:
    found = compare_with_formula("l2_penalty", lambda W, lam: (lam * (W * W).sum(), lam * W))
    assert (found["verdict"], labels(found)) == ("wrong", ["factor-2-forgotten"])


def test_what_is_changed_in_place_is_noticed() -> None:
    def forward(x):
        cache = x.copy()
        x[x < 0] = 0
        return x, cache

    found = compare_with_formula("relu", forward, lambda d, x: d * (x > 0))
    assert labels(found) == ["input-changed-in-place"]

    def eats_its_cache(dout, x):
        x[x <= 0] = 0
        x[x > 0] += 1
        mask = x > 0
        x[:] = -x
        return dout * mask

    found = compare_with_formula("relu", lambda x: (np.maximum(x, 0), x.copy()), eats_its_cache)
    assert "cache-changed-in-place" in labels(found)

    def eats_upstream(dout, x):
        dout[x <= 0] = 0
        return dout

    found = compare_with_formula("relu", lambda x: (np.maximum(x, 0), x), eats_upstream)
    assert found["verdict"] == "right"
    assert "changes dout in place" in found["notes"][0]


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda x: None, "returns None"),
        (lambda x: "text", "is of type str"),
        (lambda x: (), "returns 0 values"),
        (lambda x: np.full(x.shape, None), "expected an array of numbers"),
    ],
)
def test_what_is_no_result_is_told(forward, said) -> None:
    found = compare_with_formula("relu", forward)
    assert found["verdict"] == "wrong"
    assert found["score"] == 0
    assert said in found["problems"][0]["problem"]
    assert "on every case" in in_words(found)


def test_numbers_that_are_not_finite_and_shapes_are_told() -> None:
    found = compare_with_formula("relu", lambda x: x * np.nan)
    assert labels(found) == ["not-a-number"]
    found = compare_with_formula("relu", lambda x: np.maximum(x, 0).sum(axis=0))
    assert found["results"][0]["shape"] == {"found": [3], "expected": [4, 3]}
    assert "shape (3,), expected (4, 3)" in in_words(found)


def test_lists_float32_and_names_are_understood() -> None:
    assert compare_with_formula("relu", lambda x: np.maximum(x, 0).tolist())["verdict"] == "right"
    found = compare_with_formula("tanh", lambda x: np.tanh(x.astype(np.float32)))
    assert found["verdict"] == "right"
    assert "float32" in found["notes"][0]
    assert compare_with_formula("affine", lambda b, W, x: x.reshape(len(x), -1) @ W + b)["verdict"] == "right"
    assert compare_with_formula("affine", lambda p, q, r: p.reshape(len(p), -1) @ q + r)["verdict"] == "right"
    found = compare_with_formula("relu", lambda t: torch.relu(t))
    assert (found["verdict"], found["tensors"]) == ("right", "torch")


def test_code_that_fails_on_some_cases_is_told_where() -> None:
    def forward(x):
        if x.ndim == 1:
            raise ValueError("no vectors")
        return np.maximum(x, 0)

    found = compare_with_formula("relu", forward)
    assert found["verdict"] == "wrong"
    assert [p["case"] for p in found["problems"]] == ["a vector"]
    assert "ValueError" in found["problems"][0]["problem"]


def test_code_that_fails_on_every_case_fails_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        compare_with_formula("relu", lambda x: 1 / 0)


@pytest.mark.parametrize(
    ("name", "forward", "backward", "said"),
    [
        ("affine", lambda x: x, None, "does not take all"),
        ("affine", lambda x, w, b, gain, other: x, None, "a parameter gain that nothing fits"),
        ("affine", dict, None, "is no function"),
        ("relu", lambda x: np.maximum(x, 0), lambda dout, cache: dout, "your forward function returns none"),
        ("relo", lambda x: x, None, "no formula"),
    ],
)
def test_misuse_is_one_line(name, forward, backward, said) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        compare_with_formula(name, forward, backward)
    assert "\n" not in str(caught.value)


def test_a_missing_gradient_is_missing() -> None:
    found = compare_with_formula("affine", affine, lambda dout, cache: affine_back(dout, cache)[:2])
    assert (found["verdict"], found["missing"]) == ("wrong", ["db"])


def test_the_same_seed_gives_the_same_answer() -> None:
    first = compare_with_formula("affine", affine, affine_back, seed=3)
    assert first == compare_with_formula("affine", affine, affine_back, seed=3)
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def test_the_solution_is_never_printed() -> None:
    """No line of the book that computes something stands in any sentence of the tables or of an answer."""
    code = set()
    for module in (book.affine_forward, attention, norms, recurrent, updates, book.softmax_loss, book.conv_forward):
        source = inspect.getsource(inspect.getmodule(module) or module)
        code |= {line.strip() for line in source.splitlines() if " = " in line or line.strip().startswith("return ")}
    code = {line for line in code if len(line) > 12}
    assert len(code) > 100
    root = Path(inspect.getfile(compare_with_formula)).parent
    said = [in_words(compare_with_formula("affine", affine, lambda d, c: (d, d, d)))]
    for path in root.glob("slips_*.py"):
        said += [line for line in path.read_text().splitlines() if line.strip().startswith('Slip("')]
    sentences = "\n".join(line.split('", "')[1] if '", "' in line else line for line in said)
    assert [line for line in code if line in sentences] == []
