"""Sentiment with one transformer layer and a masked mean over the words."""

import argparse
import os
import re
from collections import Counter

import torch
from torch import nn

PAD, UNKNOWN, LENGTH, SIZE = 0, 1, 24, 200


def corpus():
    folder = os.path.join(os.environ["CHAINRULE_DATA"], "sentiment_sentences")
    for name in sorted(os.listdir(folder)):
        if name.endswith("_labelled.txt"):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                for line in f.read().rstrip("\n").split("\n"):
                    text, _, label = line.rpartition("\t")
                    yield re.findall(r"[a-z0-9']+", text.lower())[:LENGTH] or ["."], int(label)


def encode(sentences, vocabulary):
    ids = torch.full((len(sentences), LENGTH), PAD)
    for i, words in enumerate(sentences):
        ids[i, : len(words)] = torch.tensor([vocabulary.get(word, UNKNOWN) for word in words])
    return ids


class Classifier(nn.Module):
    def __init__(self, vocab, dim=32):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.position = nn.Embedding(LENGTH, dim)
        self.layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.3, batch_first=True)
        self.out = nn.Linear(dim, 2)

    def forward(self, ids):
        pad = ids == PAD
        x = self.embed(ids) + 0.1 * self.position.weight
        x = self.layer(x, src_key_padding_mask=pad)
        keep = (~pad).unsqueeze(-1).float()
        mean = (x * keep).sum(1) / keep.sum(1)
        return self.out(mean)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data = list(corpus())
    order = torch.randperm(len(data)).tolist()
    train, valid = [data[i] for i in order[:2199]], [data[i] for i in order[2199:]]
    counts = Counter(word for words, _ in train for word in words)
    vocabulary = {word: i + 2 for i, (word, _) in enumerate(counts.most_common(2000))}
    x, y = encode([words for words, _ in train], vocabulary), torch.tensor([label for _, label in train])
    xv, yv = encode([words for words, _ in valid], vocabulary), torch.tensor([label for _, label in valid])
    model = Classifier(len(vocabulary) + 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        model.eval()
        with torch.no_grad():
            right = [model(a).argmax(1) == b for a, b in zip(xv.split(SIZE), yv.split(SIZE))]
            accuracy = torch.stack([part.float().mean() for part in right]).mean().item()
        print(f"epoch {epoch}: loss {total / len(x):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
