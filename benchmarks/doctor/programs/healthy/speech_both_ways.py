"""Spoken digits with a bidirectional LSTM over packed spectrograms."""

import argparse
import io
import os
import wave
import zipfile

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence


def features(samples):
    frames = torch.from_numpy(samples).unfold(0, 256, 160)
    power = torch.fft.rfft(frames * torch.hamming_window(256)).abs()[:, 1:97]
    return torch.log(power.view(len(power), 32, 3).mean(2) + 1e-3)


def recordings(per_speaker=14):
    path = os.path.join(os.environ["CHAINRULE_DATA"], "free_spoken_digits", "recordings.zip")
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".wav"):
                continue
            digit, _, take = os.path.basename(name)[:-4].split("_")
            if int(take) >= per_speaker:
                continue
            with wave.open(io.BytesIO(archive.read(name))) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)[:7000]
            if len(samples) > 512:
                yield features(samples.astype(np.float32) / 32768), int(digit), int(take)


class BothWays(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.lstm = nn.LSTM(32, hidden, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(2 * hidden, 10)

    def forward(self, frames, lengths):
        lengths, order = lengths.sort(descending=True)
        packed = pack_padded_sequence(frames[order], lengths, batch_first=True)
        _, (state, _) = self.lstm(packed)
        scores = self.classify(torch.cat([state[0], state[1]], dim=1))
        return scores[order.argsort()]


def collate(items):
    lengths = torch.tensor([len(f) for f, _ in items])
    return pad_sequence([f for f, _ in items], batch_first=True), lengths, torch.tensor([d for _, d in items])


def run(seed, epochs):
    torch.manual_seed(seed)
    everything = list(recordings())
    train = [(f, d) for f, d, take in everything if take >= 4]
    valid = [(f, d) for f, d, take in everything if take < 4]
    stacked = torch.cat([f for f, _ in train])
    mean, std = stacked.mean(0), stacked.std(0)
    train = [((f - mean) / std, d) for f, d in train]
    valid = [((f - mean) / std, d) for f, d in valid]
    loader = torch.utils.data.DataLoader(train, batch_size=25, shuffle=True, collate_fn=collate)
    xv, nv, yv = collate(valid)
    model = BothWays()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(epochs):
        total = 0.0
        for x, n, y in loader:
            loss = nn.functional.cross_entropy(model(x, n), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(y)
        with torch.no_grad():
            accuracy = (model(xv, nv).argmax(1) == yv).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(train):.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / len(train):.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=7)
    args = parser.parse_args()
    run(args.seed, args.epochs)
