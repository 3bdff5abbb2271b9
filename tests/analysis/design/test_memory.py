"""What training keeps is what autograd keeps; what an answer needs is what lives at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chainrule.analysis.design import design_network
from chainrule.core.errors import UsageError
from chainrule.models import MODELS


class Attend(nn.Module):
    def __init__(self, heads: bool) -> None:
        super().__init__()
        self.qkv, self.heads = nn.Linear(16, 48), heads

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.heads:
            q, k, v = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in (q, k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v)


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm(self.conv(x)))
        return (y + torch.sigmoid(y)).mean((2, 3))


CASES = {
    "convolutions": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3)),
        (2, 3, 16, 16),
    ),
    "in place": (InPlace, (2, 3, 8, 8)),
    "dropout": (lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.GELU(), nn.Linear(8, 2)), (4, 8)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Tanh()), (4, 5, 8)),
    "group norm": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.SiLU()), (2, 3, 8, 8)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 2, 2), nn.ELU(), nn.Upsample(scale_factor=2)),
        (1, 3, 4, 4),
    ),
    "mean pooling": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)), (1, 3, 8, 8)),
    "frozen stem": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3).requires_grad_(False), nn.ReLU(), nn.Conv2d(4, 4, 3)),
        (1, 3, 9, 9),
    ),
    "attention without heads": (lambda: Attend(False), (2, 6, 16)),
    "attention with heads": (lambda: Attend(True), (2, 6, 16)),
    "recurrence": (lambda: nn.GRU(4, 8), (5, 2, 4)),
    "mobilenet": (lambda: MODELS.resolve("mobilenet")((3, 32, 32), 10, stem_stride=1), (2, 3, 32, 32)),
}


def really_kept(network: nn.Module, given: Tensor) -> int:
    """Bytes that autograd keeps on real tensors, each memory once, parameters and buffers left out."""
    known = {t.untyped_storage()._cdata for t in (*network.parameters(), *network.buffers())}
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            sizes[storage._cdata] = storage.nbytes()
            alive.append(tensor)
        return tensor

    fused = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(not isinstance(network, nn.GRU))
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = network.train()(given)
    finally:
        torch._C._set_mkldnn_enabled(fused)
    assert out is not None
    return sum(sizes.values())


@pytest.mark.parametrize("name", CASES)
def test_kept_for_the_way_back_is_what_autograd_keeps(name: str) -> None:
    build, shape = CASES[name]
    torch.manual_seed(0)
    network, given = build(), torch.randn(shape)
    found = design_network(network, [given])
    assert found.memory.kept == sum(row.kept for row in found.rows) > 0
    assert found.memory.kept == really_kept(network, given)


def test_one_example_of_size_one_has_a_size_though_no_spread() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
    one, two = (design_network(network, [torch.zeros(n, 4)]) for n in (1, 2))
    assert one.notes == ()
    moments = 4 * 2 * 8  # mean and deviation are kept once, whatever the batch
    assert 2 * (one.memory.kept - moments) == two.memory.kept - moments


def test_training_adds_gradients_and_what_the_optimizer_remembers() -> None:
    network, given = nn.Linear(10, 10), [torch.zeros(1, 10)]
    size = 4 * 110
    for optimizer, copies in (("sgd", 0), ("momentum", 1), ("adam", 2)):
        memory = design_network(network, given, optimizer=optimizer).memory
        assert (memory.gradients, memory.state) == (size, copies * size)
        assert memory.training == size + memory.kept + size + copies * size
    with pytest.raises(UsageError, match='no optimizer "adm".*did you mean "adam"'):
        design_network(network, given, optimizer="adm")


def test_an_answer_needs_the_widest_layer_with_what_it_reads() -> None:
    network = nn.Sequential(nn.Linear(10, 1000), nn.ReLU(), nn.Linear(1000, 10))
    assert design_network(network, [torch.zeros(1, 10)]).memory.peak == 4 * (10 + 1000 + 1000)
    in_place = nn.Sequential(nn.Linear(10, 1000), nn.ReLU(inplace=True), nn.Linear(1000, 10))
    assert design_network(in_place, [torch.zeros(1, 10)]).memory.peak == 4 * (10 + 1000 + 10)


def test_a_skip_keeps_its_tensor_alive() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.wide, self.back = nn.Linear(4, 100), nn.Linear(100, 500), nn.Linear(500, 100)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return x + self.back(self.wide(x))

    assert design_network(Skip(), [torch.zeros(1, 4)]).memory.peak == 4 * (4 + 100 + 500 + 100)
