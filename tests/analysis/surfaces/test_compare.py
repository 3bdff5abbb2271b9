"""Optimizers on surfaces: the book's steps, counted; who arrives, who is stuck, who leaves the numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from chainrule.analysis.surfaces import METHODS, SURFACES, compare_optimizers, find_surface, named_surface
from chainrule.analysis.surfaces._compare import Comparison
from chainrule.analysis.surfaces._descent import Path, walk
from chainrule.analysis.surfaces._page import comparison_page, comparison_table, landscape_of
from chainrule.core.errors import UsageError

TORCH = {
    "gd": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "nesterov": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
    "adagrad": lambda p, lr: torch.optim.Adagrad(p, lr=lr, eps=1e-8),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr, alpha=0.99),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.01),
}


def path_of(found: Comparison, name: str) -> Path:
    return next(path for path in found.paths if path.method.name == name)


@pytest.mark.parametrize("name", TORCH)
def test_every_rate_takes_the_steps_of_torch(name: str) -> None:
    surface = named_surface("plateau")
    found = walk(surface, METHODS[name], 30, 0)
    for r, rate in enumerate(METHODS[name].rates):
        x = torch.tensor(surface.start, requires_grad=True)
        optimizer = TORCH[name]([x], rate)
        for t in range(31):
            place = x.detach().numpy().copy()
            np.testing.assert_allclose(found.points[t, r], place, rtol=1e-7, atol=1e-9)
            x.grad = torch.from_numpy(surface.gradient(place[None])[0])
            optimizer.step()


def test_the_forms_of_momentum_are_one_at_a_constant_rate() -> None:
    found = compare_optimizers(named_surface("ravine"), ["momentum", "momentum-steps"], steps=100)
    np.testing.assert_allclose(found.paths[0].points, found.paths[1].points, atol=1e-12)
    assert [trail.label for trail in landscape_of(found).trails] == ["momentum, both forms"]


def test_steps_are_counted_until_the_value_stays_down() -> None:
    """x_t = (1 - lr)^t x_0 on the bowl, so f_t / f_0 = (1 - lr)^2t: by hand at a rate of 0.5 is 1/4 a step."""
    surface = named_surface("bowl")
    found = walk(surface, METHODS["gd"], 20, 0)
    r = METHODS["gd"].rates.index(0.5)
    np.testing.assert_allclose(found.values[:4, r], surface.value(surface.start[None])[0] * 0.25 ** np.arange(4))
    best = path_of(compare_optimizers(surface, ["gd"], steps=20), "gd")
    assert (best.rate, best.steps, best.end) == (1.0, (1, 1), "arrived")
    assert best.diverging == 5.0  # |1 - 5| > 1; at a rate of 2 it swings for ever


def test_newton_takes_one_step_on_any_quadratic_and_stops_at_the_saddle() -> None:
    for name in ("bowl", "ravine"):
        path = path_of(compare_optimizers(named_surface(name), steps=60), "newton")
        assert (path.rate, path.steps[-1]) == (1.0, 1)
    found = compare_optimizers(named_surface("saddle"), steps=100)
    newton = path_of(found, "newton")
    assert newton.end == "saddle"
    np.testing.assert_allclose(newton.points[-1], [0, 0], atol=1e-9)
    assert path_of(found, "adam").end == "arrived"
    assert path_of(compare_optimizers(named_surface("plateau"), ["newton"]), "newton").end == "flat"


def test_the_nearest_minimum_keeps_who_takes_small_steps() -> None:
    found = compare_optimizers(named_surface("local-minima"), ["gd", "momentum"], steps=300)
    assert {path.end for path in found.paths} == {"minimum"}
    assert all(0.5 < (path.way or 0) < 0.6 for path in found.paths)


def test_conditioning_slows_gradient_descent_and_not_newton() -> None:
    mild = find_surface("x**2 + 2*y**2", [-4.0, 1.0])
    steep = find_surface("x**2 + 200*y**2", [-4.0, 1.0])
    one, other = (compare_optimizers(surface, ["gd", "newton"], steps=700) for surface in (mild, steep))
    assert (path_of(other, "gd").steps[-1] or 0) > 10 * (path_of(one, "gd").steps[-1] or 10**9)
    assert path_of(other, "newton").steps[-1] == 1


def test_what_has_no_bottom_is_told_and_nobody_arrives() -> None:
    found = compare_optimizers(find_surface("x**2 - y**2", [1.0, 0.5]), ["gd", "adam", "newton"], steps=400)
    assert found.lowest is None
    assert path_of(found, "gd").end == "fell"
    assert path_of(found, "newton").end == "saddle"
    assert all(path.way is None and path.steps == (None, None) for path in found.paths)


def test_divergence_at_every_rate_is_told() -> None:
    found = compare_optimizers(find_surface("1e6*x**2 + y**2", [5.0, 1.0]), ["gd"], steps=10)
    path = found.paths[0]
    assert path.end == "diverged"
    assert np.isfinite(path.values).all()
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_start_without_a_number_or_a_slope_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot be gone down from \(-1, 1\)"):
        compare_optimizers(find_surface("log(x) + y", [-1.0, 1.0]))


def test_a_start_at_the_bottom_stays_there() -> None:
    found = compare_optimizers(named_surface("bowl").__class__(**{**vars(named_surface("bowl")), "start": np.zeros(2)}))
    for path in found.paths:
        assert path.method.noisy or float(path.values[-1]) == 0


@pytest.mark.parametrize(
    ("methods", "steps", "said"),
    [
        (["muon"], 10, "no matrix"),
        (["adan"], 10, 'did you mean "adam"'),
        (["gd"], 0, "1 to 20,000"),
        (["gd"], 20_001, "1 to 20,000"),
    ],
)
def test_what_cannot_be_compared_is_told(methods: list[str], steps: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare_optimizers(named_surface("bowl"), methods, steps=steps)


def test_newton_is_left_out_where_nobody_asked_and_refused_where_somebody_did() -> None:
    from chainrule.analysis.surfaces._own import function_surface

    large = function_surface(lambda v: (v**2).sum(), [1.0] * 1001, "large")
    with pytest.raises(UsageError, match="Newton cannot be used"):
        compare_optimizers(large, ["newton"], steps=1)
    found = compare_optimizers(large, steps=2)
    assert "newton" not in [path.method.name for path in found.paths]
    assert "1,001 x 1,001" in found.left_out["newton"]
    with pytest.raises(UsageError, match="do not fit in memory"):
        compare_optimizers(large, steps=5000)


def test_the_page_holds_all_and_runs_only_its_own_scripts() -> None:
    found = [compare_optimizers(named_surface(name), steps=40) for name in SURFACES[:3]]
    page = comparison_page(found, command="chainrule optimizers <b>")
    assert page.count("data-landscape>") == page.count('type="range"') == 3
    assert "<b>" not in page.split("</head>")[1]
    assert page.count("'sha256-") == page.count("<script>") == 2
    table = comparison_table(found[1])
    assert [row[0] for row in table.rows] == [method.label for method in METHODS.values()]


def test_more_dimensions_are_drawn_in_the_plane_of_the_paths() -> None:
    surface = find_surface("x1**2 + 2*x2**2 + 3*x3**2 + x4**2", [1.0, 1.0, 1.0, -1.0])
    picture = landscape_of(compare_optimizers(surface, ["gd", "adam", "newton"], steps=50))
    assert "4 dimensions" in picture.note
    assert picture.heights.shape == (len(picture.y), len(picture.x))
    assert all(np.isfinite(trail.places).all() for trail in picture.trails)
    starts = np.array([trail.places[0] for trail in picture.trails])
    np.testing.assert_allclose(starts, np.broadcast_to(starts[0], starts.shape), atol=1e-12)
