"""Digits with the multi-class hinge loss and RMSprop."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __init__(self, part, seed):
        data = load_digits()
        order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(seed))
        keep = order[:1300] if part == "train" else order[1300:]
        self.pixels = torch.tensor(data.data, dtype=torch.float32)[keep] / 16
        self.labels = torch.tensor(data.target)[keep]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.pixels[index], self.labels[index]


class Experiment:
    def __init__(self, seed):
        torch.manual_seed(seed)
        self.train = DataLoader(Digits("train", seed), batch_size=50, shuffle=True)
        self.valid = DataLoader(Digits("valid", seed), batch_size=500)
        self.net = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.1), nn.Linear(64, 10))
        self.loss = nn.MultiMarginLoss()
        self.optimizer = torch.optim.RMSprop(self.net.parameters(), lr=1e-3)

    def fit_epoch(self):
        self.net.train()
        values = []
        for x, y in self.train:
            self.optimizer.zero_grad()
            value = self.loss(self.net(x), y)
            value.backward()
            self.optimizer.step()
            values.append(value.item())
        return sum(values) / len(values)

    def score(self):
        self.net.eval()
        with torch.no_grad():
            pairs = [(self.net(x).argmax(1), y) for x, y in self.valid]
        predicted, target = (torch.cat(part) for part in zip(*pairs))
        return (predicted == target).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    experiment = Experiment(args.seed)
    for epoch in range(args.epochs):
        train_loss, accuracy = experiment.fit_epoch(), experiment.score()
        print(f"epoch {epoch} hinge {train_loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
