"""What several results have in common: mean and deviation of each number."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def spread(results: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Return mean, deviation, smallest and largest of each metric that all of at least two results have.

    deviation^2 = sum_i (v_i - mean)^2 / (n - 1), that of a sample.

    Returns:
        Metric -> `{"mean", "deviation", "minimum", "maximum", "values"}`; empty for fewer than two results.

    Example:
        >>> spread([{"accuracy": 0.8}, {"accuracy": 1.0, "loss": 2.0}])["accuracy"]["mean"]
        0.9
    """
    found = {}
    for metric in sorted(set.intersection(*(set(result) for result in results)) if len(results) > 1 else set()):
        values = [result[metric] for result in results]
        found[metric] = {
            "mean": statistics.fmean(values),
            "deviation": statistics.stdev(values),
            "minimum": min(values),
            "maximum": max(values),
            "values": values,
        }
    return found
