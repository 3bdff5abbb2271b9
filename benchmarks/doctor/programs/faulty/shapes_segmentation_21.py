"""Squares and discs on a noisy ground, outlined by a small U-shaped network; mean intersection over union judges."""

import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

BIG, SIZE = 48, 24


def scene(rng):
    """A picture of 48 by 48 and its mask: 0 ground, 1 disc, 2 square."""
    image = rng.normal(0.2, 0.1, (BIG, BIG))
    mask = np.zeros((BIG, BIG), np.float32)
    rows, columns = np.mgrid[:BIG, :BIG]
    for kind in rng.permutation([1, 2, rng.integers(1, 3)]):
        r, c = rng.integers(8, BIG - 8, 2)
        size = rng.integers(5, 11)
        if kind == 1:
            inside = (rows - r) ** 2 + (columns - c) ** 2 <= size**2
        else:
            inside = (abs(rows - r) <= size) & (abs(columns - c) <= size)
        image[inside] = rng.normal(0.35 + 0.2 * kind, 0.05) + rng.normal(0, 0.1, inside.sum())
        mask[inside] = kind
    return image.astype(np.float32), mask


def zoom_and_turn():
    angle, zoom = random.uniform(-0.5, 0.5), random.uniform(0.8, 1.25)
    rows = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]]
    return torch.tensor(rows, dtype=torch.float32)[None] * zoom


def warp(picture, matrix, mode="bilinear"):
    grid = F.affine_grid(matrix, [1, *picture.shape], align_corners=False)
    return F.grid_sample(picture[None], grid, mode=mode, padding_mode="reflection", align_corners=False)[0]


class Scenes(Dataset):
    def __init__(self, n, seed, train):
        rng = np.random.default_rng(seed)
        self.items = [scene(rng) for _ in range(n)]
        self.train = train

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        image, mask = (torch.from_numpy(a)[None] for a in self.items[i])
        image = F.interpolate(image[None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)[0]
        mask = F.interpolate(mask[None], size=(SIZE, SIZE), mode="nearest")[0]
        if self.train:
            matrix = zoom_and_turn()
            image, mask = warp(image, matrix), warp(mask, matrix)
        return image, mask[0].long()


class Outliner(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.top = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU())
        self.deep = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
        )
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.out = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, x):
        top = self.top(x)
        return self.out(torch.cat([top, self.up(self.deep(self.down(top)))], 1))


def mean_iou(model, loader):
    table = torch.zeros(3, 3)
    model.eval()
    with torch.no_grad():
        for image, mask in loader:
            pairs = 3 * mask.flatten() + model(image).argmax(1).flatten()
            table += torch.bincount(pairs, minlength=9).reshape(3, 3)
    return (table.diag() / (table.sum(0) + table.sum(1) - table.diag())).mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    train = DataLoader(Scenes(500, args.seed, True), batch_size=20, shuffle=True)
    valid = DataLoader(Scenes(150, 1000 + args.seed, False), batch_size=50)
    model = Outliner()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for image, mask in train:
            loss = F.cross_entropy(model(image), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        iou = mean_iou(model, valid)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} mean IoU {iou:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={iou:.5f}")
