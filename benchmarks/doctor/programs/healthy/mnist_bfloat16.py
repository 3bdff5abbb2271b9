"""Mixed precision on the CPU: matrix products in bfloat16, weights and loss in float32."""

import argparse
import gzip
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def mnist(part, n):
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "mnist")
    with gzip.open(os.path.join(folder, f"{part}-images-idx3-ubyte.gz")) as f:
        x = np.frombuffer(f.read(16 + n * 784), np.uint8, offset=16).reshape(n, 784)
    with gzip.open(os.path.join(folder, f"{part}-labels-idx1-ubyte.gz")) as f:
        y = np.frombuffer(f.read(8 + n), np.uint8, offset=8)
    return TensorDataset(torch.tensor(x / 255.0, dtype=torch.float32), torch.tensor(y, dtype=torch.long))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train = DataLoader(mnist("train", 4000), batch_size=100, shuffle=True)
    test = DataLoader(mnist("t10k", 1000), batch_size=500)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for x, y in train:
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                scores = model(x)
            loss = nn.functional.cross_entropy(scores.float(), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        correct = 0
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            for x, y in test:
                correct += (model(x).argmax(1) == y).sum().item()
        print(f"epoch {epoch} loss {np.mean(losses):.4f} accuracy {correct / 1000:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={correct / 1000:.5f}")


if __name__ == "__main__":
    main()
