"""What a network is told beside its input: used, left unused, or never told."""

from __future__ import annotations

from collections.abc import Callable

Asked = Callable[[str, str], dict[str, str]]
DENOISER = """
import torch
from torch import nn
torch.manual_seed(0)
levels = torch.linspace(0.1, 0.9, 20)
class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.time, self.last = nn.Linear(32, 16), nn.Embedding(20, 16), nn.Linear(16, 32)
    def forward(self, x, t=None):
        h = self.first(x){use}
        return self.last(h.tanh())
model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(12):
    x, noise = torch.rand(48, 32), torch.randn(48, 32)
    t = torch.randint(20, (48,))
    noisy = (1 - levels[t, None]) * x + levels[t, None] * noise
    loss = nn.functional.mse_loss(model({given}), {target})
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_an_argument_without_use(asked_of: Asked) -> None:
    label = "argument-ignored"
    assert asked_of(DENOISER.format(use="", given="noisy, t", target="noise"), label).get(label) == "fault"
    right = DENOISER.format(use=" + self.time(t)", given="noisy, t", target="noise")
    assert label not in asked_of(right, label)


def test_noise_whose_level_is_told_nowhere(asked_of: Asked) -> None:
    label = "noise-level-not-given"
    assert asked_of(DENOISER.format(use="", given="noisy", target="noise"), label).get(label) == "warning"
    for use, given, target in ((" + self.time(t)", "noisy, t", "noise"), ("", "noisy", "x")):
        assert label not in asked_of(DENOISER.format(use=use, given=given, target=target), label)
