"""One tower for both images (shared weights): do two pictures show the same digit?"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
        self.compare = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, left, right):
        difference = (self.tower(left) - self.tower(right)).abs()
        return self.compare(difference).squeeze(1)


def draw(y, n, generator):
    left = torch.randint(len(y), (n,), generator=generator)
    right = torch.randint(len(y), (n,), generator=generator)
    for i in range(0, n, 2):
        same = (y == y[left[i]]).nonzero().flatten()
        right[i] = same[torch.randint(len(same), (1,), generator=generator)]
    return left, right, (y[left] == y[right]).float()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=500)
args = parser.parse_args()
torch.manual_seed(args.seed)
generator = torch.Generator().manual_seed(args.seed)
digits = load_digits()
x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
order = torch.randperm(len(x), generator=generator)
xt, yt, xv, yv = x[order[:1300]], y[order[:1300]], x[order[1300:]], y[order[1300:]]
left_v, right_v, same_v = draw(yv, 600, generator)

model = Twins()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.BCEWithLogitsLoss()
losses = []
for step in range(1, args.steps + 1):
    a, b, same = draw(yt, 64, generator)
    optimizer.zero_grad()
    loss = loss_fn(model(xt[a], xt[b]), same)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 100 == 0:
        with torch.no_grad():
            accuracy = ((model(xv[left_v], xv[right_v]) > 0).float() == same_v).float().mean().item()
        train_loss = sum(losses[-100:]) / 100
        print(f"step {step}: loss {train_loss:.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
