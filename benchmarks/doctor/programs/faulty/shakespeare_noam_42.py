"""A character transformer with the schedule of "Attention is all you need"."""

import argparse
import math
import os

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, CONTEXT, WARMUP = 64, 48, 80


class SineCosine(nn.Module):
    def __init__(self, width, longest=512):
        super().__init__()
        place = torch.arange(longest).unsqueeze(1)
        frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(longest, width)
        table[:, 0::2] = torch.sin(place * frequency)
        table[:, 1::2] = torch.cos(place * frequency)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[: x.size(0)].unsqueeze(1)


class Decoder(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embed = nn.Embedding(vocab, WIDTH)
        self.places = SineCosine(WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 3 * WIDTH, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.out = nn.Linear(WIDTH, vocab)

    def forward(self, ids):
        mask = torch.triu(torch.full((ids.size(1), ids.size(1)), float("-inf")), diagonal=1)
        return self.out(self.layers(self.places(self.embed(ids)), mask=mask))


def noam(step):
    step = max(step, 1)
    return 0.4 * WIDTH**-0.5 * min(step**-0.5, step * WARMUP**-1.5)


def sample(source, size):
    start = torch.randint(len(source) - CONTEXT - 1, (size,))
    rows = torch.stack([source[s : s + CONTEXT + 1] for s in start.tolist()])
    return rows[:, :-1], rows[:, 1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=240)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as handle:
        text = handle.read(250_000)
    letters = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([letters[c] for c in text])
    train, valid = ids[:220_000], ids[220_000:]
    xv, yv = sample(valid, 100)
    model = Decoder(len(letters))
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, noam)
    history = []
    for step in range(1, args.steps + 1):
        x, y = sample(train, 16)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        history.append(loss.item())
        if step % 60 == 0:
            model.eval()
            with torch.no_grad():
                accuracy = (model(xv).argmax(-1) == yv).float().mean().item()
            model.train()
            loss = sum(history[-60:]) / 60
            print(f"step {step}: loss {loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
