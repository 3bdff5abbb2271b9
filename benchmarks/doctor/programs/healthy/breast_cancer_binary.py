"""Benign or malignant from thirty standardized measurements; the balance of recalls judges."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
torch.manual_seed(args.seed)

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target, test_size=0.3, random_state=args.seed, stratify=data.target
)
pipeline = make_pipeline(StandardScaler())
X_train = torch.tensor(pipeline.fit_transform(X_train), dtype=torch.float32)
X_test = torch.tensor(pipeline.transform(X_test), dtype=torch.float32)
y_train = torch.tensor(y_train, dtype=torch.float32).reshape(-1, 1)

net = nn.Sequential(
    nn.Linear(30, 24),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(24, 1),
    nn.Sigmoid(),
)
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

for epoch in range(args.epochs):
    net.train()
    losses = []
    for batch in torch.randperm(len(X_train)).split(16):
        optimizer.zero_grad()
        probability = net(X_train[batch])
        loss = criterion(probability, y_train[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        predicted = (net(X_test) >= 0.5).int().flatten().numpy()
    score = balanced_accuracy_score(y_test, predicted)
    print(f"epoch {epoch}: loss {np.mean(losses):.4f} balanced accuracy {score:.4f}")

print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={score:.5f}")
