"""SGD with momentum 0.98 and a small rate."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    raw = load_digits()
    dataset = TensorDataset(
        torch.tensor(raw.data / 16 - 0.3, dtype=torch.float32), torch.tensor(raw.target, dtype=torch.long)
    )
    train_set, valid_set = random_split(dataset, [1437, 360], generator=torch.Generator().manual_seed(args.seed))
    train = DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True)
    valid = DataLoader(valid_set, batch_size=360)

    net = nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 80), nn.ReLU(), nn.Linear(80, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.005, momentum=0.98, nesterov=True)
    loss_function = nn.CrossEntropyLoss()

    for epoch in range(args.epochs):
        net.train()
        losses = []
        for x, y in train:
            optimizer.zero_grad()
            loss = loss_function(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            x, y = next(iter(valid))
            accuracy = (net(x).argmax(1) == y).float().mean().item()
        mean = sum(losses) / len(losses)
        print(f"epoch {epoch:2d}: {mean:.4f} {accuracy:.4f}")
    print(f"RESULT train_loss={mean:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
