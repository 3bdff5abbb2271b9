"""k nearest neighbors: nothing is learned; the training set answers."""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Labels


def l1_distance(a: Array, b: Array) -> float:
    """d(a, b) = sum |a - b|: depends on the axes, as each coordinate counts by itself.

    Example:
        >>> l1_distance(np.array([1.0, 2.0]), np.array([4.0, -2.0]))
        7.0

    Source:
        LECTURES A2.
    """
    return float(np.abs(a - b).sum())


def l2_distance(a: Array, b: Array) -> float:
    """d(a, b) = sqrt(sum (a - b)^2): the same however the axes are turned.

    Example:
        >>> l2_distance(np.array([1.0, 2.0]), np.array([4.0, -2.0]))
        5.0

    Source:
        LECTURES A2.
    """
    return float(np.sqrt(((a - b) ** 2).sum()))


def nearest_neighbors(x: Array, points: Array, k: int, distance: str = "l2") -> tuple[Array, Labels]:
    """The k points that are nearest to x, the nearest first; of equally near ones the first comes first.

    Args:
        x: One query, (D,).
        points: The training set, (N, D).
        k: How many.
        distance: "l1" or "l2".

    Returns:
        Distances (k,) and positions (k,).

    Example:
        >>> distances, index = nearest_neighbors(np.zeros(2), np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]]), 2)
        >>> print(distances, index)
        [1. 1.] [1 2]

    Source:
        LECTURES A2.
    """
    measure = {"l1": l1_distance, "l2": l2_distance}[distance]
    distances = np.array([measure(x, point) for point in points])
    order = np.argsort(distances, kind="stable")[:k]
    return distances[order], order


def majority_vote(labels: Labels, K: int) -> int:
    """The class that most of the neighbors have; among equals, the class of the nearest member.

    Args:
        labels: Classes of the neighbors, the nearest first, (k,).
        K: Number of classes.

    Example:
        >>> majority_vote(np.array([2, 0, 0, 2, 1]), 3)
        2

    Source:
        LECTURES A2.
    """
    votes = np.bincount(labels, minlength=K)
    winners = np.flatnonzero(votes == votes.max())
    return int(next(label for label in labels if label in winners))
