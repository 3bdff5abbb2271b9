"""A wide teacher, then a narrow student that follows the teacher's softened scores."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

T = 3.0


def net(width):
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def fit(model, x, y, objective, epochs, name, xv, yv):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(x)).split(40):
            loss = objective(model(x[batch]), x[batch], y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch) / len(x)
        with torch.no_grad():
            accuracy = (model(xv).argmax(1) == yv).float().mean().item()
        print(f"{name} epoch {epoch}: loss {total:.4f} accuracy {accuracy:.4f}")
    return total, accuracy


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
args = parser.parse_args()
torch.manual_seed(args.seed)
raw = load_digits()
x, y = torch.tensor(raw.data / 16).float(), torch.tensor(raw.target)
order = torch.randperm(len(x))
x, y, xv, yv = x[order[:1300]], y[order[:1300]], x[order[1300:]], y[order[1300:]]

teacher = net(256)
fit(teacher, x, y, lambda scores, inputs, labels: F.cross_entropy(scores, labels), args.epochs, "teacher", xv, yv)
teacher.requires_grad_(False)


def follow(scores, inputs, labels):
    soft = F.softmax(teacher(inputs) / T, dim=1)
    match = F.kl_div(F.log_softmax(scores / T, dim=1), soft, reduction="batchmean")
    return T * T * match + 0.1 * F.cross_entropy(scores, labels)


student = net(24)
train_loss, accuracy = fit(student, x, y, follow, args.epochs, "student", xv, yv)
print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
