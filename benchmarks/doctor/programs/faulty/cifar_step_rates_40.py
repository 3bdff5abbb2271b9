"""Four classes of CIFAR-10 with SGD: a trainer that sets the rate of every epoch by hand, rising first and falling then."""

import argparse
import io
import os

import numpy as np
import torch
from PIL import Image
from torch import nn

PICKED = (1, 3, 8, 9)


def decode(count_train, count_test):
    archive = np.load(os.path.join(os.environ["CHAINRULE_DATA"], "cifar10_jpeg", "cifar10_jpeg.npz"))
    data, offsets, labels, split = (archive[k] for k in ("jpeg", "offsets", "labels", "split"))
    for part, count in ((0, count_train), (1, count_test)):
        rows = np.flatnonzero((split == part) & np.isin(labels, PICKED))[:count]
        images = [Image.open(io.BytesIO(data[offsets[r] : offsets[r + 1]].tobytes())) for r in rows]
        x = np.stack([np.asarray(image, dtype=np.float32) for image in images]) / 127.5 - 1
        y = np.searchsorted(PICKED, labels[rows])
        yield torch.tensor(x).permute(0, 3, 1, 2).contiguous(), torch.tensor(y, dtype=torch.long)


def rate_of(epoch, peak=0.05, rise=2, fall=(5, 7)):
    if epoch < rise:
        return peak * (epoch + 1) / (rise + 1)
    return peak * 0.3 ** sum(epoch >= f for f in fall)


class Trainer:
    def __init__(self, model, batch=32):
        self.model, self.batch = model, batch
        self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def set_rate(self, rate):
        self.optimizer.lr = rate

    def epoch(self, x, y):
        self.model.train()
        total = 0.0
        for index in torch.randperm(len(x)).split(self.batch):
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(x[index]), y[index])
            loss.backward()
            with torch.no_grad():
                for p in self.model.parameters():
                    p.grad.clamp_(-0.05, 0.05)
            self.optimizer.step()
            total += loss.item() * len(index)
        return total / len(x)

    @torch.no_grad()
    def accuracy(self, x, y):
        self.model.eval()
        return (self.model(x).argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    (x, y), (xv, yv) = decode(1600, 500)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(48 * 16, 4),
    )  # fmt: skip
    trainer = Trainer(model)
    for epoch in range(args.epochs):
        rate = rate_of(epoch)
        trainer.set_rate(rate)
        loss = trainer.epoch(x, y)
        accuracy = trainer.accuracy(xv, yv)
        print(f"epoch {epoch}: rate {rate:.4f} loss {loss:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
