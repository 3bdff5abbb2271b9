"""Digits with label smoothing, AdamW and a cosine schedule over all steps."""

import argparse
import math

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 64


def loaders(seed):
    images, target = load_digits(return_X_y=True)
    images = (images - images.mean()) / images.std()
    xt, xv, yt, yv = train_test_split(images.astype("float32"), target, test_size=0.3, random_state=seed)
    train = TensorDataset(torch.from_numpy(xt), torch.from_numpy(yt))
    valid = TensorDataset(torch.from_numpy(xv), torch.from_numpy(yv))
    return DataLoader(train, BATCH, shuffle=True), DataLoader(valid, 256)


def build():
    layers = []
    for inputs, outputs in [(64, 128), (128, 128)]:
        layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(128, 10))


def main(seed, epochs):
    torch.manual_seed(seed)
    train, valid = loaders(seed)
    model = build()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps = epochs * len(train)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5 * (1 + math.cos(math.pi * t / steps)))
    for epoch in range(1, epochs + 1):
        model.train()
        total, n = 0.0, 0
        for x, y in train:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total, n = total + loss.item() * len(y), n + len(y)
        model.eval()
        hits = [(model(x).argmax(1) == y) for x, y in valid]
        accuracy = torch.cat(hits).float().mean().item()
        rate = schedule.get_last_lr()[0]
        print(f"epoch {epoch}: loss {total / n:.4f}, rate {rate:.2e}, accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / n:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    known = parser.parse_args()
    main(known.seed, known.epochs)
