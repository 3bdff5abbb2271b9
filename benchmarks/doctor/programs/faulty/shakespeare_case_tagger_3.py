"""Which letters were capitals? A transformer encoder labels lower-cased lines of different lengths."""

import argparse
import os

import torch
from torch import nn

PAD, MAX = 0, 48


def read_lines(n):
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as f:
        lines = [line.rstrip("\n") for line in f]
    lines = [line for line in lines if 10 <= len(line) <= MAX][:n]
    alphabet = {c: i + 1 for i, c in enumerate(sorted(set("".join(lines).lower())))}
    x = torch.full((len(lines), MAX), PAD)
    y = torch.full((len(lines), MAX), -100)
    for i, line in enumerate(lines):
        x[i, : len(line)] = torch.tensor([alphabet[c] for c in line.lower()])
        y[i, : len(line)] = torch.tensor([int(c.isupper()) for c in line])
    return x, y, len(alphabet) + 1


class Encoder(nn.Module):
    def __init__(self, vocab, dim=40):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=PAD)
        layer = nn.TransformerEncoderLayer(dim, 4, 96, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(dim, 2)

    def forward(self, x):
        h = self.embed(x)
        h = self.layers(h, src_key_padding_mask=x == PAD)
        return self.out(h)


def capital_f1(model, x, y):
    model.eval()
    with torch.no_grad():
        predicted = model(x).argmax(-1)
    real = y >= 0
    hits = ((predicted == 1) & (y == 1)).sum().item()
    made = ((predicted == 1) & real).sum().item()
    return 2 * hits / (made + (y == 1).sum().item())


def main(seed, epochs):
    torch.manual_seed(seed)
    x, y, vocab = read_lines(2000)
    order = torch.randperm(len(x))
    train, valid = order[:1600], order[1600:]
    model = Encoder(vocab)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    for epoch in range(epochs):
        model.train()
        losses = []
        for index in train[torch.randperm(len(train))].split(40):
            scores = model(x[index])
            loss = criterion(scores.transpose(1, 2), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        f1 = capital_f1(model, x[valid], y[valid])
        train_loss = sum(losses) / len(losses)
        print(f"epoch {epoch} loss {train_loss:.4f} F1 {f1:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={f1:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    main(args.seed, args.epochs)
