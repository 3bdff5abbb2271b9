"""Values and gradients of every operation, by `chainrule.backprop` and by TorchLens, on ten networks.

    CHAINRULE_PEERS=FOLDER python benchmarks/trace.py

Operations are matched by function, shape and value, in order. Gradients start from ones at the output. What does not
match is listed with both sides' words. The times are of one call forward and backward, tracing included, the median of
five; each library runs in its own process, one after the other.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measure
import torch
from contestants import PEERS, peers_python
from safetensors.torch import load_file
from torch import Tensor

sys.path.insert(0, str(PEERS))
from traced_networks import NETWORKS, made

from chainrule import backprop
from chainrule.analysis._recorder import name_of

REPEATS = 5
TOLERANCE = 1e-5
"""Relative, for float32 numbers that the same kernels computed in two processes."""


ONLY_THEIRS = {
    "identity": "TorchLens's own mark of a buffer that was changed; no operation",
    "__pow__": "inside of an autograd function's forward: autograd does not see it, so it has no gradient",
}
ONLY_OURS = {"Cubed": "an autograd function as one operation, with the gradient that its own backward pass gives"}
SIBLING = "what a change in place makes of another tensor that looks into the same memory"


def ours(name: str) -> tuple[list[dict[str, Any]], float]:
    """What `chainrule.backprop` says of each operation, and seconds."""
    seconds = []
    for _ in range(REPEATS):
        network, x = made(name)
        start = time.perf_counter()
        trace = backprop(network, x)
        seconds.append(time.perf_counter() - start)
    rows = [
        {"function": o.function, "name": n, "value": trace.value(n), "gradient": trace.gradient(n),
         "why": trace.values[n].why}
        for o in trace.operations
        for n in o.outputs
    ]  # fmt: skip
    return rows, statistics.median(seconds)


def plain(function: str) -> str:
    """A function's name without what tells operator, method and in-place form apart."""
    return name_of(SimpleNamespace(__name__=function.strip("_"))).rstrip("_=")  # type: ignore[arg-type]


def close(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal but for rounding."""
    if first.shape != second.shape or first.dtype != second.dtype or not first.is_floating_point():
        return torch.equal(first, second)
    finite = second[second.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(first, second, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True)


def compared(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """Match operations, and compare the gradients of those that match."""
    left = list(mine)
    agree, with_gradient, differ, unmatched = 0, 0, [], []
    for other in theirs:
        match = next(
            (m for m in left if plain(m["function"]) == plain(other["function"]) and close(m["value"], other["value"])),
            None,
        )
        if match is None:
            unmatched.append({"operation": other["label"], "why": ONLY_THEIRS.get(other["function"], "")})
            continue
        left.remove(match)
        a, b = match["gradient"], other["gradient"]
        if (a is None and b is None) or (a is not None and b is not None and close(a, b)):
            agree, with_gradient = agree + 1, with_gradient + (a is not None)
            continue
        told = [("none" if g is None else f"norm {float(g.norm()):.4g}") for g in (a, b)]
        differ.append({"operation": match["name"], "ours": told[0], "torchlens": told[1], "ours says": match["why"]})
    return {
        "results that agree in value and gradient": agree,
        "of them with a gradient": with_gradient,
        "gradients that differ": differ,
        "only TorchLens": unmatched,
        "only ours": [
            {"result": r["name"], "why": SIBLING if "[" in r["name"] else ONLY_OURS.get(r["function"], "")}
            for r in left
        ],
    }


def main() -> None:
    """Run both and write `results/trace.json`."""
    measure.begin()
    torch.set_num_threads(1)
    python = peers_python()
    if python is None:
        sys.exit(1)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([str(python), str(PEERS / "torchlens_traces.py"), folder], check=True, env=environment)
        theirs = json.loads((Path(folder) / "told.json").read_text())
        tensors = load_file(Path(folder) / "tensors.safetensors")
    for name in NETWORKS:
        for number, operation in enumerate(theirs[name].get("operations", [])):
            operation |= {part: tensors.get(f"{name}/{number}/{part}") for part in ("value", "gradient")}
    networks = {}
    for name in NETWORKS:
        rows, seconds = ours(name)
        other = theirs[name]
        found = {"torchlens": other["error"]} if "error" in other else compared(rows, other["operations"])
        networks[name] = {
            **found,
            "seconds": {"ours": round(seconds, 4), "torchlens": round(other.get("seconds", 0), 4)},
        }
    total = sum(each.get("results that agree in value and gradient", 0) for each in networks.values())
    graded = sum(each.get("of them with a gradient", 0) for each in networks.values())
    differ = sum(len(each.get("gradients that differ", [])) for each in networks.values())
    measure.write(
        "trace",
        {
            "command": "python benchmarks/trace.py",
            "torchlens": theirs["version"],
            "results that agree in value and gradient": total,
            "of them with a gradient": graded,
            "gradients that differ": differ,
            "networks": networks,
        },
    )


if __name__ == "__main__":
    main()
