"""Digits with two examples a step and a small rate."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--epochs", type=int, default=5)
opts = ap.parse_args()
g = torch.Generator().manual_seed(opts.seed)
torch.manual_seed(opts.seed)

data = load_digits()
images = torch.tensor(data.images, dtype=torch.float32).flatten(1) / 8 - 1
labels = torch.tensor(data.target)
order = torch.randperm(len(images), generator=g)
train, valid = order[:1400], order[1400:]

net = nn.Sequential(nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 10))
loss_fn = nn.CrossEntropyLoss()
sgd = torch.optim.SGD(net.parameters(), lr=0.01)

for epoch in range(opts.epochs):
    shuffled = train[torch.randperm(len(train), generator=g)]
    total = 0.0
    for pair in shuffled.split(2):
        sgd.zero_grad(set_to_none=True)
        loss = loss_fn(net(images[pair]), labels[pair])
        loss.backward()
        sgd.step()
        total += loss.item()
    train_loss = total / (len(train) / 2)
    with torch.inference_mode():
        acc = (net(images[valid]).argmax(-1) == labels[valid]).double().mean().item()
    print("epoch", epoch, "loss", round(train_loss, 4), "valid accuracy", round(acc, 4))

print(f"RESULT train_loss={train_loss:.5f} valid_metric={acc:.5f}")
