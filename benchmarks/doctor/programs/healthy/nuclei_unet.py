"""A small U-Net marks cell nuclei in microscope pictures; the Dice coefficient judges."""

import argparse
import io
import os
import zipfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn


def pictures(count, first=0):
    xs, ys = [], []
    with zipfile.ZipFile(os.path.join(os.environ["CHAINRULE_DATA"], "nuclei_256", "nuclei_256.zip")) as archive:
        for i in range(first, first + count):
            image = np.array(Image.open(io.BytesIO(archive.read(f"images/{i:03d}.png"))), dtype=np.float32)
            cells = np.array(Image.open(io.BytesIO(archive.read(f"instances/{i:03d}.png")))) > 0
            image = image.reshape(64, 4, 64, 4).mean((1, 3))
            image = (image - image.mean()) / (image.std() + 1e-3)
            xs.append(image)
            ys.append(cells[2::4, 2::4].astype(np.float32))
    return torch.tensor(np.stack(xs)).unsqueeze(1), torch.tensor(np.stack(ys)).unsqueeze(1)


class Double(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down1, self.down2, self.bottom = Double(1, width), Double(width, 2 * width), Double(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = Double(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join1 = Double(2 * width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.join2(torch.cat([b, self.up2(c)], dim=1))
        a = self.join1(torch.cat([a, self.up1(b)], dim=1))
        return self.out(a)


def dice(model, x, y):
    model.eval()
    with torch.no_grad():
        marked = torch.cat([model(part) for part in x.split(20)]) > 0
    return (2 * (marked * y).sum() / (marked.sum() + y.sum())).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = pictures(150)
    order = torch.randperm(len(x))
    x, y, xv, yv = x[order[:110]], y[order[:110]], x[order[110:]], y[order[110:]]
    model = UNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(x)).split(5):
            loss = F.binary_cross_entropy_with_logits(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        score = dice(model, xv, yv)
        print(f"epoch {epoch}: loss {total / len(x):.4f} Dice {score:.4f}")
    print(f"RESULT train_loss={total / len(x):.5f} valid_metric={score:.5f}")


if __name__ == "__main__":
    main()
