"""Run folders as training leaves them, made up but realistic: of digits, of the plane, of a hand-written loop."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.draw import filter_pictures, png_uri, template_pictures

Writer = Callable[..., Path]

RECIPE = """\
# what the run was made from
format: 1
data: {name: digits, validation: 0.1}
model:
  name: layers
  spec: "INPUT 8x8x1 | CONV3-32 | BN | RELU | POOL2 | FC-10"
loss: {name: softmax}
optim: {name: adamw, lr: 0.004, weight_decay: 0.05}
schedule: {name: cosine, warmup: 0.1}
train: {epochs: 40, batch: 64, seed: 3}
"""


@functools.cache
def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images / 16.0, found.target


def write_files(folder: Path, files: dict[str, Any]) -> Path:
    """Write `{"facts/data.json": data, "metrics.jsonl": [lines], "recipe.yaml": text}`; None leaves a file out."""
    for name, value in files.items():
        if value is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jsonl"):
            path.write_text("".join(json.dumps(line) + "\n" for line in value))
        else:
            path.write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


def learning_curves(steps: int, *, seed: int = 0, every: int = 1, evaluate: int = 25) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        share = step / steps
        loss = 2.3 * np.exp(-7 * share) + 0.12
        epoch = step // evaluate
        if step % every == 0:
            lines.append(
                {
                    "step": step,
                    "epoch": epoch,
                    "part": "train",
                    "loss": round(float(loss * np.exp(0.28 * rng.normal())), 5),
                    "accuracy": round(float(min(1.0, max(0.0, 1 - 0.38 * loss + 0.05 * rng.normal()))), 4),
                    "rate": 0.004 * min(1.0, step / (0.1 * steps)) * 0.5 * (1 + float(np.cos(np.pi * share))),
                    "norm": round(float(3 * loss * np.exp(0.5 * rng.normal())), 4),
                }
            )
        if step % evaluate == 0:
            accuracy = float(min(1.0, 1 - 0.4 * (loss - 0.11) - 0.006 + 0.003 * rng.normal()))
            valid = {"loss": round(float(loss * 0.95 + 0.01 * rng.normal()), 5), "accuracy": round(accuracy, 4)}
            lines.append({"step": step, "epoch": epoch, "part": "valid", **valid})
    return lines


def evaluation(
    classes: list[str], *, part: str, seed: int = 0, pictures: bool = True, each: int = 36
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    size = len(classes)
    confusion = np.diag(rng.integers(each - 4, each + 2, size))
    for _ in range(max(6, size // 2)):
        i, j = rng.integers(0, size, 2)
        confusion[i, j] += int(i != j) * int(rng.integers(1, 3))
    right, truth, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    recall, precision = right / truth, right / np.maximum(predicted, 1)
    images, labels = digits()
    mistakes = []
    for number in range(12):
        index = int(rng.integers(0, len(images)))
        mistakes.append(
            {
                "index": index,
                "truth": int(labels[index]) % size,
                "predicted": (int(labels[index]) % size + 1 + number % (size - 1)) % size,
                "probability": round(float(0.99 - 0.04 * number), 4),
                "loss": round(4.8 - 0.3 * number, 4),
                "picture": png_uri(images[index], scale=7) if pictures else None,
                "source": None,
            }
        )
    return {
        "part": part,
        "count": int(confusion.sum()),
        "accuracy": float(right.sum() / confusion.sum()),
        "loss": 0.0481,
        "classes": classes,
        "confusion": confusion.tolist(),
        "per_class": [
            {"name": name, "count": int(t), "precision": float(p), "recall": float(r), "f1": float(2 * p * r / (p + r))}
            for name, t, p, r in zip(classes, truth, precision, recall, strict=True)
        ],
        "mistakes": mistakes,
    }


def network() -> list[dict[str, Any]]:
    rows = [
        ("conv1", "Conv2d", [32, 8, 8], 288, 18432),
        ("norm1", "BatchNorm2d", [32, 8, 8], 64, None),
        ("act1", "ReLU", [32, 8, 8], 0, None),
        ("conv2", "Conv2d", [64, 8, 8], 18432, 1179648),
        ("norm2", "BatchNorm2d", [64, 8, 8], 128, None),
        ("act2", "ReLU", [64, 8, 8], 0, None),
        ("pool", "MaxPool2d", [64, 4, 4], 0, None),
        ("body.conv3", "Conv2d", [128, 4, 4], 73728, 1179648),
        ("body.act3", "ReLU", [128, 4, 4], 0, None),
        ("head", "Linear", [10], 20490, 20480),
    ]
    keys = ("name", "kind", "output", "parameters", "multiply_adds")
    return [{**dict(zip(keys, row, strict=True)), "depth": str(row[0]).count(".")} for row in rows]


def layers_seen(step: int) -> dict[str, Any]:
    outputs = {"mean": 0.1, "spread": 1.0 + step / 1000, "zeros": 0.5, "silent": 0.0, "gradient": 1e-3 / step}
    moved = {"weight_gradient": 0.2, "update": 1e-2 / step}
    layers = [
        {"name": "conv1", "kind": "Conv2d", **outputs, **moved},
        {"name": "relu1", "kind": "ReLU", **outputs, "silent": 0.75},
        {"name": "fc1", "kind": "Linear", **outputs, **moved, "update": 0.5},
    ]
    return {"step": step, "epoch": 0, "phase": "learn", "norm": 2.0, "norm_after": 1.0, "layers": layers}


def full_files() -> dict[str, Any]:
    """A finished run of a recipe, with every fact."""
    images, labels = digits()
    classes = [str(label) for label in range(10)]
    valid, test = evaluation(classes, part="valid", seed=1, each=18), evaluation(classes, part="test", seed=2)
    filters = np.random.default_rng(0).normal(size=(32, 1, 3, 3))
    short = {
        part: {"accuracy": facts["accuracy"], "loss": facts["loss"]}
        for part, facts in (("valid", valid), ("test", test))
    }
    return {
        "run.json": {
            "format": 1,
            "kind": "recipe",
            "name": "digits-cnn",
            "status": "finished",
            "created": "2026-11-20T14:03:22+00:00",
            "command": "chainrule train digits-cnn --optim.lr 0.004 --train.seed 3",
            "parent": None,
            "environment": {
                "python": "3.11.7",
                "torch": "2.13.0",
                "chainrule": "0.1.0",
                "platform": "Linux-6.1-x86_64",
                "cpu": "Intel Xeon",
                "threads": 2,
                "device": "cpu",
                "deterministic": True,
            },
            "result": {**short, "best_step": 780, "steps": 810, "seconds": 41.7, "suggested_clip_norm": 2.5},
            "parameters": 113130,
            "resumed": 1,
        },
        "recipe.yaml": RECIPE,
        "metrics.jsonl": learning_curves(810),
        "layers.jsonl": [layers_seen(step) for step in range(1, 811, 100)],
        "events.jsonl": [
            {"event": "signal", "signal": 2, "step": 402},
            {"event": "passed over", "checkpoint": "step-000402", "reason": "model.safetensors: block 3 is damaged"},
            {"event": "resumed", "step": 400},
        ],
        "timing.jsonl": [
            {
                "step": 20 * k,
                "seconds": float(k),
                "examples_per_second": 1210 + 30 * float(np.sin(k)),
                "memory": 412_000_000 + 10_000 * k,
            }
            for k in range(1, 41)
        ],
        "facts/evaluation.json": {"valid": valid, "test": test},
        "facts/network.json": network(),
        "facts/data.json": {
            "name": "digits",
            "parts": {"train": 1258, "valid": 179, "test": 360},
            "classes": classes,
            "counts": {"train": [124, 127, 124, 128, 126, 127, 127, 125, 122, 128], "test": [36] * 10},
            "shape": [1, 8, 8],
            "normalization": {"kind": "channel", "mean": [0.3053], "deviation": [0.3763]},
            "augment": {"shift": 1},
            "source": "scikit-learn",
            "licence": "CC BY 4.0",
            "note": "Handwritten digits of 43 people.",
            "samples": [png_uri(images[int(np.flatnonzero(labels == label)[0])], scale=7) for label in range(10)],
        },
        "facts/weights.json": {
            "layer": "conv1",
            "kind": "filters",
            "pictures": [png_uri(picture, scale=21) for picture in filter_pictures(filters)],
            "labels": None,
        },
    }


def linear_files() -> dict[str, Any]:
    """A linear classifier: templates in place of filters."""
    images, labels = digits()
    means = np.stack([images[labels == label].mean(0) - images.mean(0) for label in range(10)])
    files = full_files()
    files["run.json"] = {**files["run.json"], "name": "digits-softmax", "parameters": 650, "resumed": 0}
    files["run.json"]["result"] = {**files["run.json"]["result"], "test": {"accuracy": 0.9611, "loss": 0.141}}
    files["facts/weights.json"] = {
        "layer": "fc",
        "kind": "templates",
        "pictures": [png_uri(picture, scale=8) for picture in template_pictures(means[:, None])],
        "labels": [str(label) for label in range(10)],
    }
    files["recipe.yaml"] = RECIPE.replace("CONV3-32 | BN | RELU | POOL2 | FC-10", "FC-10").replace("0.004", "0.02")
    files["metrics.jsonl"] = learning_curves(810, seed=9)
    files["events.jsonl"] = None
    return files


def plane_files() -> dict[str, Any]:
    """A classifier of the plane: decision regions, mistakes without pictures."""
    rng = np.random.default_rng(4)
    axis = np.linspace(-3, 3, 90)
    x, y = np.meshgrid(axis, axis)
    grid = np.where(y > np.sin(2 * x), 0, np.where(x > 0, 1, 2))
    points = rng.uniform(-3, 3, (300, 2))
    names = ["upper", "right", "left"]
    where = [0 if b > np.sin(2 * a) else 1 if a > 0 else 2 for a, b in points]
    return {
        "run.json": {"format": 1, "kind": "module", "name": "plane", "status": "finished", "result": None},
        "metrics.jsonl": learning_curves(200),
        "facts/evaluation.json": {"valid": evaluation(names, part="valid", pictures=False)},
        "facts/regions.json": {
            "x": axis.tolist(),
            "y": axis.tolist(),
            "grid": grid.tolist(),
            "points": [[float(a), float(b), label] for (a, b), label in zip(points, where, strict=True)],
            "classes": names,
        },
    }


def log_files() -> dict[str, Any]:
    """A hand-written loop: numbers of its own, some not finite, and no facts."""
    rng = np.random.default_rng(5)
    lines = [
        {"step": step, "part": "train", "loss": float(np.exp(step / 40) * rng.uniform(0.8, 1.2)), "my penalty": 0.1}
        for step in range(1, 300)
    ]
    lines += [{"step": step, "part": "train", "loss": "NaN", "my penalty": "Infinity"} for step in range(300, 320)]
    return {
        "run.json": {
            "kind": "log",
            "name": "my loop",
            "status": "failed",
            "created": "2026-11-20T14:03:22",
            "result": None,
        },
        "metrics.jsonl": lines,
    }


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Return a function that writes files into a fresh run folder."""
    counter = iter(range(1000))

    def writer(files: dict[str, Any], name: str | None = None) -> Path:
        return write_files(tmp_path / (name or f"run{next(counter)}"), files)

    return writer


@pytest.fixture
def full() -> dict[str, Any]:
    return full_files()


@pytest.fixture
def linear() -> dict[str, Any]:
    return linear_files()


@pytest.fixture
def plane() -> dict[str, Any]:
    return plane_files()


@pytest.fixture
def loop() -> dict[str, Any]:
    return log_files()


@pytest.fixture
def make_evaluation() -> Callable[..., dict[str, Any]]:
    return evaluation


@pytest.fixture
def make_curves() -> Callable[..., list[dict[str, Any]]]:
    return learning_curves
