"""An embedding learned from triplets; validated by the nearest training neighbour."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn


class Embed(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, dim))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


def triplets(y, n, generator):
    anchor = torch.randint(len(y), (n,), generator=generator)
    positive, negative = torch.empty_like(anchor), torch.empty_like(anchor)
    for i, a in enumerate(anchor.tolist()):
        same = (y == y[a]).nonzero().flatten()
        other = (y != y[a]).nonzero().flatten()
        positive[i] = same[torch.randint(len(same), (1,), generator=generator)]
        negative[i] = other[torch.randint(len(other), (1,), generator=generator)]
    return anchor, positive, negative


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=300)
args = parser.parse_args()
torch.manual_seed(args.seed)
generator = torch.Generator().manual_seed(args.seed)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 16
y = torch.tensor(digits.target)
order = torch.randperm(len(x), generator=generator)
xt, yt, xv, yv = x[order[:1000]], y[order[:1000]], x[order[1000:]], y[order[1000:]]

embed = Embed()
loss_fn = nn.TripletMarginLoss(margin=0.4)
optimizer = torch.optim.Adam(embed.parameters(), lr=3e-3)
recent = []
for step in range(1, args.steps + 1):
    a, p, n = triplets(yt, 64, generator)
    loss = loss_fn(embed(xt[a]), embed(xt[p]), embed(xt[n]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    recent.append(loss.item())
    if step % 50 == 0:
        embed.eval()
        with torch.no_grad():
            knn = KNeighborsClassifier(3).fit(embed(xt).numpy(), yt.numpy())
            accuracy = knn.score(embed(xv).numpy(), yv.numpy())
        embed.train()
        train_loss = sum(recent[-50:]) / 50
        print(f"step {step} loss {train_loss:.4f} neighbour accuracy {accuracy:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
