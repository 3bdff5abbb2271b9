"""Sepals only: which iris is it? The table comes from a CSV file as a spreadsheet writes it."""

import argparse
import csv
import io

import numpy as np
import torch
from sklearn.datasets import load_iris
from torch import nn


def spreadsheet():
    """The text of the file: a line of names, then a line per flower with its number."""
    iris = load_iris()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["", "sepal length", "sepal width", "species"])
    for number, (row, species) in enumerate(zip(iris.data, iris.target)):
        writer.writerow([number, row[0], row[1], iris.target_names[species]])
    return out.getvalue()


def read(text):
    names, *rows = csv.reader(io.StringIO(text))
    species = sorted({row[-1] for row in rows})
    features = np.array([[float(value) for value in row[:-1]] for row in rows], dtype=np.float32)
    labels = np.array([species.index(row[-1]) for row in rows])
    print(f"{len(rows)} flowers, columns {names}")
    return features, labels


def repeated_splits(n, times, rng):
    for _ in range(times):
        order = rng.permutation(n)
        yield order[:100], order[100:]


def fit(x, y, epochs):
    model = nn.Sequential(nn.Linear(x.shape[1], 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        losses = []
        for index in torch.randperm(len(x)).split(20):
            loss = nn.functional.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return model, np.mean(losses)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    features, labels = read(spreadsheet())
    y = torch.from_numpy(labels)
    losses, accuracies = [], []
    for train, valid in repeated_splits(len(y), 6, np.random.default_rng(args.seed)):
        x = torch.from_numpy((features - features[train].mean(0)) / features[train].std(0))
        model, loss = fit(x[train], y[train], args.epochs)
        with torch.no_grad():
            accuracy = (model(x[valid]).argmax(1) == y[valid]).float().mean().item()
        losses.append(loss)
        accuracies.append(accuracy)
        print(f"split {len(losses)}: loss {loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={np.mean(accuracies):.5f}")


if __name__ == "__main__":
    main()
