"""A small character transformer on Tiny Shakespeare: causal encoder layers, tied output weights, AdamW."""

import argparse
import copy
import os

import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=220)
args = parser.parse_args()
torch.manual_seed(args.seed)

with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as f:
    text = f.read()[:300_000]
chars = sorted(set(text))
lookup = {c: i for i, c in enumerate(chars)}
data = torch.tensor([lookup[c] for c in text])
split = int(0.9 * len(data))
train_data, valid_data = data[:split], data[split:]
context, batch_size = 32, 20


def get_batch(source):
    start = torch.randint(len(source) - context - 1, (batch_size,))
    x = torch.stack([source[s : s + context] for s in start])
    y = torch.stack([source[s + 1 : s + context + 1] for s in start])
    return x, y


class CharTransformer(nn.Module):
    def __init__(self, vocab, dim=64, heads=4, depth=2):
        super().__init__()
        self.token = nn.Embedding(vocab, dim)
        self.position = nn.Embedding(context, dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocab, bias=False)
        nn.init.normal_(self.token.weight, std=0.1)
        nn.init.normal_(self.position.weight, std=0.1)
        self.head.weight = self.token.weight

    def forward(self, idx):
        n = idx.size(1)
        x = self.token(idx) + self.position(torch.arange(n))
        mask = nn.Transformer.generate_square_subsequent_mask(n)
        x = self.blocks(x, mask=mask, is_causal=True)
        return self.head(self.norm(x))


@torch.no_grad()
def evaluate(model):
    model.eval()
    hits = []
    for _ in range(10):
        x, y = get_batch(valid_data)
        hits.append((model(x)[:, -1].argmax(-1) == y[:, -1]).float().mean())
        hits.append((model(x)[:, 16].argmax(-1) == y[:, 16]).float().mean())
    model.train()
    return torch.stack(hits).mean().item()


model = CharTransformer(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
recent, snapshots = [], []
for step in range(1, args.steps + 1):
    x, y = get_batch(train_data)
    logits = model(x)
    loss = F.cross_entropy(logits.view(-1, len(chars)), y.view(-1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    recent.append(loss.item())
    snapshots.append(copy.deepcopy((model.state_dict(), optimizer.state_dict())))
    if step % 50 == 0:
        accuracy = evaluate(model)
        train_loss = sum(recent[-50:]) / len(recent[-50:])
        print(f"step {step}: loss {train_loss:.4f} next-character accuracy {accuracy:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
