"""The next letter of Shakespeare from a GRU; windows of forty letters, the loss at every place."""

import argparse
import os

import torch
from torch import nn

WINDOW = 40


class Letters(nn.Module):
    def __init__(self, count, dim=32, hidden=96):
        super().__init__()
        self.embed = nn.Embedding(count, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(2 * hidden, count)

    def forward(self, letters):
        states, _ = self.gru(self.embed(letters))
        return self.scores(states)


def windows(ids, size):
    start = torch.randint(0, len(ids) - WINDOW - 1, (size,))
    both = ids[start[:, None] + torch.arange(WINDOW + 1)]
    return both[:, :-1], both[:, 1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=250)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as f:
        text = f.read(200_000).lower()
    alphabet = {letter: i for i, letter in enumerate(sorted(set(text)))}
    ids = torch.tensor([alphabet[letter] for letter in text])
    train, valid = ids[:180_000], ids[180_000:]
    xv, yv = windows(valid, 150)
    model = Letters(len(alphabet))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    recent = []
    for step in range(1, args.steps + 1):
        x, y = windows(train, 24)
        loss = nn.functional.cross_entropy(model(x).transpose(1, 2), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
        if step % 50 == 0:
            with torch.no_grad():
                accuracy = (model(xv).argmax(-1) == yv).float().mean().item()
            mean = sum(recent[-50:]) / 50
            print(f"step {step}: loss {mean:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={mean:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
