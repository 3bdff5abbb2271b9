"""An LSTM reads each digit row by row; the last state is classified."""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class RowReader(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.lstm = nn.LSTM(input_size=8, hidden_size=hidden)
        self.classify = nn.Linear(hidden, 10)

    def forward(self, x):
        output, _ = self.lstm(x)
        return self.classify(output[:, -1])


def train_epoch(model, loader, optimizer, criterion):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(y)
    return total / len(loader.dataset)


@torch.no_grad()
def test_epoch(model, loader):
    model.eval()
    correct = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32) / 16
    labels = torch.tensor(digits.target)
    xt, xv, yt, yv = train_test_split(images, labels, test_size=0.25, random_state=args.seed)
    train = DataLoader(TensorDataset(xt, yt), batch_size=32, shuffle=True)
    valid = DataLoader(TensorDataset(xv, yv), batch_size=200)
    model = RowReader()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        loss = train_epoch(model, train, optimizer, criterion)
        accuracy = test_epoch(model, valid)
        print(f"epoch {epoch}: loss {loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
