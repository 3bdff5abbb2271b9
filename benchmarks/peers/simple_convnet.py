"""Keras' "Simple MNIST convnet" written in plain PyTorch, 12 epochs on Fashion-MNIST: what a newcomer would write.

    python simple_convnet.py FOLDER     FOLDER holds train-images-idx3-ubyte.gz and the other three files

Prints the test accuracy. https://keras.io/examples/vision/mnist_convnet: CONV3-32, ReLU, POOL2, CONV3-64, ReLU, POOL2,
dropout 0.5, softmax; Adam, batch 128, pixels over 255. Batches come from a DataLoader over a TensorDataset.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def read(path: Path, start: int) -> np.ndarray:
    """The bytes behind the header of an IDX file."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8, offset=start)


def part(folder: Path, name: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) in 0..1 and classes."""
    images = read(folder / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    return torch.from_numpy(images), torch.from_numpy(read(folder / f"{name}-labels-idx1-ubyte.gz", 8).astype(np.int64))


def main(folder: Path, epochs: int = 12) -> None:
    """Train and print the accuracy on the test part."""
    torch.manual_seed(0)
    images, classes = part(folder, "train")
    loader = DataLoader(TensorDataset(images, classes), batch_size=128, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(1600, 10),
    )
    optimizer, criterion = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
    model.eval()
    test, truth = part(folder, "t10k")
    with torch.inference_mode():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in zip(test.split(500), truth.split(500)))
    print(right / len(truth))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
