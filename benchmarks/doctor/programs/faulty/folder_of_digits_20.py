"""Pictures in a folder (made here in a temporary one) and a table with one label per line: read, train, validate."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn


def make_folder(folder):
    digits = load_digits()
    for number, image in enumerate(digits.images):
        Image.fromarray((image * 15.9).astype(np.uint8)).save(folder / f"digit_{number}.png")
    (folder / "labels.txt").write_text("\n".join(str(digit) for digit in digits.target))


def number_of(path):
    return int(path.stem.split("_")[1])


def read_folder(folder):
    files = sorted(folder.glob("digit_*.png"))
    images = np.stack([np.asarray(Image.open(file), dtype=np.float32) for file in files])
    labels = [int(line) for line in (folder / "labels.txt").read_text().splitlines()]
    assert len(images) == len(labels), "as many labels as pictures"
    return torch.from_numpy(images / 255), torch.tensor(labels)


def batches(indices, size):
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder)
        x, y = read_folder(folder)

    order = torch.randperm(len(x))
    train, valid = order[:1350], order[1350:]
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
    for epoch in range(args.epochs):
        model.train()
        running = 0.0
        for index in batches(train[torch.randperm(len(train))], 27):
            optimizer.zero_grad()
            loss = criterion(model(x[index]), y[index])
            loss.backward()
            optimizer.step()
            running += loss.item() * len(index)
        model.eval()
        with torch.no_grad():
            accuracy = (model(x[valid]).argmax(dim=1) == y[valid]).float().mean().item()
        print(f"epoch {epoch}: loss {running / len(train):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={running / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
