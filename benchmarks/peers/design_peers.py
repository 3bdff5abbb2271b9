"""What torchinfo and TorchLens count on the twelve networks, as JSON; run by `../design.py` in their environment."""

from __future__ import annotations

import json
import math
import time
import warnings
from typing import Any

import torch
from twelve import TWELVE

warnings.simplefilter("ignore")


def of_torchinfo(network: Any, given: Any) -> dict[str, Any]:
    """Its totals."""
    import torchinfo

    found = torchinfo.summary(network, input_data=given, verbose=0, mode="eval")
    return {"parameters": found.total_params, "multiply_adds": int(found.total_mult_adds)}


def of_torchlens(network: Any, given: Any) -> dict[str, Any]:
    """Its totals, and the field of the output's middle along the last axis."""
    import torchlens

    log = torchlens.trace(network.eval(), given)
    facts: dict[str, Any] = {"parameters": log.num_params, "multiply_adds": log.total_macs_forward}
    layer = log[log.layer_labels[-2]]
    try:
        field = layer.receptive_field
        facts["field"] = str(getattr(field, "size", field))[:120]
    except Exception as error:  # what it raises is what is to be told
        facts["field"] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    return facts


def main() -> None:
    """Print `{network: {peer: facts}}`."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name, (build, given) in TWELVE.items():
        found[name] = {}
        for peer, ask in (("torchinfo", of_torchinfo), ("torchlens", of_torchlens)):
            torch.manual_seed(0)
            begun = time.perf_counter()
            try:
                found[name][peer] = ask(build(), given())
            except Exception as error:  # another package's code can fail in any way
                found[name][peer] = {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"}
            found[name][peer]["seconds"] = round(time.perf_counter() - begun, 3)
    print(json.dumps(found, default=lambda value: None if value is math.nan else str(value)))


if __name__ == "__main__":
    main()
