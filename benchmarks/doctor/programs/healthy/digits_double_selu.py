"""Double precision, SELU with its initialization, alpha dropout."""

import argparse
import itertools

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.set_default_dtype(torch.float64)


def lecun(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        nn.init.zeros_(module.bias)


class SelfNormalizing(nn.Sequential):
    def __init__(self, widths, drop):
        layers = []
        for a, b in itertools.pairwise(widths[:-1]):
            layers += [nn.Linear(a, b), nn.SELU(), nn.AlphaDropout(drop)]
        super().__init__(*layers, nn.Linear(widths[-2], widths[-1]))
        self.apply(lecun)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y = load_digits(return_X_y=True)
shuffle = np.random.default_rng(args.seed).permutation(len(x))
x, y = x[shuffle], y[shuffle]
active = x[:1400].std(0) > 0
x = x[:, active]
x = (x - x[:1400].mean(0)) / x[:1400].std(0)
x = np.clip(x, -5, 5)
x, y = torch.tensor(x), torch.tensor(y)

model = SelfNormalizing([x.shape[1], 64, 64, 64, 10], 0.05)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for index in torch.randperm(1400).split(35):
        loss = nn.functional.cross_entropy(model(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() / 40
    model.eval()
    with torch.no_grad():
        accuracy = (model(x[1400:]).argmax(1) == y[1400:]).double().mean().item()
    print(f"epoch {epoch:2d} loss {total:.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={total:.5f} valid_metric={accuracy:.5f}")
