"""Convolutions of widths two to four over word embeddings, and the maximum over time."""

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
LENGTH = 30


def clean(sentence):
    kept = [c if c.isalnum() else " " for c in sentence.lower()]
    return "".join(kept).split()


corpus = []
for source in ("amazon_cells", "yelp", "imdb"):
    path = os.path.join(os.environ["CHAINRULE_DATA"], "sentiment_sentences", source + "_labelled.txt")
    with open(path, encoding="utf-8") as handle:
        for line in handle.read().strip().split("\n"):
            corpus.append((clean(line[: line.rindex("\t")]), int(line[-1])))
rng.shuffle(order := np.arange(len(corpus)))
split = 2400
vocabulary = {}
for i in order[:split]:
    for word in corpus[i][0]:
        vocabulary.setdefault(word, len(vocabulary) + 2)
x = torch.zeros(len(corpus), LENGTH, dtype=torch.long)
for row, i in enumerate(order):
    ids = [vocabulary.get(word, 1) for word in corpus[i][0]][:LENGTH]
    x[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
y = torch.tensor([corpus[i][1] for i in order])


class TextCNN(nn.Module):
    def __init__(self, vocab, dim=32, channels=32):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv1d(dim, channels, k) for k in (2, 3, 4)])
        self.fc = nn.Linear(3 * LENGTH - 6, 2)

    def forward(self, ids):
        e = self.embed(ids).transpose(1, 2)
        pooled = [F.relu(conv(e)).max(dim=1).values for conv in self.convs]
        return self.fc(F.dropout(torch.cat(pooled, dim=1), 0.4, training=self.training))


model = TextCNN(len(vocabulary) + 2)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(args.epochs):
    model.train()
    losses = []
    for batch in torch.randperm(split).split(32):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        accuracy = (model(x[split:]).argmax(1) == y[split:]).float().mean().item()
    print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")
