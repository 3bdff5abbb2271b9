"""Learn the digits from rewards alone: guess, see whether the guess was right, and make good guesses likelier."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.hidden = nn.Linear(64, width)
        self.choice = nn.Linear(width, 10)

    def forward(self, x):
        return Categorical(logits=self.choice(torch.relu(self.hidden(x))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    train, valid = order[:1400], order[1400:]
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
    baseline, recent = 0.1, []
    for step in range(1, args.steps + 1):
        index = train[torch.randint(len(train), (64,))]
        beliefs = policy(x[index])
        guess = beliefs.sample()
        reward = (guess == y[index]).float()
        gain = -((reward - baseline) * beliefs.log_prob(guess)).mean()
        loss = gain - 0.01 * beliefs.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        baseline = 0.95 * baseline + 0.05 * reward.mean().item()
        recent.append(loss.item())
        if step % 150 == 0:
            with torch.no_grad():
                accuracy = (policy(x[valid]).logits.argmax(1) == y[valid]).float().mean().item()
            loss_now = sum(recent[-150:]) / 150
            print(f"step {step}: reward {baseline:.3f} loss {loss_now:.4f} accuracy {accuracy:.4f}")
    print(f"RESULT train_loss={loss_now:.5f} valid_metric={accuracy:.5f}")


if __name__ == "__main__":
    main()
