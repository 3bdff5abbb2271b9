"""Sentiment of sentences: a bag of word embeddings, a logit, weight decay."""

import argparse
import os
import random
import re
from collections import Counter

import torch
from torch import nn


def read():
    rows = []
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "sentiment_sentences")
    for name in ["amazon_cells", "imdb", "yelp"]:
        with open(os.path.join(folder, f"{name}_labelled.txt"), encoding="utf-8") as f:
            for line in f.read().split("\n"):
                if line.strip():
                    sentence, label = line.rsplit("\t", 1)
                    rows.append((re.findall(r"[a-z']+", sentence.lower()), int(label)))
    return [row for row in rows if row[0]]


class Bag(nn.Module):
    def __init__(self, vocab, dim=32):
        super().__init__()
        self.words = nn.EmbeddingBag(vocab, dim, mode="mean")
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(dim, 1)

    def forward(self, ids, offsets):
        return self.out(self.dropout(self.words(ids, offsets))).flatten()


def collate(rows, index):
    ids = [[index.get(word, 0) for word in words] for words, _ in rows]
    offsets = torch.tensor([0] + [len(i) for i in ids[:-1]]).cumsum(0)
    return torch.tensor(sum(ids, [])), offsets, torch.tensor([float(label) for _, label in rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    rows = read()
    random.shuffle(rows)
    train, valid = rows[:2300], rows[2300:]
    counts = Counter(word for words, _ in train for word in words)
    index = {word: i + 1 for i, (word, n) in enumerate(counts.most_common()) if n > 1}
    model = Bag(len(index) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    criterion = nn.BCEWithLogitsLoss()
    ids_v, offsets_v, y_v = collate(valid, index)
    for epoch in range(args.epochs):
        random.shuffle(rows)
        train, valid = rows[:2300], rows[2300:]
        ids_v, offsets_v, y_v = collate(valid, index)
        model.train()
        total = 0.0
        for i in range(0, len(train), 32):
            ids, offsets, y = collate(train[i : i + 32], index)
            loss = criterion(model(ids, offsets), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        model.eval()
        with torch.no_grad():
            accuracy = ((model(ids_v, offsets_v) > 0) == (y_v > 0.5)).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(train):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
