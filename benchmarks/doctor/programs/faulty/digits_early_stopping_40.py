"""Three parts of the data: fit, choose the best epoch, then report once on the test part."""

import argparse
import copy

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy


def parts(seed):
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    x, x_test, y, y_test = train_test_split(x, y, test_size=300, random_state=seed, stratify=y)
    x, x_valid, y, y_valid = train_test_split(x, y, test_size=300, random_state=seed, stratify=y)
    return {
        "train": (torch.from_numpy(x), torch.from_numpy(y)),
        "valid": (torch.from_numpy(x_valid), torch.from_numpy(y_valid)),
        "test": (torch.from_numpy(x_test), torch.from_numpy(y_test)),
    }


def measure(model, pair):
    model.eval()
    with torch.no_grad():
        scores = model(pair[0])
    return cross_entropy(scores, pair[1]).item(), (scores.argmax(1) == pair[1]).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data = parts(args.seed)
    x, y = data["train"]
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    best, best_state, waited = 0.0, copy.deepcopy(model.state_dict()), 0
    for epoch in range(args.epochs):
        model.train()
        for index in torch.randperm(len(x)).split(30):
            optimizer.zero_grad()
            cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
        loss, accuracy = measure(model, data["valid"])
        print(f"epoch {epoch}: valid loss {loss:.4f}, accuracy {accuracy:.4f}")
        if loss < best:
            best, best_state, waited = loss, copy.deepcopy(model.state_dict()), 0
        else:
            waited += 1
            if waited == 5:
                break
    model.load_state_dict(best_state)
    train_loss, _ = measure(model, data["train"])
    _, accuracy = measure(model, data["test"])
    print(f"RESULT train_loss={train_loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
