"""A word-model recipe on letters: plain SGD with a rate of four, gradients clipped, the rate cut when validation stalls."""

import argparse
import os

import torch
from torch import nn

SPAN, ROWS, CLIP = 25, 40, 0.5


class LetterRNN(nn.Module):
    def __init__(self, letters, hidden=96):
        super().__init__()
        self.embed = nn.Embedding(letters, hidden)
        self.rnn = nn.RNN(hidden, hidden, nonlinearity="relu")
        self.out = nn.Linear(hidden, letters)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        nn.init.zeros_(self.out.bias)
        nn.init.uniform_(self.out.weight, -0.1, 0.1)
        nn.init.eye_(self.rnn.weight_hh_l0)

    def forward(self, x, state):
        states, state = self.rnn(self.embed(x), state)
        return self.out(states), state


def columns(ids, count):
    return ids[: len(ids) // count * count].view(count, -1).t().contiguous()


def evaluate(model, stream):
    model.eval()
    state, losses, right, count = None, [], 0, 0
    with torch.no_grad():
        for i in range(0, len(stream) - SPAN - 1, SPAN):
            scores, state = model(stream[i : i + SPAN], state)
            wanted = stream[i + 1 : i + SPAN + 1]
            losses.append(nn.functional.cross_entropy(scores.flatten(0, 1), wanted.flatten()).item())
            right += (scores.argmax(-1) == wanted).sum().item()
            count += wanted.numel()
    return sum(losses) / len(losses), right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    with open(os.path.join(os.environ["CHAINRULE_DATA"], "tinyshakespeare", "input.txt")) as f:
        text = f.read(130_000)
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([index[c] for c in text])
    train, valid = columns(ids[:120_000], ROWS), columns(ids[120_000:], 10)
    model = LetterRNN(len(index))
    rate, best = 4.0, float("inf")
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for epoch in range(args.epochs):
        model.train()
        state, total, count = None, 0.0, 0
        for i in range(0, len(train) - SPAN - 1, SPAN):
            scores, state = model(train[i : i + SPAN], state)
            state = state.detach()
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), train[i + 1 : i + SPAN + 1].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            total, count = total + loss.item(), count + 1
        valid_loss, accuracy = evaluate(model, valid)
        print(f"epoch {epoch}: rate {rate:.2f} loss {total / count:.4f} valid {valid_loss:.4f} accuracy {accuracy:.4f}")
        if valid_loss < best:
            best = valid_loss
        else:
            rate /= 4
            for group in optimizer.param_groups:
                group["lr"] = rate
    print(f"RESULT train_loss={total / count:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
