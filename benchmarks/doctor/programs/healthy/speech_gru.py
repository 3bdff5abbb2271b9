"""Spoken digits: a spectrogram per recording, a GRU over its frames."""

import argparse
import io
import os
import wave
import zipfile

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

WINDOW, HOP = 256, 128


def spectrogram(samples):
    frames = torch.tensor(samples, dtype=torch.float32).unfold(0, WINDOW, HOP)
    power = torch.fft.rfft(frames * torch.hann_window(WINDOW)).abs()[:, 1:65]
    return torch.log(power + 1e-3)


def load():
    train, valid = [], []
    archive = os.path.join(os.environ["CHAINRULE_DATA"], "free_spoken_digits", "recordings.zip")
    with zipfile.ZipFile(archive) as z:
        for name in sorted(n for n in z.namelist() if n.endswith(".wav")):
            digit, _speaker, index = os.path.basename(name)[:-4].split("_")
            if int(index) >= 15:
                continue
            with wave.open(io.BytesIO(z.read(name))) as w:
                samples = np.frombuffer(w.readframes(w.getnframes()), np.int16) / 32768
            if len(samples) >= WINDOW:
                (valid if int(index) < 5 else train).append((spectrogram(samples[:8000]), int(digit)))
    return train, valid


class Listener(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(64, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def forward(self, frames, lengths):
        packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)
        return self.out(last[0])


def batch(items, mean, std):
    frames = [(f - mean) / std for f, _ in items]
    lengths = torch.tensor([len(f) for f in frames])
    return pad_sequence(frames, batch_first=True), lengths, torch.tensor([d for _, d in items])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train, valid = load()
    everything = torch.cat([f for f, _ in train])
    mean, std = everything.mean(0), everything.std(0)
    model = Listener()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    x_valid, n_valid, y_valid = batch(valid, mean, std)
    for epoch in range(args.epochs):
        losses = []
        for index in torch.randperm(len(train)).split(30):
            x, n, y = batch([train[i] for i in index], mean, std)
            loss = nn.functional.cross_entropy(model(x, n), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            accuracy = (model(x_valid, n_valid).argmax(1) == y_valid).float().mean().item()
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={np.mean(losses):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
