"""Sentiment of sentences: the mean of word vectors and two dense layers, batches prepared by a helper."""

import argparse
import os
import random

import torch
from torch import nn


def sentences():
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "sentiment_sentences")
    rows = []
    for name in ("imdb_labelled.txt", "amazon_cells_labelled.txt", "yelp_labelled.txt"):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for line in file:
                text, _, label = line.rstrip("\n").rpartition("\t")
                words = "".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split()
                if words:
                    rows.append((words, float(label)))
    return rows


def batches_of(rows, index, size):
    """Sentences of like length together, as one flat row of words with offsets."""
    rows = sorted(rows, key=lambda row: len(row[0]))
    starts = list(range(0, len(rows), size))
    random.shuffle(starts)
    for start in starts:
        part = rows[start : start + size]
        flat, offsets = [], []
        for words, _ in part:
            offsets.append(len(flat))
            flat += [index.get(word, 0) for word in words]
        yield torch.tensor(flat), torch.tensor(offsets), torch.tensor([label for _, label in part])


class Means(nn.Module):
    def __init__(self, words, dim=24):
        super().__init__()
        self.vectors = nn.EmbeddingBag(words, dim, mode="mean")
        self.dense = nn.Sequential(nn.Linear(dim, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 1))

    def forward(self, flat, offsets):
        return self.dense(self.vectors(flat, offsets)).squeeze(1)


def accuracy(model, batches):
    model.eval()
    right = count = 0
    with torch.no_grad():
        for flat, offsets, label in batches:
            right += ((model(flat, offsets) > 0) == (label > 0.5)).sum().item()
            count += len(label)
    return right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    rows = sentences()
    random.shuffle(rows)
    train_rows, valid_rows = rows[:2400], rows[2400:]
    index = {}
    for words, _ in train_rows:
        for word in words:
            index.setdefault(word, len(index) + 1)
    train = batches_of(train_rows, index, 32)
    valid = list(batches_of(valid_rows, index, 100))
    model = Means(len(index) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for epoch in range(args.epochs):
        model.train()
        for flat, offsets, label in train:
            loss = nn.functional.binary_cross_entropy_with_logits(model(flat, offsets), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    recent = losses[-75:]
    result = accuracy(model, valid)
    print(f"loss {sum(recent) / len(recent):.4f} accuracy {result:.4f}")
    print(f"RESULT train_loss={sum(recent) / len(recent):.5f} valid_metric={result:.5f}")


if __name__ == "__main__":
    main()
