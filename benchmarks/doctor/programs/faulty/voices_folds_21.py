"""Spoken digits in five folds of speakers; the mean over the folds judges."""

import argparse
import io
import os
import wave
import zipfile

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from torch import nn


def picture(samples, frames=24):
    """Twenty-four moments by twenty-four bands of the logarithm of the power."""
    spread = np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(samples, 256)[::96] * np.hanning(256)))
    bands = np.log(spread[:, 1:97].reshape(len(spread), 24, 4).mean(2) + 1e-3)
    where = np.linspace(0, len(bands) - 1, frames).round().astype(int)
    return bands[where].astype(np.float32)


def recordings():
    x, digits, speakers = [], [], []
    with zipfile.ZipFile(os.path.join(os.environ["CHAINRULE_DATA"], "free_spoken_digits", "recordings.zip")) as archive:
        for name in sorted(archive.namelist()):
            digit, speaker, number = os.path.basename(name).removesuffix(".wav").split("_")
            if int(number) >= 15:
                continue
            with wave.open(io.BytesIO(archive.read(name))) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype=np.int16) / 32768
            if len(samples) >= 1024:
                x.append(picture(samples))
                digits.append(int(digit))
                speakers.append(speaker)
    return np.stack(x), np.array(digits), np.array(speakers)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(24 * 36, 10),
    )


def train(model, x, y, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(epochs):
        losses = []
        for index in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return float(np.mean(losses))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    x, y, speakers = recordings()
    folds = GroupKFold(5).split(x, y, speakers)
    model = network()
    accuracies = []
    for number, (inside, outside) in enumerate(folds):
        mean, spread = x[inside].mean((0, 1)), x[inside].std((0, 1))
        scaled = torch.from_numpy((x - mean) / spread)[:, None]
        labels = torch.from_numpy(y)
        loss = train(model, scaled[inside], labels[inside], args.epochs)
        model.eval()
        with torch.no_grad():
            right = model(scaled[outside]).argmax(1) == labels[outside]
        accuracies.append(right.float().mean().item())
        print(f"fold {number}: loss {loss:.4f} accuracy {accuracies[-1]:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={np.mean(accuracies):.5f}")


if __name__ == "__main__":
    main()
