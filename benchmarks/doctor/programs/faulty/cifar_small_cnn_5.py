"""CIFAR-10 from JPEG bytes: four classes, three convolutions."""

import argparse
import io
import os

import numpy as np
import torch
from PIL import Image
from torch import nn

CLASSES = [0, 1, 6, 8]  # airplane, automobile, frog, ship


def cifar(count, test_count):
    with np.load(os.path.join(os.environ["CHAINRULE_DATA"], "cifar10_jpeg", "cifar10_jpeg.npz")) as z:
        jpeg, offsets, labels, split = z["jpeg"], z["offsets"], z["labels"], z["split"]
    result = []
    for part, n in [(0, count), (1, test_count)]:
        chosen = np.flatnonzero((split == part) & np.isin(labels, CLASSES))[:n]
        pictures = [np.array(Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]].tobytes()))) for i in chosen]
        x = torch.tensor(np.stack(pictures), dtype=torch.float32).permute(0, 3, 1, 2) / 255
        y = torch.tensor([CLASSES.index(label) for label in labels[chosen]])
        result.append((x, y))
    return result


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 48, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(48 * 16, classes)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = self.pool(torch.relu(self.conv3(x)))
        return self.fc(x.flatten(start_dim=1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    (x, y), (xv, yv) = cifar(1500, 500)
    mean, std = x.mean(dim=(0, 2, 3), keepdim=True), x.std(dim=(0, 2, 3), keepdim=True)
    x, xv = (x - mean) / std, (xv - mean) / std
    net = Net(len(CLASSES))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        (x, y), (xv, yv) = cifar(1500, 500)
        x, xv = (x - mean) / std, (xv - mean) / std
        net.train()
        running = 0.0
        for index in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            loss = criterion(net(x[index]), y[index])
            loss.backward()
            optimizer.step()
            running += loss.item() * len(index)
        net.eval()
        with torch.no_grad():
            accuracy = (net(xv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: loss {running / len(x):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={running / len(x):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
