"""Whether the table of a network is right: against torch's flop counter and gradients on random networks, beside peers.

Run: `python benchmarks/design.py [--busy]`. Peers are asked in their own environment (`peers/README.md`).
"""

from __future__ import annotations

import copy
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from measure import begin, write
from random_networks import measured_field, random_network
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chainrule.analysis.design import design_network

PEERS = Path(__file__).parent / "peers"
NETWORKS, UNITS = 1_000, 2


def on_random_networks(count: int = NETWORKS) -> dict[str, Any]:
    """Networks whose multiply-adds, parameters or fields differ from what torch measures."""
    wrong: dict[str, list[int]] = {"multiply_adds": [], "parameters": [], "fields": []}
    units = 0
    for seed in range(count):
        network = random_network(seed)
        image, draw = torch.zeros(1, *network.shape), random.Random(seed)
        found = design_network(network, [image])
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(image)
        if counter.get_total_flops() != 2 * found.multiply_adds:
            wrong["multiply_adds"].append(seed)
        if found.parameters != sum(p.numel() for p in network.parameters()):
            wrong["parameters"].append(seed)
        output = found.output
        assert output is not None
        for _ in range(UNITS):
            unit = (draw.randrange(output[1]), draw.randrange(output[2]), draw.randrange(output[3]))
            units += 1
            if seen(found, unit) != measured_field(network, unit, seed) and seed not in wrong["fields"]:
                wrong["fields"].append(seed)
    return {"networks": count, "units measured": units, "wrong": wrong}


def seen(found: Any, unit: tuple[int, int, int]) -> tuple[Any, Any]:
    """First and last row, and column, that the table says one unit of the output sees."""
    ends = []
    for sights in found.sights.wide:
        low, high = sights[found.tape.outputs[0]].full(found.output)
        first, last = float(low[(0, *unit)]), float(high[(0, *unit)])
        ends.append((int(first), int(last)) if last >= first else None)
    return (ends[0], ends[1]) if None not in ends else (None, None)


def beside_peers() -> dict[str, Any]:
    """The twelve networks: ours, what the sum over `parameters()` and torch's flop counter say, and the peers."""
    sys.path.insert(0, str(PEERS))
    from twelve import TWELVE

    folder = Path(os.environ.get("CHAINRULE_PEERS", PEERS / ".venv"))
    peers: dict[str, Any] = {}
    if (folder / "bin" / "python").exists():
        done = subprocess.run(
            [folder / "bin" / "python", PEERS / "design_peers.py"], capture_output=True, text=True, check=True
        )
        peers = json.loads(done.stdout.splitlines()[-1])
    table: dict[str, Any] = {}
    for name, (build, given) in TWELVE.items():
        torch.manual_seed(0)
        network, value = build().eval(), given()
        begun = time.perf_counter()
        found = design_network(network, [value])
        seconds = round(time.perf_counter() - begun, 3)
        torch._C._set_mkldnn_enabled(False)  # torch's counter does not know its fused recurrences
        torch.backends.mha.set_fastpath_enabled(False)
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            network(value)
        torch._C._set_mkldnn_enabled(True)
        torch.backends.mha.set_fastpath_enabled(True)
        last = found.last
        ours = {
            "parameters": found.parameters,
            "multiply_adds": found.multiply_adds,
            "field": [view.size for view in last.views] if last else None,
            "seconds": seconds,
        }
        judge = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "multiply_adds": counter.get_total_flops() // 2,
            "field": reached(network, value),
        }
        table[name] = {"judge": judge, "chainrule": ours, **peers.get(name, {})}
    right = {
        who: {
            what: sum(row.get(who, {}).get(what) == row["judge"][what] for row in table.values())
            for what in ("parameters", "multiply_adds")
        }
        for who in ("chainrule", *next(iter(peers.values()), {}))
    }
    return {"right of twelve": right, "networks": table}


def reached(network: torch.nn.Module, value: torch.Tensor) -> list[int] | None:
    """The widest part of the input that gradients of units in the middle reach, with positive weights in float64."""
    if not value.is_floating_point() or any(
        isinstance(m, (torch.nn.RNNBase, torch.nn.LayerNorm)) for m in network.modules()
    ):
        return None
    smooth = copy.deepcopy(network).double()
    with torch.no_grad():
        for parameter in smooth.parameters():
            parameter.abs_().add_(0.1)
    given = value.double().abs().requires_grad_(True)
    output = smooth(given)
    if (
        output.dim() != given.dim()
        or output.dim() < 3
        or any(isinstance(m, torch.nn.MaxPool2d) for m in network.modules())
    ):
        return None
    axes, middle = range(2, given.dim()), [size // 2 for size in output.shape[2:]]
    widest = [0] * len(axes)
    for shift in range(4):
        (gradient,) = torch.autograd.grad(output[(0, 0, *(m + shift for m in middle))], given, retain_graph=True)
        for n, axis in enumerate(axes):
            places = gradient.abs().sum([a for a in range(given.dim()) if a != axis]).nonzero()[:, 0]
            widest[n] = max(widest[n], int(places[-1] - places[0]) + 1)
    return widest


def resnet152() -> dict[str, Any]:
    """Seconds of fresh processes that build ResNet-152 and make its table, beyond the import of torch."""
    code = (
        "import time, torch; torch.set_num_threads(1); busy = time.process_time(); begun = time.perf_counter();"
        "from chainrule.analysis.design.known import known_network;"
        "from chainrule.analysis.design import design_network;"
        "known = known_network('resnet152'); design_network(known.network, [torch.zeros(1, *known.shape)]);"
        "print(time.perf_counter() - begun, time.process_time() - busy)"
    )
    pairs = [[float(word) for word in _said(code).split()] for _ in range(5)]
    wall, busy = zip(*pairs)
    return {
        "median seconds of 5 processes": round(statistics.median(wall), 3),
        "median processor seconds": round(statistics.median(busy), 3),
        "seconds": wall,
    }


def _said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    time_of = resnet152()
    graphs = on_random_networks()
    facts = {
        "what": "tables of networks: right against torch, beside peers; ResNet-152",
        "command": "python benchmarks/design.py",
        "ResNet-152 beyond importing torch": time_of,
        "random networks": graphs,
        "twelve networks": beside_peers(),
        "differences": DIFFERENCES,
    }
    write("design", facts)


DIFFERENCES = {
    "judge": "parameters(): each parameter once; torch.utils.flop_counter with fused recurrences and attention off, "
    "halved; it counts convolutions and matrix products, no biases, as chainrule does",
    "torchinfo": "counts a bias as a multiply-add, a transposed convolution by its output, of linear layers and "
    "embeddings their parameters, and nothing outside of modules; a matrix shared by two modules twice; parameters "
    "that are not in a module of torch's are no multiply-adds to it",
    "torchlens": "counts a fused recurrence as 0; behind transposed convolutions and upsampling its fields are larger "
    "than what gradients reach; behind an identity in a skip it has none; of a vector it tells none",
}
"""What the figures of peers count otherwise, in words; the page of the results says more."""


if __name__ == "__main__":
    begin()
    main()
