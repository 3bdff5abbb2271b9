"""The fresh process of check 4: build a network by name, load its weights, write its outputs down."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from chainrule.core.registry import Entry, Registry
from chainrule.core.store import write_file
from chainrule.models._fitted import Fitted
from chainrule.runtime.weights import load_weights, read_weights, to_bytes


def answer(folder: Path) -> None:
    """Read `plan.json`, `weights.safetensors` and `inputs.safetensors` of a folder; write `outputs.safetensors`.

    Args:
        folder: `plan.json` holds {"target": "module:function", "options", "threads"} and, where the function asks for
            them, "shape" and "classes". The target is the one that the calling process had imported.
    """
    plan = json.loads((folder / "plan.json").read_bytes())
    torch.set_num_threads(plan["threads"])
    build = Registry("network", [("it", Entry(plan["target"]))]).resolve("it")
    given = (tuple(plan["shape"]), plan["classes"]) if "shape" in plan else ()
    network = build(*given, **plan["options"])
    weights = read_weights(folder / "weights.safetensors")
    if isinstance(network, Fitted):
        network.make_room(weights)
    load_weights(network, weights)
    with torch.no_grad():
        scores = network.eval()(read_weights(folder / "inputs.safetensors")["x"])
    write_file(folder / "outputs.safetensors", to_bytes({"scores": scores}))


if __name__ == "__main__":
    answer(Path(sys.argv[1]))
