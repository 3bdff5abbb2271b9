"""A soft mixture of four small experts: the gate decides how much each of them says."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


class Mixture(nn.Module):
    def __init__(self, inputs: int, classes: int, experts: int = 4, width: int = 24) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes)) for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        weight = self.gate(x).softmax(dim=-1)
        said = torch.stack([expert(x) for expert in self.experts], dim=1)
        return torch.einsum("be,bec->bc", weight, said)


def main(seed: int, epochs: int) -> None:
    torch.manual_seed(seed)
    bunch = load_digits()
    x = torch.tensor(bunch.data, dtype=torch.float32) / 16
    y = torch.tensor(bunch.target)
    order = torch.randperm(len(x))
    train, valid = order[:1400], order[1400:]
    model = Mixture(64, 10)
    optimizer = torch.optim.NAdam(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        total = 0.0
        for batch in train[torch.randperm(len(train))].split(40):
            optimizer.zero_grad()
            loss = criterion(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            accuracy = (model(x[valid]).argmax(1) == y[valid]).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(train):.4f}, accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    main(args.seed, args.epochs)
