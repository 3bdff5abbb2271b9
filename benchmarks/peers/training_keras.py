"""The contestant of `../throughput.py` in Keras 3, run in the peers' environment with KERAS_BACKEND=torch.

python training_keras.py fashion-cnn|resnet18 --images FILE --threads N --skipped N --counted N
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from turns import quiet_output, take_turns


def fashion_cnn() -> Any:
    """Blocks of CONV3 BN RELU CONV3 BN RELU POOL2, the mean over positions, dropout, a linear layer."""
    inputs = x = keras.Input((28, 28, 1))
    for width in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def resnet18() -> Any:
    """ResNet-18 with the stem of small images."""

    def convolution(x: Any, width: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(width, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolution(inputs, 64, 3, 1))
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            body = convolution(layers.ReLU()(convolution(x, width, 3, stride)), width, 3, 1)
            shortcut = convolution(x, width, 1, stride) if stride > 1 else x
            x = layers.ReLU()(layers.Add()([body, shortcut]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


class Times(keras.callbacks.Callback):
    """When each step ended."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.times.append(time.perf_counter())


def main(args: argparse.Namespace) -> None:
    """Get ready and take turns."""
    out = quiet_output()
    torch.set_num_threads(args.threads)
    with np.load(args.images) as kept:
        images, labels = kept["images"], keras.utils.to_categorical(kept["labels"], 10)
    build, batch, smoothing = {"fashion-cnn": (fashion_cnn, 128, 0.1), "resnet18": (resnet18, 16, 0.0)}[args.what]
    model = build()
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
    )

    def turn() -> dict[str, Any]:
        watch = Times()
        model.fit(images, labels, batch_size=batch, epochs=1, callbacks=[watch], verbose=0)
        return {"seconds": float(np.median(np.diff(watch.times)[args.skipped - 1 :]))}

    parameters = int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
    facts = {"version": f"{keras.__version__}, {keras.backend.backend()}", "parameters": parameters}
    take_turns(turn, facts, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fashion-cnn", "resnet18"])
    parser.add_argument("--images", type=Path, required=True)
    for name in ("threads", "skipped", "counted"):
        parser.add_argument(f"--{name}", type=int, required=True)
    main(parser.parse_args())
