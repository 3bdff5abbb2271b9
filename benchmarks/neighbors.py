"""Exact nearest neighbors, 1,000 queries among 50,000 points of 3,072 numbers: ours, scikit-learn, faiss.

    CHAINRULE_DATA=... python benchmarks/neighbors.py [TURNS] [THREADS] [--l1] [--busy]

The pixels of CIFAR-10 (its lossy form): queries from the test part, points from the training part, k = 5. The same
threads for all; each contestant has a process of its own and a turn is one search. L1 takes minutes: there ours is also
measured without numba, and all but ours with numba answer fewer queries, whose time is scaled up; how many is said.

Every contestant's neighbors are compared with those of the first; the share of queries with the same five distances is
written down. Memory is what a process has at most while it takes the points in and searches for the first time, beyond
what it had with the arrays loaded (Linux).
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants import PEERS, Contestant, median_seconds, peers_python, seconds_in_turns
from measure import begin, write

from chainrule.data.cifar10_jpeg import cifar10_jpeg

QUERIES, K = 1_000, 5
FEW = {"ours, 8 bits, without numba": 100, "ours, float32, without numba": 100, "scikit-learn": 50, "faiss": 200}
"""Queries of a turn where L1 takes long."""


def keep_pixels(place: Path) -> tuple[int, int]:
    """Write points and queries for all contestants; return the shape of the points."""
    data = cifar10_jpeg()
    assert data.test is not None
    for name, index in (("points", data.train), ("queries", data.test[:QUERIES])):
        np.save(place / f"{name}.npy", data.pictures.read(torch.as_tensor(index)).flatten(1).numpy())
    count = len(data.train)
    return count, int(np.prod(data.shape))


def contestants(metric: str, threads: int, place: Path) -> dict[str, Any]:
    """Name -> what starts it."""

    def one(name: str, kind: str, *words: str, python: Path | None = None) -> Any:
        few = FEW.get(name, QUERIES) if metric == "l1" else QUERIES
        given = [kind, "--metric", metric, "--threads", str(threads), "--queries", str(few), "-k", str(K), *words]
        return partial(
            Contestant, [PEERS / "search.py", *given, "--folder", place], threads, python=python,
            environment={"NUMBA_NUM_THREADS": str(threads)},
        )  # fmt: skip

    found = {"ours, 8 bits": one("ours, 8 bits", "ours", "--bits8"), "ours, float32": one("ours, float32", "ours")}
    if metric == "l1":
        for name, words in (("ours, 8 bits, without numba", ["--bits8"]), ("ours, float32, without numba", [])):
            found[name] = one(name, "ours", *words, "--plain")
    if (python := peers_python()) is not None:
        found |= {
            name: one(name, kind, python=python) for name, kind in (("scikit-learn", "sklearn"), ("faiss", "faiss"))
        }
    return found


def main(turns: int, threads: int, metric: str) -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as folder:
        count, size = keep_pixels(Path(folder))
        taken, facts = seconds_in_turns(contestants(metric, threads, Path(folder)), turns)
    seconds = median_seconds(taken)
    first = next(iter(taken))
    write(
        f"neighbors-{metric}",
        {
            "what": f"{QUERIES} queries, {count} x {size}, k = {K}, {threads} threads; medians of {turns} turns",
            "seconds": seconds,
            "queries of a turn": {name: found["queries"] for name, found in facts.items()},
            **{
                f"{peer} over {own}": round(seconds[peer] / seconds[own], 2)
                for peer in ("scikit-learn", "faiss")
                for own in seconds
                if peer in seconds and own.startswith("ours")
            },
            "memory beyond the arrays, MB": {name: found["memory"] for name, found in facts.items()},
            "queries with the same distances": {name: agreement(facts, name, first) for name in facts},
            "versions": {name: found["version"] for name, found in facts.items() if "version" in found},
        },
    )


def agreement(facts: dict[str, dict[str, Any]], name: str, first: str) -> float:
    """The share of queries whose distances are those of the first contestant, to 1e-3 of them."""
    mine, theirs = (np.array(facts[one]["distances"]) for one in (name, first))
    both = min(len(mine), len(theirs))
    return float(np.isclose(mine[:both], theirs[:both], rtol=1e-3).all(1).mean())


if __name__ == "__main__":
    words = begin()
    given = [int(word) for word in words if not word.startswith("--")]
    main(*(given + [5, 2][len(given) :]), "l1" if "--l1" in sys.argv else "l2")
