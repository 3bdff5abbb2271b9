"""What exporting a run costs and brings: agreement, accuracy of int8, sizes, milliseconds for 1 and 32 inputs.

    python benchmarks/export.py RUN ... [--threads N] [--busy]

Each run, of any task that becomes a graph, is exported to torch-export and to onnx with int8 (`chainrule.export`), and
compared on 100 inputs of its validation part; the accuracy in float32 and int8 is that of the whole validation part.
Then 1 and 32 of these inputs are answered in turns:

- the run: preprocessing, network, softmax, by the code of its task, in inference mode;
- the run, compiled: the same by torch.compile, but for recurrent networks, where a compiler is found;
- torch.export: the graph of `model.pt2`;
- onnxruntime: `model.onnx`, and int8: `model.int8.onnx`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import begin, write
from torch import Tensor

import chainrule
from chainrule.exporting._graph import TOGETHER, batches, graph_of
from chainrule.exporting._onnx import NAME, SMALL, opened
from chainrule.exporting._recurrent import ScanDirection
from chainrule.exporting._torch_export import quiet
from chainrule.runtime.compiled import compiled
from chainrule.runtime.environment import set_threads
from chainrule.tasks import Run

TURNS, SECONDS = 7, 0.3
"""How often each takes its turn, and how long one lasts."""


def seconds_each(call: Callable[[Tensor], Any], given: Tensor) -> float:
    """Mean seconds of a call in one turn."""
    begun, number = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        call(given)
        number += 1
    return (time.perf_counter() - begun) / number


def contest(run: Run, folder: Path, threads: int) -> dict[str, dict[str, float]]:
    """Let all answer the same inputs; milliseconds of a call, by the number of inputs."""
    model = run.model()
    graph = graph_of(run, model, "benchmark")
    with quiet():
        program = torch.export.load(str(folder / "torch-export" / "model.pt2")).module()
    makers: dict[str, Callable[[Tensor], Any]] = {
        "the run": graph.answers,
        "torch.export": program,
        "onnxruntime": opened(folder / "onnx" / NAME, threads),
        "onnxruntime, int8": opened(folder / "onnx" / SMALL, threads),
    }
    recurrent = any(isinstance(part, torch.nn.RNNBase) for part in model.modules())
    found = {}
    whole, _ = next(batches(graph.examples("valid"), TOGETHER))
    for given in (whole[:1], whole):
        with torch.inference_mode():
            quick = None if recurrent else compiled(graph.network(ScanDirection), given)
            running = makers if quick is None else {**makers, "the run, compiled": quick}
            taken: dict[str, list[float]] = {name: [] for name in running}
            for call in running.values():
                call(given)
            for _ in range(TURNS):
                for name, call in running.items():
                    taken[name].append(seconds_each(call, given))
        found[f"batch {len(given)}"] = {name: round(1000 * statistics.median(one), 3) for name, one in taken.items()}
    return found


def measured(path: str, threads: int) -> dict[str, Any]:
    """Export a run in both forms, and measure it."""
    run = Run.open(path)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        graph = chainrule.export(path, "torch-export", out=folder / "torch-export")
        onnx = chainrule.export(path, "onnx", out=folder / "onnx", quantization="int8")
        facts = onnx.outcome.facts["int8"]
        float32, int8 = facts["right"]
        return {
            "task": run.recipe.task,
            "model": run.recipe.model.name,
            "torch.export": graph.outcome.facts["compared"],
            "onnxruntime": onnx.outcome.facts["compared"],
            "onnxruntime, int8": {"how": facts["how"], **facts["agreement"]},
            "validation part": {"float32": float32, "int8": int8},
            "bytes": {
                "model.pt2": (folder / "torch-export" / "model.pt2").stat().st_size,
                NAME: facts["bytes"][0],
                SMALL: facts["bytes"][1],
            },
            "milliseconds": contest(run, folder, threads),
        }


def main(runs: list[str], threads: int) -> None:
    """Measure and write."""
    set_threads(threads)
    found = {"-".join(Path(path).parts[-2:] if "seed" in path else Path(path).parts[-1:]): path for path in runs}
    what = f"runs as graphs, {threads} thread{'' if threads == 1 else 's'}; medians of {TURNS} turns of {SECONDS:g} s"
    write("export", {"what": what, "runs": {name: measured(path, threads) for name, path in found.items()}})


if __name__ == "__main__":
    words = begin()
    count = int(words.pop(words.index("--threads") + 1)) if "--threads" in words else 1
    main([word for word in words if word != "--threads"], count)
