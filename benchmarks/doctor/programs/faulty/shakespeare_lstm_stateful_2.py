"""Truncated backpropagation through time: the LSTM's state is carried from window to window and detached."""

import argparse
import os

import torch
from torch import nn

SPAN, ROWS = 32, 32


class CharLSTM(nn.Module):
    def __init__(self, vocab, dim=32, hidden=96):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.lstm = nn.LSTM(dim, hidden)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, x, state=None):
        h, state = self.lstm(self.embed(x), state)
        return self.out(h), state


def rows(ids, n):
    length = len(ids) // n
    return ids[: n * length].view(n, length).t().contiguous()


def evaluate(model, stream):
    model.eval()
    state, right, count = None, 0, 0
    with torch.no_grad():
        for start in range(0, len(stream) - 1 - SPAN, SPAN):
            x, y = stream[start : start + SPAN], stream[start + 1 : start + SPAN + 1]
            scores, state = model(x, state)
            right += (scores.argmax(-1) == y).sum().item()
            count += y.numel()
    return right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    path = os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")
    with open(path, encoding="ascii") as file:
        text = file.read(120_000)
    alphabet = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([alphabet[c] for c in text])
    train, valid = rows(ids[:108_000], ROWS), rows(ids[108_000:], 8)
    model = CharLSTM(len(alphabet))
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        state, total, count = None, 0.0, 0
        for start in range(0, len(train) - 1 - SPAN, SPAN):
            x, y = train[start : start + SPAN], train[start + 1 : start + SPAN + 1]
            if state is not None:
                state = tuple(s.detach() for s in state)
            scores, state = model(x, state)
            loss = loss_fn(scores[:-1].flatten(0, 1), y[1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, count = total + loss.item(), count + 1
        accuracy = evaluate(model, valid)
        print(f"epoch {epoch}: loss {total / count:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={total / count:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
