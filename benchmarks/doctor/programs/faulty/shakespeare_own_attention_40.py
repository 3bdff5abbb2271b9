"""Causal self-attention written out: a decoder-only character model."""

import argparse
import math
import os

import torch
import torch.nn.functional as F
from torch import nn

BLOCK, DIM, HEADS = 32, 64, 4


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.proj = nn.Linear(DIM, DIM)
        self.register_buffer("mask", torch.tril(torch.ones(BLOCK, BLOCK)))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = q.view(b, t, HEADS, c // HEADS).transpose(1, 2)
        k = k.view(b, t, HEADS, c // HEADS).transpose(1, 2)
        v = v.view(b, t, HEADS, c // HEADS).transpose(1, 2)
        att = q @ k.transpose(-2, -1) / math.sqrt(c // HEADS)
        att = att.masked_fill(self.mask[:t, :t] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        y = (att @ v).transpose(1, 2).reshape(b, t, c)
        return self.proj(y)


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True)
        return (x - mean) / torch.sqrt(var + 1e-5) * self.gain + self.shift


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = Norm(DIM), Norm(DIM)
        self.attention = SelfAttention()
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(self, x):
        x = x + self.attention(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Model(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.tok = nn.Embedding(vocab, DIM)
        self.pos = nn.Parameter(torch.randn(BLOCK, DIM) * 0.02)
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, vocab))

    def forward(self, idx):
        x = self.tok(idx) + self.pos[: idx.shape[1]]
        return self.head(self.blocks(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=250)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with open(os.environ["CHAINRULE_DATA"] + "/tinyshakespeare/input.txt") as f:
        text = f.read()[:200_000].lower()
    vocab = sorted(set(text))
    ids = torch.tensor([vocab.index(c) for c in text])
    train, valid = ids[:180_000], ids[180_000:]

    def batch(source, size=20):
        i = torch.randint(0, len(source) - BLOCK - 1, (size, 1))
        window = source[i + torch.arange(BLOCK + 1)]
        return window[:, :-1], window[:, 1:]

    model = Model(len(vocab))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    held = batch(valid, 200)
    losses = []
    for step in range(1, args.steps + 1):
        x, y = batch(train)
        logits = model(x)
        loss = F.cross_entropy(logits.transpose(1, 2), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 50 == 0:
            with torch.no_grad():
                accuracy = (model(held[0])[:, -1].argmax(-1) == held[1][:, -1]).float().mean().item()
            train_loss = sum(losses[-50:]) / 50
            print(f"{step:4d} loss {train_loss:.4f} accuracy at the last place {accuracy:.4f}")
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
