"""A GRU on characters whose rate grows over the first two hundred steps."""

import argparse
import os

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

WARM, SPAN = 200, 32


class Chars(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.embed = nn.Embedding(n, 32)
        self.gru = nn.GRU(32, 96, batch_first=True)
        self.out = nn.Linear(96, n)

    def forward(self, x):
        return self.out(self.gru(self.embed(x))[0])


def sample(ids, n):
    torch.manual_seed(1234)
    starts = torch.randint(len(ids) - SPAN - 1, (n,)).tolist()
    pieces = torch.stack([ids[s : s + SPAN + 1] for s in starts])
    return pieces[:, :-1], pieces[:, 1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as f:
        text = f.read(250_000)
    symbols = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([symbols[c] for c in text])
    train, valid = ids[:220_000], ids[220_000:]
    held_x, held_y = sample(valid, 100)
    model = Chars(len(symbols))
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    scheduler = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM))
    total = 0.0
    for step in range(1, args.steps + 1):
        x, y = sample(train, 24)
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        total += loss.item()
        if step % 50 == 0:
            train_loss, total = total / 50, 0.0
            with torch.no_grad():
                accuracy = (model(held_x).argmax(-1) == held_y).float().mean().item()
            print(f"step {step} rate {scheduler.get_last_lr()[0]:.5f} loss {train_loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
