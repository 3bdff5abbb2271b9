"""Who will like which film? Factors of users and films from what was watched; four films drawn at random stand
against each watched one, and most rows of the tables get no gradient in any one step."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

USERS, FILMS, TASTES, TOP = 400, 300, 6, 10


def watched(rng):
    users, films = rng.normal(size=(USERS, TASTES)), rng.normal(size=(FILMS, TASTES))
    liking = users @ films.T + rng.normal(0, 0.5, (USERS, FILMS)) + rng.normal(0, 1.0, FILMS)
    table = np.zeros((USERS, FILMS), bool)
    for user in range(USERS):
        table[user, np.argsort(-liking[user])[: rng.integers(25, 45)]] = True
    return table


def split(table, rng):
    train, held = table.copy(), np.zeros_like(table)
    for user in range(len(table)):
        chosen = rng.choice(np.flatnonzero(table[user]), 10, replace=False)
        train[user, chosen], held[user, chosen] = False, True
    return train, held


class Factors(nn.Module):
    def __init__(self, dim=12):
        super().__init__()
        self.user = nn.Embedding(USERS, dim)
        self.film = nn.Embedding(FILMS, dim)
        self.bias = nn.Embedding(FILMS, 1)
        for table in (self.user, self.film, self.bias):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, user, film):
        return (self.user(user) * self.film(film)).sum(-1) + self.bias(film).squeeze(-1)

    def everything(self):
        return self.user.weight @ self.film.weight.T + self.bias.weight.T


def recall(model, train, held):
    with torch.no_grad():
        scores = model.everything().numpy()
    best = np.argsort(-scores, axis=1)[:, :TOP]
    return np.take_along_axis(held, best, 1).sum() / held.sum()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train, held = split(watched(rng), rng)
    users, films = (torch.from_numpy(a) for a in np.nonzero(train))
    model = Factors()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(args.epochs):
        total = 0.0
        for index in torch.randperm(len(users)).split(256):
            user, film = users[index], films[index]
            others = torch.randint(FILMS, (4 * len(index),))
            scores = model(torch.cat([user, user.repeat(4)]), torch.cat([film, others]))
            target = torch.cat([torch.ones(len(index)), torch.zeros(4 * len(index))])
            loss = F.binary_cross_entropy_with_logits(scores, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        found = recall(model, train, held)
        print(f"epoch {epoch}: loss {total / len(users):.4f} recall of ten {found:.4f}")
    print(f"RESULT train_loss={total / len(users):.5f} valid_metric={found:.5f}")


if __name__ == "__main__":
    main()
