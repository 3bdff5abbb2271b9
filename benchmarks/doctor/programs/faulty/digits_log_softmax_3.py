"""log_softmax in the model and nll_loss outside, Adagrad."""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(64, 100)
        self.fc2 = torch.nn.Linear(100, 50)
        self.fc3 = torch.nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return F.log_softmax(x, dim=0)


def train(model, optimizer, x, y, batch_size=40):
    model.train()
    total = 0.0
    for index in torch.randperm(len(x)).split(batch_size):
        optimizer.zero_grad()
        output = model(x[index])
        loss = F.nll_loss(output, y[index])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    return total / len(x)


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        output = model(x)
        pred = output.argmax(dim=1, keepdim=True)
        return pred.eq(y.view_as(pred)).sum().item() / len(y)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x = torch.FloatTensor(x) / 16
    y = torch.LongTensor(y)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=args.seed)
    model = Net()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.02)
    for epoch in range(1, args.epochs + 1):
        loss = train(model, optimizer, x_train, y_train)
        accuracy = test(model, x_test, y_test)
        print(f"Train epoch {epoch}: loss {loss:.4f}, test accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={loss:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
