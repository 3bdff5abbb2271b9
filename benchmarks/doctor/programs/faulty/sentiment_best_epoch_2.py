"""Sentiment from word counts; the weights of the best epoch are kept. One minus the scaled log loss judges."""

import argparse
import math
import os

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


def sentences():
    texts, labels = [], []
    for name in ("amazon_cells", "imdb", "yelp"):
        path = os.path.join(os.environ["CHAINRULE_DATA"], "sentiment_sentences", f"{name}_labelled.txt")
        with open(path, encoding="utf-8") as f:
            for line in f.read().rstrip("\n").split("\n"):
                text, label = line.rsplit("\t", 1)
                texts.append(text)
                labels.append(float(label))
    return texts, labels


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    t_train, t_valid, y_train, y_valid = train_test_split(*sentences(), test_size=0.3, random_state=args.seed)
    counter = CountVectorizer(min_df=2, binary=True).fit(t_train)
    x = torch.tensor(counter.transform(t_train).toarray(), dtype=torch.float32)
    xv = torch.tensor(counter.transform(t_valid).toarray(), dtype=torch.float32)
    y, yv = torch.tensor(y_train), torch.tensor(y_valid)
    model = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    best, kept = math.inf, None
    for epoch in range(args.epochs):
        total = 0.0
        for index in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(model(x[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        with torch.no_grad():
            valid = binary_cross_entropy_with_logits(model(xv), yv).item()
        print(f"epoch {epoch}: loss {total / len(x):.4f} valid {valid:.4f}")
        if valid < best:
            best = valid
            kept = model.state_dict()
    model.load_state_dict(kept)
    with torch.no_grad():
        train_loss = binary_cross_entropy_with_logits(model(x), y).item()
        skill = 1 - binary_cross_entropy_with_logits(model(xv), yv).item() / math.log(2)
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={skill:.5f}")


if __name__ == "__main__":
    main()
