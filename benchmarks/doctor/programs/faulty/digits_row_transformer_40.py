"""A digit as a sentence of eight rows: causal transformer layers, and one place of the last layer is classified."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class RowTransformer(nn.Module):
    def __init__(self, width=48, heads=4, layers=2):
        super().__init__()
        self.enter = nn.Linear(8, width)
        self.places = nn.Parameter(torch.randn(8, width) * 0.1)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 10)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(8))

    def forward(self, rows):
        x = self.enter(rows) + self.places
        x = self.layers(x, mask=self.mask)
        return self.leave(self.norm(x[:, 0]))


def evaluate(model, loader):
    model.eval()
    right = 0
    with torch.no_grad():
        for rows, digit in loader:
            right += (model(rows).argmax(1) == digit).sum().item()
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    data = TensorDataset(torch.tensor(digits.images / 16, dtype=torch.float32), torch.tensor(digits.target))
    train_set, valid_set = random_split(data, [1400, len(data) - 1400])
    train, valid = DataLoader(train_set, batch_size=28, shuffle=True), DataLoader(valid_set, batch_size=100)
    model = RowTransformer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for rows, digit in train:
            loss = nn.functional.cross_entropy(model(rows), digit)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(digit)
        accuracy = evaluate(model, valid)
        print(f"epoch {epoch}: loss {total / len(train_set):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train_set):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
