"""Spell a short English sentence in French: GRU encoder and decoder over characters, teacher forcing."""

import argparse
import os

import torch
from torch import nn

PAD, BOS, EOS = 0, 1, 2


def pairs(n):
    seen = {}
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tatoeba_eng_fra", "eng-fra.tsv"), encoding="utf-8") as f:
        for line in f:
            english, french, _ = line.split("\t")
            if len(french) <= 24:
                seen.setdefault(english.lower(), french.lower())
    return list(seen.items())[:n]


def table(strings):
    return {c: i + 3 for i, c in enumerate(sorted(set("".join(strings))))}


def tensor(strings, index, marks):
    rows = [[BOS] * marks + [index[c] for c in s] + [EOS] for s in strings]
    out = torch.full((len(rows), max(map(len, rows))), PAD)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


class Seq2Seq(nn.Module):
    def __init__(self, source, target, dim=32, hidden=72):
        super().__init__()
        self.source = nn.Embedding(source, dim, padding_idx=PAD)
        self.target = nn.Embedding(target, dim, padding_idx=PAD)
        self.encoder = nn.GRU(dim, hidden, batch_first=True)
        self.decoder = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, target)

    def forward(self, source, target):
        _, state = self.encoder(self.source(source))
        states, _ = self.decoder(self.target(target))
        return self.out(states)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data = pairs(1400)
    english, french = zip(*data)
    x, y = tensor(english, table(english), 0), tensor(french, table(french), 1)
    order = torch.randperm(len(x))
    train, valid = order[:1200], order[1200:]
    model = Seq2Seq(int(x.max()) + 1, int(y.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for index in train[torch.randperm(len(train))].split(24):
            scores = model(x[index], y[index, :-1])
            loss = criterion(scores.flatten(0, 1), y[index, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(index)
        model.eval()
        with torch.no_grad():
            predicted = model(x[valid], y[valid, :-1]).argmax(-1)
            wanted = y[valid, 1:]
            accuracy = (predicted == wanted)[wanted != PAD].float().mean().item()
        print(f"epoch {epoch}: loss {total / len(train):.4f} accuracy of characters {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
