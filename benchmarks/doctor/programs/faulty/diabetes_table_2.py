"""Progress of a disease from ten measurements of a table; R2 judges."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=60)
args = parser.parse_args()
torch.manual_seed(args.seed)

data = load_diabetes()
table = np.column_stack([data.data, data.target])
columns = [*data.feature_names, "progress"]
features = table[:, : len(columns)]
target = table[:, columns.index("progress")]
x_train, x_valid, y_train, y_valid = train_test_split(features, target, test_size=0.3, random_state=args.seed)
scaler = StandardScaler().fit(x_train)
x_train = torch.tensor(scaler.transform(x_train), dtype=torch.float32)
x_valid = torch.tensor(scaler.transform(x_valid), dtype=torch.float32)
center, spread = y_train.mean(), y_train.std()
y_train = torch.tensor((y_train - center) / spread, dtype=torch.float32).unsqueeze(1)
y_valid = torch.tensor((y_valid - center) / spread, dtype=torch.float32).unsqueeze(1)

model = nn.Sequential(nn.Linear(x_train.shape[1], 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-2)
criterion = nn.MSELoss()
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for index in torch.randperm(len(x_train)).split(20):
        optimizer.zero_grad()
        loss = criterion(model(x_train[index]), y_train[index])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    model.eval()
    with torch.no_grad():
        error = criterion(model(x_valid), y_valid)
        r2 = 1 - (error / y_valid.var(unbiased=False)).item()
    if epoch % 10 == 9:
        print(f"epoch {epoch}: loss {total / len(x_train):.4f} R2 {r2:.4f}")
print(f"RESULT train_loss={total / len(x_train):.5f} valid_metric={r2:.5f}")
