"""The contestant of `../language.py` in Keras 3, run in the peers' environment with KERAS_BACKEND=torch or jax.

python language_keras.py lstm-256|lstm-512 --tokens FILE --threads N --skipped N --counted N
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from language_sizes import DECAY, EMBEDDING, LANES, LAYERS, NORM, PIECE, RATE, UNITS, lanes
from turns import quiet_output, take_turns


def network(vocabulary: int, units: int) -> Any:
    """Embedding, LSTMs that begin each piece at zero (stateful ones cannot be trained on the torch backend), scores."""
    inputs = keras.Input(batch_shape=(LANES, PIECE), dtype="int32")
    x = layers.Embedding(vocabulary, EMBEDDING)(inputs)
    for _ in range(LAYERS):
        x = layers.LSTM(units, return_sequences=True)(x)
    return keras.Model(inputs, layers.Dense(vocabulary)(x))


class Times(keras.callbacks.Callback):
    """When each step ended; asking for its loss waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        float((logs or {}).get("loss", 0.0))
        self.times.append(time.perf_counter())


def main(args: argparse.Namespace) -> None:
    """Get ready and take turns."""
    out = quiet_output()
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(args.threads)
    with np.load(args.tokens) as kept:
        pieces = list(islice(lanes(kept["tokens"]), args.skipped + args.counted))
        vocabulary = int(kept["vocabulary"])
    inputs, targets = (np.concatenate(part).astype("int32") for part in zip(*pieces))
    model = network(vocabulary, UNITS[args.what])
    model.compile(
        optimizer=keras.optimizers.AdamW(RATE, weight_decay=DECAY, global_clipnorm=NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def turn() -> dict[str, Any]:
        watch = Times()
        model.fit(inputs, targets, batch_size=LANES, epochs=1, shuffle=False, callbacks=[watch], verbose=0)
        return {"seconds": float(np.median(np.diff(watch.times)[args.skipped - 1 :]))}

    parameters = int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
    facts = {"version": f"{keras.__version__}, {keras.backend.backend()}", "parameters": parameters}
    take_turns(turn, facts, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=list(UNITS))
    parser.add_argument("--tokens", type=Path, required=True)
    for name in ("threads", "skipped", "counted"):
        parser.add_argument(f"--{name}", type=int, required=True)
    main(parser.parse_args())
