"""k nearest neighbors as a model: the formula's votes, k by validation or cross-validation, stored and loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

import chainrule
from chainrule import formulas as f
from chainrule.core.errors import RecipeError
from chainrule.models import Fitted, NearestNeighbors, knn


def pixels(count: int, seed: int, levels: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, levels, (count, 1, 3, 4), generator=generator).float() / 255


def fitted(count: int = 60, classes: int = 4, **options: Any) -> tuple[NearestNeighbors, Tensor, Tensor]:
    x, y = pixels(count, 0, options.pop("levels", 256)), torch.arange(count) * 7 % classes
    model = knn((1, 3, 4), classes, **options)
    assert isinstance(model, NearestNeighbors)
    model.fit((x, y), (x, y))
    return model, x, y


@pytest.mark.parametrize("levels", [256, 2])
@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("k", [1, 2, 5, 60])
def test_predictions_are_the_formulas(k: int, distance: Any, levels: int) -> None:
    model, x, y = fitted(k=k, distance=distance, levels=levels)
    queries = pixels(40, 1, levels)
    flat = (x * 255).round().flatten(1).double().numpy()
    for query, scores in zip((queries * 255).round().flatten(1).double().numpy(), model(queries)):
        _, index = f.nearest_neighbors(query, flat, k, distance)
        members = y.numpy()[index]
        assert int(scores.argmax()) == f.majority_vote(members, 4)
        shares = np.bincount(members, minlength=4) / k
        np.testing.assert_allclose(scores.softmax(0).numpy(), shares, atol=0.006)
        assert torch.isfinite(scores).all()


def test_one_neighbor_makes_no_mistake_on_its_training_set() -> None:
    model, x, y = fitted(k=1)
    assert model(x).argmax(1).tolist() == y.tolist()


def test_pixels_of_8_bits_are_kept_as_such_and_others_as_they_are() -> None:
    model, x, _ = fitted(k=3)
    assert model.points.dtype == torch.uint8
    between = x[:5] + 0.4 / 255  # queries need not be pixels
    flat = (between * 255).flatten(1).double().numpy()
    wanted = [f.nearest_neighbors(q, model.points.double().numpy(), 3)[1].tolist() for q in flat]
    assert model.neighbors(between)[1].tolist() == wanted
    other = knn((2,), 2, k=1)
    assert isinstance(other, NearestNeighbors)
    other.fit((torch.tensor([[-1.5, 0.2], [3.0, 4.0]]), torch.tensor([0, 1])), (torch.zeros(0, 2), torch.zeros(0)))
    assert other.points.dtype == torch.float32
    assert other.neighbors(torch.tensor([[3.0, 3.0]]))[0].item() == 1.0


def test_k_is_chosen_by_the_validation_part() -> None:
    x, y, held, truth = pixels(80, 2), torch.arange(80) % 3, pixels(50, 3), torch.arange(50) % 3
    model = knn((1, 3, 4), 3, k=[9, 1, 5])
    assert isinstance(model, NearestNeighbors)
    model.fit((x, y), (held, truth))
    chosen = model.chosen
    accuracy = {}
    for k in (1, 5, 9):
        single = knn((1, 3, 4), 3, k=k)
        assert isinstance(single, NearestNeighbors)
        single.fit((x, y), (held, truth))
        assert single.chosen == {"k": k}
        accuracy[str(k)] = float((single(held).argmax(1) == truth).double().mean())
    assert chosen["accuracy"] == accuracy
    assert chosen["k"] == int(model.k) == min(k for k in (1, 5, 9) if accuracy[str(k)] == max(accuracy.values()))


def test_k_is_chosen_by_cross_validation_as_scikit_learn_would() -> None:
    generator = torch.Generator().manual_seed(5)
    x, y = torch.randn(101, 6, generator=generator), torch.randint(0, 2, (101,), generator=generator)
    model = knn((6,), 2, k=[1, 3, 7], choose="cross")
    assert isinstance(model, NearestNeighbors)
    model.fit((x, y), (x[:0], y[:0]))
    chosen = model.chosen
    order = np.argsort(np.arange(101) % 5, kind="stable")  # folds as consecutive stretches
    for k, accuracy in chosen["accuracy"].items():
        right = 0
        for train, test in KFold(5).split(order):
            theirs = KNeighborsClassifier(int(k), algorithm="brute").fit(
                x[order[train]].numpy(), y[order[train]].numpy()
            )
            right += int((theirs.predict(x[order[test]].numpy()) == y[order[test]].numpy()).sum())
        assert accuracy == pytest.approx(right / 101, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "expected at least 1"),
        ({"k": []}, "expected at least 1"),
        ({"k": 3, "distance": "cosine"}, "expected l1 or l2, got cosine"),
        ({"k": 3, "choose": "luck"}, "expected validation or cross, got luck"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        knn((1, 3, 4), 3, **options)


def test_more_neighbors_than_images_are_told() -> None:
    with pytest.raises(RecipeError, match="expected k at most 60, got 61"):
        fitted(k=61)
    with pytest.raises(RecipeError, match="expected k at most 48, got 50"):
        fitted(k=[1, 50], choose="cross")


def test_a_run_is_fitted_stored_and_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = chainrule.train("digits-knn", out=tmp_path / "run")
    assert run.result["steps"] == 0
    assert run.result["test"]["accuracy"] > 0.97
    chosen = run.result["chosen"]
    weights = load_file(run.path / "model.safetensors")
    assert weights["points"].dtype == torch.uint8
    assert int(weights["k"]) == chosen["k"]
    model = run.model()
    assert isinstance(model, Fitted)
    again = run.evaluate("test")
    assert again["accuracy"] == run.result["test"]["accuracy"]
    mistake = json.loads((run.path / "facts" / "evaluation.json").read_text())["test"]["mistakes"][0]
    assert len(mistake["neighbors"]) == chosen["k"]
    assert all(near["picture"].startswith("data:image/png") for near in mistake["neighbors"])
    page = (run.path / "report.html").read_text()
    assert "nearest training examples" in page
    resumed = chainrule.resume(run.path)
    assert resumed.result == run.result


def test_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"expected train.steps: 0, got 5 steps. Remedy: --train.steps 0"):
        chainrule.train("digits-knn", out=tmp_path / "run", settings={"train.steps": 5})
    assert not (tmp_path / "run").exists()
