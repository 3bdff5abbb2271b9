"""One contestant of `../predict.py`, and what they need: the answers to compare with, and the exported graphs.

    python resnet50.py KIND --folder FOLDER [--batch N] [--threads N] [--seconds S]

"onnx", "onnx-int8" and "export" run in the peers' environment, the other kinds in ours.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from turns import quiet_output, take_turns

SHAPE = (3, 224, 224)
Program = Callable[[Any], Any]


def images(count: int, seed: int = 0) -> np.ndarray:
    """Random images, normalized."""
    return np.random.default_rng(seed).standard_normal((count, *SHAPE), dtype=np.float32)


def network(folder: Path) -> Any:
    """The network with its weights, in evaluation mode."""
    from safetensors.torch import load_file

    from chainrule.models import resnet

    model = resnet(SHAPE, 1000, depth=50)
    model.load_state_dict(load_file(folder / "resnet50.safetensors"))
    return model.eval()


def plain(folder: Path, batch: int, threads: int) -> tuple[Program, Any, dict[str, Any]]:
    """As a newcomer would write it."""
    import torch

    torch.set_num_threads(threads)
    model = network(folder)

    def run(x: Any) -> Any:
        with torch.no_grad():
            return model(x)

    return run, torch.from_numpy(images(batch)), {}


def ours(folder: Path, batch: int, threads: int, *, compile_it: bool = False) -> tuple[Program, Any, dict[str, Any]]:
    """What `chainrule predict` computes with."""
    import torch

    from chainrule.runtime.compiled import missing_compiler
    from chainrule.tasks.images._fast_network import Predictor

    torch.set_num_threads(threads)
    predictor = Predictor(network(folder).to(memory_format=torch.channels_last), compile_it=compile_it).eval()
    x = torch.from_numpy(images(batch)).contiguous(memory_format=torch.channels_last)

    def run(given: Any) -> Any:
        with torch.inference_mode():
            return predictor(given)

    begun = time.perf_counter()
    run(x)
    seconds = round(time.perf_counter() - begun, 2)
    if compile_it and (missing_compiler() is not None or predictor.full != batch):
        raise SystemExit("the network was not compiled")
    return run, x, {"seconds of compiling": seconds} if compile_it else {}


def onnx(folder: Path, batch: int, threads: int, *, file: str) -> tuple[Program, Any, dict[str, Any]]:
    """onnxruntime on an exported graph, optimized as far as it does by itself."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0], images(batch), {"version": onnxruntime.__version__}


def export(folder: Path) -> None:
    """Write the graph, and its quantized form, and tell the versions."""
    import onnxruntime
    import torch
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Few(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"x": image[None]} for image in images(8, seed=1)]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    whole, prepared, small = (str(folder / name) for name in ("whole.onnx", "prepared.onnx", "int8.onnx"))
    any_size = {"x": {0: "n"}, "y": {0: "n"}}
    names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": any_size}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a newer exporter, which needs a further package
        torch.onnx.export(network(folder), (torch.zeros(1, *SHAPE),), whole, dynamo=False, opset_version=17, **names)
    quant_pre_process(whole, prepared)
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(prepared, small, Few(), quant_format=QuantFormat.QDQ, per_channel=True, **kinds)
    print(json.dumps({"onnxruntime": onnxruntime.__version__, "torch (for the export)": torch.__version__}))


def answers(folder: Path) -> None:
    """Keep the plain network's answers to all images that are asked about."""
    run, x, _ = plain(folder, 8, 1)
    np.save(folder / "answers.npy", run(x).numpy())


def contestant(args: argparse.Namespace) -> None:
    """Get ready, compare, and take turns."""
    out = quiet_output()
    kinds: dict[str, Callable[[], tuple[Program, Any, dict[str, Any]]]] = {
        "plain": lambda: plain(args.folder, args.batch, args.threads),
        "ours": lambda: ours(args.folder, args.batch, args.threads),
        "compiled": lambda: ours(args.folder, args.batch, args.threads, compile_it=True),
        "onnx": lambda: onnx(args.folder, args.batch, args.threads, file="whole.onnx"),
        "onnx-int8": lambda: onnx(args.folder, args.batch, args.threads, file="int8.onnx"),
    }
    run, x, facts = kinds[args.kind]()
    wanted = np.load(args.folder / "answers.npy")[: args.batch]
    difference = float(np.abs(np.asarray(run(x)) - wanted).max() / np.abs(wanted).max())

    def turn() -> dict[str, Any]:
        run(x)
        times, begun = [], time.perf_counter()
        while not times or time.perf_counter() - begun < args.seconds:
            start = time.perf_counter()
            run(x)
            times.append(time.perf_counter() - start)
        return {"seconds": float(np.median(times)) / args.batch, "batches": len(times)}

    take_turns(turn, {"difference": float(f"{difference:.2g}"), **facts}, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["plain", "ours", "compiled", "onnx", "onnx-int8", "export", "answers"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    if given.kind in ("export", "answers"):
        (export if given.kind == "export" else answers)(given.folder)
    else:
        contestant(given)
