"""Images a second of ResNet-50 at 224x224: plain PyTorch, ours by default, ours compiled, onnxruntime.

    python benchmarks/predict.py [TURNS] [THREADS] [SECONDS] [--busy]

Random weights and random images, batches of 1 and 8. Each contestant has a process of its own; a turn is as many
batches as fit into SECONDS. All are checked against the plain network's answers.

- plain PyTorch: the network as it is, `torch.no_grad()`, channels first;
- ours: what `chainrule predict` does: batch norms folded, channels last;
- ours, compiled: with `--compile`; an empty cache, so that the seconds of compiling are those of a first time;
- onnxruntime: the folded graph as it optimizes it by itself, float32, and int8 (static quantization, QDQ, weights by
  channel, calibrated on eight images), which changes the answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from contestants import PEERS, Contestant, median_seconds, peers_python, seconds_in_turns
from measure import begin, write
from safetensors.torch import save_file

HERE = Path(__file__).parent
BATCHES = (1, 8)
SCRIPT = PEERS / "resnet50.py"


def weights(place: Path) -> Path:
    """ResNet-50 with random weights, its norms as after some training."""
    import torch

    from chainrule.models import resnet

    torch.manual_seed(0)
    model = resnet((3, 224, 224), 1000, depth=50)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    save_file(model.state_dict(), place / "resnet50.safetensors")
    return place / "resnet50.safetensors"


def contest(batch: int, turns: int, threads: int, seconds: float, place: Path, python: Path | None) -> dict[str, Any]:
    """Let all take turns with one size of batch."""
    words = ["--batch", str(batch), "--threads", str(threads), "--seconds", str(seconds), "--folder", str(place)]
    cache = {"TORCHINDUCTOR_CACHE_DIR": tempfile.mkdtemp(dir=place)}
    makers: dict[str, Any] = {
        "plain PyTorch": partial(Contestant, [SCRIPT, "plain", *words], threads),
        "ours": partial(Contestant, [SCRIPT, "ours", *words], threads),
        "ours, compiled": partial(Contestant, [SCRIPT, "compiled", *words], threads, environment=cache),
    }
    if python is not None:
        for name, kind in {"onnxruntime": "onnx", "onnxruntime, int8": "onnx-int8"}.items():
            makers[name] = partial(Contestant, [SCRIPT, kind, *words], threads, python=python)
    taken, facts = seconds_in_turns(makers, turns)
    each = median_seconds(taken)
    rates = {name: round(1 / per_image, 2) for name, per_image in each.items()}
    compiling = facts["ours, compiled"]["seconds of compiling"]
    saved = each["ours"] - each["ours, compiled"]
    return {
        "images a second": rates,
        "ours over plain PyTorch": round(rates["ours"] / rates["plain PyTorch"], 3),
        "ours, compiled over plain PyTorch": round(rates["ours, compiled"] / rates["plain PyTorch"], 3),
        **{
            f"ours, compiled over {name}": round(rates["ours, compiled"] / rates[name], 3)
            for name in rates
            if name.startswith("onnx")
        },
        "seconds of compiling": compiling,
        "images until compiling pays": round(compiling / saved) if saved > 0 else None,
        "largest difference from plain PyTorch, as a share": {
            name: found["difference"] for name, found in facts.items()
        },
    }


def main(turns: int, threads: int, seconds: float) -> None:
    """Measure and write."""
    python = peers_python()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights(place)
        subprocess.run([sys.executable, str(SCRIPT), "answers", "--folder", folder], check=True)
        versions = {}
        if python is not None:
            told = subprocess.run(
                [str(python), str(SCRIPT), "export", "--folder", folder],
                check=True,
                capture_output=True,
                text=True,
                env={"PYTHONPATH": f"{PEERS}:{HERE.parent / 'src'}"},
            ).stdout
            versions = json.loads(told.splitlines()[-1])
        found = {
            f"batch {batch}": contest(batch, turns, threads, seconds, place, python)
            for batch in BATCHES
        }  # fmt: skip
    what = f"ResNet-50, 224x224, random weights, {threads} threads; medians of {turns} turns of {seconds:g} s"
    write("predict", {"what": what, "peers": versions, **found})


if __name__ == "__main__":
    given = [float(word) for word in begin()]
    turns, threads, seconds = given + [5, 2, 4][len(given) :]
    main(int(turns), int(threads), seconds)
