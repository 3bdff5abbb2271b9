"""Two classes: is it a three or an eight? One logit and binary cross-entropy."""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
keep = (digits.target == 3) | (digits.target == 8)
features = digits.data[keep] / 16
labels = (digits.target[keep] == 8).astype("float32")
xt, xv, yt, yv = train_test_split(features, labels, test_size=0.3, random_state=args.seed, stratify=labels)
xt, xv = torch.tensor(xt).float(), torch.tensor(xv).float()
yt, yv = torch.tensor(yt), torch.tensor(yv)


class Binary(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        return self.fc2(x)


model = Binary()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(args.epochs):
    model.train()
    order = torch.randperm(len(xt))
    total = 0.0
    for start in range(0, len(order), 25):
        index = order[start : start + 25]
        loss = criterion(model(xt[index]), yt[index].unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    model.eval()
    with torch.no_grad():
        probability = torch.sigmoid(model(xv))
    accuracy = ((probability > 0.5).float() == yv).float().mean().item()
    print(f"epoch {epoch}: loss {total / len(xt):.4f} accuracy {accuracy:.4f}")

print(f"RESULT train_loss={total / len(xt):.5f} valid_metric={accuracy:.5f}")
