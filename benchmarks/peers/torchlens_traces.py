"""TorchLens on the ten networks: what it says of each operation, and how long it takes, into the folder that is named.

`told.json` has the words, `tensors.safetensors` the numbers, as NETWORK/OPERATION/value or gradient.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torchlens
from safetensors.torch import save_file
from torch import Tensor, nn
from traced_networks import NETWORKS, made

REPEATS = 5


def traced(network: nn.Module, x: Tensor) -> list[dict[str, Any]]:
    """One call forward and backward; each operation's function, result and gradient."""
    log = torchlens.trace(network, x, capture=torchlens.options.CaptureOptions(save_grads=True))
    log.log_backward(log[log.output_layers[0]].out.sum())
    return [
        {"function": op.func_name, "label": op.layer_label, "value": op.out, "gradient": op.grad}
        for op in log.layer_list
        if op.func_name not in (None, "none")
    ]


def main(folder: str) -> None:
    """Trace all networks."""
    torch.set_num_threads(1)
    told: dict[str, Any] = {"version": torchlens.__version__}
    tensors: dict[str, Tensor] = {}
    for name in NETWORKS:
        seconds = []
        try:
            for _ in range(REPEATS):
                network, x = made(name)
                x.requires_grad_()
                start = time.perf_counter()
                operations = traced(network, x)
                seconds.append(time.perf_counter() - start)
        except Exception as error:
            told[name] = {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
            continue
        words = [{"function": operation["function"], "label": operation["label"]} for operation in operations]
        told[name] = {"operations": words, "seconds": statistics.median(seconds)}
        for number, operation in enumerate(operations):
            for part in ("value", "gradient"):
                if isinstance(operation[part], Tensor):
                    tensors[f"{name}/{number}/{part}"] = operation[part].detach().clone().contiguous()
    save_file(tensors, Path(folder) / "tensors.safetensors")
    (Path(folder) / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
