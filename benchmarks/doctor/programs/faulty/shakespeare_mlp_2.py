"""A fixed window of eight characters, embedded, concatenated, and an MLP that predicts the next one."""

import argparse
import os

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=1200)
args = parser.parse_args()
generator = torch.Generator().manual_seed(args.seed)

lines = open(os.environ["CHAINRULE_DATA"] + "/tinyshakespeare/input.txt").read()[:150_000]
itos = dict(enumerate(sorted(set(lines))))
stoi = {c: i for i, c in itos.items()}
ids = torch.tensor([stoi[c] for c in lines])
WINDOW, EMBED, HIDDEN, VOCAB = 8, 16, 128, len(itos)

contexts = ids.unfold(0, WINDOW, 1)[:-1]
targets = ids[WINDOW:]
cut = int(0.9 * len(targets))
x_train, y_train, x_valid, y_valid = contexts[:cut], targets[:cut], contexts[cut:], targets[cut:]

C = torch.randn(VOCAB, EMBED, generator=generator)
W1 = torch.randn(WINDOW * EMBED, HIDDEN, generator=generator)
b1 = torch.zeros(HIDDEN)
W2 = torch.randn(HIDDEN, VOCAB, generator=generator)
b2 = torch.zeros(VOCAB)
parameters = [C, W1, b1, W2, b2]
for p in parameters:
    p.requires_grad = True


def scores(x):
    h = torch.tanh(C[x].flatten(1) @ W1 + b1)
    return h @ W2 + b2


running = 0.0
for step in range(1, args.steps + 1):
    pick = torch.randint(0, cut, (64,), generator=generator)
    loss = F.cross_entropy(scores(x_train[pick]), y_train[pick])
    for p in parameters:
        p.grad = None
    loss.backward()
    rate = 0.2 if step < 0.7 * args.steps else 0.02
    for p in parameters:
        p.data -= rate * p.grad
    running += loss.item()
    if step % 200 == 0:
        train_loss = running / 200
        running = 0.0
        with torch.no_grad():
            accuracy = (scores(x_valid).argmax(1) == y_valid).float().mean().item()
        print(f"step {step}: loss {train_loss:.4f} accuracy {accuracy:.4f}")
print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")
