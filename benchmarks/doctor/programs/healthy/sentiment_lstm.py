"""Sentiment with a packed LSTM: sentences of different lengths, last real state."""

import argparse
import os
import re

import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

FILES = ["amazon_cells_labelled.txt", "imdb_labelled.txt", "yelp_labelled.txt"]


def tokens(sentence):
    return re.findall(r"\w+|!", sentence.lower())


def read(folder):
    sentences, labels = [], []
    for name in FILES:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            for line in f.read().strip("\n").split("\n"):
                sentence, label = line.rsplit("\t", 1)
                words = tokens(sentence)[:40]
                if words:
                    sentences.append(words)
                    labels.append(int(label))
    return sentences, labels


class Vocabulary:
    def __init__(self, sentences):
        words = sorted({w for s in sentences for w in s})
        self.index = {w: i + 2 for i, w in enumerate(words)}

    def __len__(self):
        return len(self.index) + 2

    def encode(self, words):
        return torch.tensor([self.index.get(w, 1) for w in words])


class SentimentLSTM(nn.Module):
    def __init__(self, vocab, dim=32, hidden=32):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        self.drop = nn.Dropout(0.3)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 2)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.drop(self.embedding(x)), lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return self.fc(hidden[-1])


def collate(batch):
    x = pad_sequence([ids for ids, _ in batch], batch_first=True)
    return x, torch.tensor([len(ids) for ids, _ in batch]), torch.tensor([label for _, label in batch])


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
torch.manual_seed(args.seed)
sentences, labels = read(os.path.join(os.environ["CHAINRULE_DATA"], "sentiment_sentences"))
st, sv, lt, lv = train_test_split(sentences, labels, test_size=0.2, random_state=args.seed, stratify=labels)
vocabulary = Vocabulary(st)
train_set = [(vocabulary.encode(s), label) for s, label in zip(st, lt)]
valid_set = [(vocabulary.encode(s), label) for s, label in zip(sv, lv)]
train = DataLoader(train_set, batch_size=32, shuffle=True, collate_fn=collate)
valid = DataLoader(valid_set, batch_size=200, collate_fn=collate)
model = SentimentLSTM(len(vocabulary))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for x, lengths, y in train:
        loss = criterion(model(x, lengths), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    model.eval()
    with torch.no_grad():
        correct = sum((model(x, n).argmax(1) == y).sum().item() for x, n, y in valid)
    accuracy = correct / len(valid_set)
    print(f"epoch {epoch}: loss {total / len(train_set):.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={total / len(train_set):.5f} valid_metric={accuracy:.5f}")
