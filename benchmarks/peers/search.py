"""One contestant of `../neighbors.py`: ours in our environment, scikit-learn and faiss in that of the peers.

python search.py ours|sklearn|faiss --metric l2|l1 --threads N --queries N -k N --folder FOLDER [--bits8] [--plain]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from turns import quiet_output, take_turns

Search = Callable[[], np.ndarray]
"""-> distances (Q, k), nearest first."""
Index = Callable[[], Search]
"""Takes the points in; what that costs in memory counts."""


def ours(points: np.ndarray, queries: np.ndarray, args: argparse.Namespace) -> tuple[Index, str]:
    """`chainrule.ops.Points`."""
    import torch

    import chainrule
    from chainrule.ops import Points
    from chainrule.ops.neighbors import _manhattan

    torch.set_num_threads(args.threads)
    if args.plain:
        _manhattan.has_fast = lambda: False  # as where numba is not installed
    asked, given = torch.from_numpy(queries), torch.from_numpy(points)
    # what is loaded or compiled at a first call is nobody's time or memory
    Points(given[:64]).nearest(asked[:2], args.k, distance=args.metric)

    def index() -> Search:
        made = Points(given)
        return lambda: made.nearest(asked, args.k, distance=args.metric)[0].numpy()

    return index, chainrule.__version__


def scikit(points: np.ndarray, queries: np.ndarray, args: argparse.Namespace) -> tuple[Index, str]:
    """scikit-learn's brute force."""
    import sklearn
    from sklearn.neighbors import NearestNeighbors

    metric = {"l2": "euclidean", "l1": "manhattan"}[args.metric]

    def index() -> Search:
        made = NearestNeighbors(n_neighbors=args.k, algorithm="brute", metric=metric, n_jobs=args.threads).fit(points)
        return lambda: made.kneighbors(queries)[0]

    return index, sklearn.__version__


def flat(points: np.ndarray, queries: np.ndarray, args: argparse.Namespace) -> tuple[Index, str]:
    """faiss' flat index."""
    import faiss

    faiss.omp_set_num_threads(args.threads)

    def index() -> Search:
        made = faiss.IndexFlat(points.shape[1], {"l2": faiss.METRIC_L2, "l1": faiss.METRIC_L1}[args.metric])
        made.add(points)

        def search() -> np.ndarray:
            near = made.search(queries, args.k)[0]
            return np.sqrt(near) if args.metric == "l2" else near

        return search

    return index, faiss.__version__


def memory(what: str) -> float:
    """Memory of this process in MB: "VmRSS" now, "VmHWM" the most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def forget_peak() -> None:
    """The most memory so far is what there is now."""
    Path("/proc/self/clear_refs").write_text("5")


def main(args: argparse.Namespace) -> None:
    """Get ready, search once, and take turns."""
    out = quiet_output()
    points, queries = (np.load(args.folder / f"{name}.npy") for name in ("points", "queries"))
    queries = queries[: args.queries].copy()
    if not args.bits8:
        points, queries = points.astype(np.float32), queries.astype(np.float32)
    index, version = {"ours": ours, "sklearn": scikit, "faiss": flat}[args.kind](points, queries, args)
    forget_peak()
    before = memory("VmRSS")
    search = index()
    distances = search()
    facts = {
        "version": version,
        "queries": args.queries,
        "memory": round(memory("VmHWM") - before),
        "distances": np.asarray(distances, np.float64)[:50].tolist(),
    }

    def turn() -> dict[str, Any]:
        begun = time.perf_counter()
        search()
        return {"seconds": (time.perf_counter() - begun) * 1000 / args.queries}

    take_turns(turn, facts, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["ours", "sklearn", "faiss"])
    parser.add_argument("--metric", choices=["l2", "l1"], required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--queries", type=int, required=True)
    parser.add_argument("-k", type=int, required=True)
    parser.add_argument("--bits8", action="store_true", help="pixels as they are; float32 otherwise")
    parser.add_argument("--plain", action="store_true", help="without numba")
    main(parser.parse_args())
