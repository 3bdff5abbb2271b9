"""A GRU cell walks along noisy waves and forecasts the next value at every step; the loop over time is written out."""

import argparse

import torch
from torch import nn

LENGTH = 24


def waves(count, generator):
    t = torch.arange(LENGTH + 1).float()
    period = 6 + 14 * torch.rand(count, 1, generator=generator)
    phase = 6.28 * torch.rand(count, 1, generator=generator)
    clean = torch.sin(6.2832 * t / period + phase)
    return clean + 0.1 * torch.randn(count, LENGTH + 1, generator=generator)


class Walker(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.hidden = hidden
        self.cell = nn.GRUCell(1, hidden)
        self.out = nn.Linear(hidden, 1)

    def begin(self, count):
        return torch.zeros(count, self.hidden)

    def forward(self, value, state):
        state = self.cell(value.unsqueeze(1), state)
        return self.out(state).squeeze(1), state


def train_batch(model, optimizer, rows):
    state = model.begin(len(rows))
    optimizer.zero_grad()
    loss = 0.0
    for t in range(LENGTH):
        guess, state = model(rows[:, t], state)
        loss = loss + nn.functional.mse_loss(guess, rows[:, t + 1]) / LENGTH
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def explained(model, rows):
    state, errors = model.begin(len(rows)), []
    with torch.no_grad():
        for t in range(LENGTH):
            guess, state = model(rows[:, t], state)
            errors.append((guess - rows[:, t + 1]).square().mean())
    return 1 - (torch.stack(errors[8:]).mean() / rows[:, 9:].var()).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.autograd.set_detect_anomaly(True)
    generator = torch.Generator().manual_seed(args.seed)
    train, valid = waves(800, generator), waves(300, generator)
    model = Walker()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(args.epochs):
        losses = [train_batch(model, optimizer, train[i]) for i in torch.randperm(len(train)).split(20)]
        loss, r2 = sum(losses) / len(losses), explained(model, valid)
        print(f"epoch {epoch}: mse {loss:.4f} R2 {r2:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={r2:.5f}")


if __name__ == "__main__":
    main()
