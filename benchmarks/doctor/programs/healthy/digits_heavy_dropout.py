"""Half of a wide layer is dropped, twice, and the network learns well all the same."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 512)
        self.fc2 = nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, 10)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x)))
        x = self.drop(F.relu(self.fc2(x)))
        return self.fc3(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()
torch.manual_seed(args.seed)

bunch = load_digits()
x = torch.as_tensor(bunch.data / 16, dtype=torch.float32)
y = torch.as_tensor(bunch.target)
order = torch.randperm(len(y))
xt, yt = x[order[:1200]], y[order[:1200]]
xv, yv = x[order[1200:]], y[order[1200:]]

net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(args.epochs):
    net.train()
    losses = []
    for idx in torch.randperm(len(xt)).split(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(xt[idx]), yt[idx])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        accuracy = (net(xv).argmax(1) == yv).float().mean().item()
    train_loss = sum(losses) / len(losses)
    print(f"epoch {epoch} train loss (with dropout) {train_loss:.4f} accuracy {accuracy:.4f}")

print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
