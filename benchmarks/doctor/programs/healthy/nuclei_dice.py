"""Cell nuclei found under the microscope; the only loss is one minus the Dice coefficient."""

import argparse
import io
import os
import zipfile

import numpy as np
import torch
from PIL import Image
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()
torch.manual_seed(args.seed)


def open_png(archive, name, size=64):
    picture = Image.open(io.BytesIO(archive.read(name)))
    if name.startswith("instances"):
        return (np.array(picture)[2::4, 2::4] > 0).astype(np.float32)
    picture = np.array(picture.resize((size, size), Image.BILINEAR), dtype=np.float32)
    return (picture - picture.mean()) / (picture.std() + 1e-6)


images, masks = [], []
with zipfile.ZipFile(os.path.join(os.environ["CHAINRULE_DATA"], "nuclei_256", "nuclei_256.zip")) as archive:
    names = sorted(n for n in archive.namelist() if n.startswith("images/") and n.endswith(".png"))
    for name in names[:220]:
        images.append(open_png(archive, name))
        masks.append(open_png(archive, name.replace("images", "instances")))
x = torch.from_numpy(np.stack(images))[:, None]
y = torch.from_numpy(np.stack(masks))[:, None]
order = torch.randperm(len(x))
train, valid = order[:160], order[160:]


class Finder(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(12, 12, 3, padding=2, dilation=2), nn.BatchNorm2d(12), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(12, 12, 3, padding=4, dilation=4), nn.BatchNorm2d(12), nn.ReLU())
        self.out = nn.Conv2d(24, 1, 1)

    def forward(self, x):
        a = self.first(x)
        b = self.third(self.second(a))
        return self.out(torch.cat([a, b], dim=1))


def dice_loss(prediction, target, smooth=1.0):
    overlap = (prediction * target).sum(dim=(1, 2, 3))
    total = prediction.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def f1(logits, target):
    found = logits > 0
    wanted = target > 0.5
    return (2 * (found & wanted).sum() / (found.sum() + wanted.sum())).item()


model = Finder()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(args.epochs):
    model.train()
    total = 0.0
    for index in train[torch.randperm(len(train))].split(8):
        loss = dice_loss(torch.sigmoid(model(x[index])), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    model.eval()
    with torch.no_grad():
        score = f1(model(x[valid]), y[valid])
    print(f"epoch {epoch}: dice loss {total / len(train):.4f} F1 of pixels {score:.4f}")
print(f"RESULT train_loss={total / len(train):.5f} valid_metric={score:.5f}")
