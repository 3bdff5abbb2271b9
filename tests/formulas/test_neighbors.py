"""Nearest neighbors: distances by other means, votes by their rules."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial
from scipy.spatial import distance as scipy_distance

from chainrule import formulas as f


def test_distances_are_scipys(rng) -> None:
    for size in (1, 2, 7, 50):
        a, b = rng.standard_normal((2, size))
        assert f.l1_distance(a, b) == pytest.approx(scipy_distance.cityblock(a, b), rel=1e-12)
        assert f.l2_distance(a, b) == pytest.approx(scipy_distance.euclidean(a, b), rel=1e-12)


@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_neighbors_are_those_of_a_tree(rng, name: str, power: int) -> None:
    points = rng.standard_normal((80, 5))
    tree = scipy.spatial.KDTree(points)
    for x in rng.standard_normal((10, 5)):
        wanted_distances, wanted = tree.query(x, k=7, p=power)
        distances, index = f.nearest_neighbors(x, points, 7, name)
        np.testing.assert_allclose(distances, wanted_distances, rtol=1e-12)
        np.testing.assert_array_equal(index, wanted)


def test_turning_the_axes_changes_l1_alone(rng) -> None:
    a, b = rng.standard_normal((2, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert f.l2_distance(turn @ a, turn @ b) == pytest.approx(f.l2_distance(a, b), rel=1e-12)
    assert f.l1_distance(turn @ a, turn @ b) != pytest.approx(f.l1_distance(a, b), rel=1e-3)


def test_of_equally_near_points_the_first_comes_first() -> None:
    points = np.array([[2.0], [1.0], [-1.0], [1.0], [0.0]])
    np.testing.assert_array_equal(f.nearest_neighbors(np.zeros(1), points, 5)[1], [4, 1, 2, 3, 0])


def test_each_training_example_is_its_own_nearest_neighbor(rng) -> None:
    points = rng.standard_normal((30, 4))
    assert [int(f.nearest_neighbors(x, points, 1)[1][0]) for x in points] == list(range(30))


@pytest.mark.parametrize(
    ("labels", "winner"),
    [([1], 1), ([0, 1, 1], 1), ([0, 1], 0), ([1, 0], 1), ([2, 0, 0, 2, 1], 2), ([0, 2, 2, 0, 1], 0), ([1, 2, 0], 1)],
)
def test_votes(labels: list[int], winner: int) -> None:
    assert f.majority_vote(np.array(labels), 3) == winner
