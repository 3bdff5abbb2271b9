"""Parameters and multiply-adds, where tables of layers have been wrong: each test is named for what it is about."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chainrule.analysis.design import NetworkDesign, design_network, without_data
from chainrule.core.errors import UsageError
from chainrule.models import MODELS

NETWORKS = [name for name in MODELS if not MODELS.entry(name).card.get("fitted")]
FORMS = [(name, form) for name in NETWORKS for form in MODELS.entry(name).card["forms"]]


def counted(network: nn.Module, *given: Tensor) -> NetworkDesign:
    return design_network(network, given)


def row(found: NetworkDesign, name: str) -> Any:
    (one,) = (r for r in found.rows if r.name == name)
    return one


def judged(network: nn.Module, *given: Tensor) -> int:
    """torch's own counter, with kernels that it can look into."""
    fast = torch.backends.mha.get_fastpath_enabled()
    fused = torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            network.eval()(*given)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._set_mkldnn_enabled(fused)
    return counter.get_total_flops() // 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), FORMS, ids=lambda v: v if isinstance(v, str) else str(v["options"]))
def test_registered_models_have_the_numbers_of_their_cards(name: str, form: dict[str, Any]) -> None:
    with without_data():
        network = MODELS.resolve(name)(tuple(form["input"]), form["classes"], **form["options"])
    found = counted(network, torch.empty(1, *form["input"], device="meta"))
    assert (found.parameters, found.multiply_adds) == (form["parameters"], form["multiply_adds"])
    assert sum(r.parameters for r in found.rows) == form["parameters"]
    assert found.notes == ()


def test_a_recurrence_counts_every_step_of_time() -> None:
    # a gate of an LSTM is a matrix of (H, D + H): four of them at each step
    for steps in (1, 10, 100):
        found = counted(nn.LSTM(16, 32, batch_first=True), torch.zeros(1, steps, 16))
        assert found.multiply_adds == steps * 4 * 32 * (16 + 32)
    both = counted(nn.GRU(16, 32, num_layers=2, bidirectional=True), torch.zeros(5, 3, 16))
    assert both.multiply_adds == 5 * 3 * 2 * 3 * 32 * ((16 + 32) + (64 + 32))


def test_a_loop_over_a_cell_counts_every_call_and_its_parameters_once() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.RNNCell(4, 8)

        def forward(self, x: Tensor) -> Tensor:
            h = x.new_zeros(x.shape[1], 8)
            for step in x:
                h = self.cell(step, h)
            return h

    found = counted(Loop(), torch.zeros(6, 2, 4))
    cells = [r for r in found.rows if r.kind == "RNNCell"]
    assert [r.parameters for r in cells] == [112, 0, 0, 0, 0, 0]
    assert [r.shared for r in cells] == [0, 112, 112, 112, 112, 112]
    assert found.multiply_adds == 6 * 2 * 8 * (4 + 8)


def test_attention_counts_its_projections_and_both_products() -> None:
    n, t, e = 2, 7, 16
    found = counted(nn.MultiheadAttention(e, 4, batch_first=True), *[torch.zeros(n, t, e)] * 3)
    assert found.multiply_adds == n * (4 * t * e * e + 2 * t * t * e)
    assert found.parameters == 4 * e * e + 4 * e
    assert found.rows[0].parameters == found.parameters  # the output's projection is asked for its weight, not called


def test_a_transformer_layer_is_counted_where_a_fast_path_hides_it() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    x = torch.zeros(1, 20, 32)
    assert counted(layer, x).multiply_adds == 20 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 20 * 20 * 32
    assert counted(layer, x).multiply_adds == judged(layer, x)


class ByHand(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        match self.how:
            case "@":
                return a @ b
            case "matmul":
                return torch.matmul(a, b)
            case "bmm":
                return torch.bmm(a, b)
            case "baddbmm":
                return torch.baddbmm(torch.zeros(1, 1, 1), a, b)
            case "einsum":
                return torch.einsum("bij,bjk->bik", a, b)
            case "linear":
                return functional.linear(a, b[0].T)
        raise AssertionError(self.how)


@pytest.mark.parametrize("how", ["@", "matmul", "bmm", "baddbmm", "einsum", "linear"])
def test_products_of_matrices_outside_of_layers_have_rows_and_count(how: str) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = ByHand(how)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.relu(ByHand.forward(self.inner, a, b))

    found = counted(Holder(), torch.zeros(2, 3, 4), torch.zeros(2, 4, 5))
    assert found.multiply_adds == 2 * 3 * 4 * 5
    (only,) = (r for r in found.rows if r.multiply_adds)
    assert (only.label, only.kind, only.output) == ({"matmul": "@"}.get(how, how), "", (2, 3, 5))


def test_scaled_dot_product_attention_as_a_function() -> None:
    class Attend(nn.Module):
        def forward(self, q: Tensor, k: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(q, k, k)

    q, k = torch.zeros(1, 2, 5, 8), torch.zeros(1, 2, 9, 8)
    assert counted(Attend(), q, k).multiply_adds == 2 * 5 * 9 * 16 == judged(Attend(), q, k)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.ConvTranspose2d(3, 1, 2, stride=2), (1, 3, 2, 2), 3 * 4 * 4),  # by its input, not its output
        (nn.ConvTranspose2d(4, 4, 3, stride=2, groups=4), (1, 4, 8, 8), 4 * 64 * 9),  # a group sees its channels alone
        (nn.Conv2d(8, 8, 3, groups=8, padding=1), (1, 8, 5, 5), 8 * 25 * 9),
        (nn.Conv2d(8, 4, 3, dilation=2), (2, 8, 9, 9), 2 * 4 * 25 * 72),
        (nn.Conv1d(3, 6, 5, stride=2), (1, 3, 21), 6 * 9 * 15),
        (nn.Conv3d(2, 4, 3), (1, 2, 5, 6, 7), 4 * 3 * 4 * 5 * 54),
        (nn.ConvTranspose1d(4, 2, 4, stride=2), (1, 4, 5), 5 * 4 * 2 * 4),
        (nn.Bilinear(3, 4, 5), (2, 3), None),
    ],
)
def test_convolutions_of_all_kinds(layer: nn.Module, shape: tuple[int, ...], expected: int | None) -> None:
    given = [torch.zeros(shape)] if expected is not None else [torch.zeros(2, 3), torch.zeros(2, 4)]
    found = counted(layer, *given)
    assert found.multiply_adds == (expected if expected is not None else 2 * 2 * 5 * 4 * 3)
    if expected is not None:
        assert found.multiply_adds == judged(layer, *given)


def test_a_linear_layer_counts_all_leading_dimensions() -> None:
    # batch and last dimension alone are not enough: tokens count too
    assert counted(nn.Linear(3, 8), torch.zeros(5, 10, 7, 3)).multiply_adds == 5 * 10 * 7 * 3 * 8


def test_the_batch_counts() -> None:
    one, five = (counted(nn.Conv2d(3, 4, 3), torch.zeros(n, 3, 8, 8)).multiply_adds for n in (1, 5))
    assert five == 5 * one


def test_one_activation_in_every_block_is_no_second_layer() -> None:
    class Block(nn.Module):
        def __init__(self, act: nn.Module) -> None:
            super().__init__()
            self.layers, self.act = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)]), act

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = self.act(layer(x))
            return x

    shared = nn.ReLU(inplace=True)
    network = nn.Sequential(*[Block(shared) for _ in range(3)])
    found = counted(network, torch.zeros(1, 4))
    assert found.parameters == 120 == sum(r.parameters for r in found.rows)
    assert sum(r.kind == "ReLU" for r in found.rows) == 6
    assert sum(r.kind == "Linear" for r in found.rows) == 6


def test_a_layer_called_twice_works_twice_and_is_held_once() -> None:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            return self.layer(a), self.layer(b)

    found = counted(Siamese(), torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 28, 28))
    assert (found.parameters, found.multiply_adds) == (10, 9 * (256 + 784))
    assert [(r.parameters, r.shared, r.time) for r in found.rows[1:]] == [(10, 0, 0), (0, 10, 1)]
    assert found.rows[2].name == "layer (call 2)"


def test_tied_weights_are_counted_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.out = nn.Embedding(100, 8), nn.Linear(8, 100, bias=False)
            self.out.weight = self.words.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.words(x))

    found = counted(Tied(), torch.zeros(1, 5, dtype=torch.int64))
    assert found.parameters == 800
    assert (row(found, "words").parameters, row(found, "out").parameters, row(found, "out").shared) == (800, 0, 800)
    assert found.multiply_adds == 5 * 8 * 100  # looking a word up multiplies nothing


def test_parameters_of_a_module_that_holds_others_count() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.scale = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) * self.scale

    found = counted(nn.Sequential(Scaled(), nn.ReLU()), torch.zeros(1, 4))
    assert found.parameters == 24 == sum(r.parameters for r in found.rows)
    assert row(found, "0").parameters == 4


def test_frozen_parameters_are_told_apart() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    network[0].requires_grad_(False)
    found = counted(network, torch.zeros(1, 4))
    assert (found.parameters, found.trainable) == (58, 18)
    assert (row(found, "0").trainable, row(found, "1").trainable) == (0, 18)
    assert found.memory.gradients == 4 * 18


def test_layers_that_learn_their_size_from_the_first_batch_are_explained() -> None:
    network = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(UsageError, match='"1.weight" does not know its shape yet.*pass one batch'):
        counted(network, torch.zeros(1, 2, 2))


def test_several_outputs_dictionaries_and_keyword_names() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"a": self.a(batch["x"]), "b": self.b(batch["x"])}

    found = counted(Heads(), {"x": torch.zeros(1, 4)})  # type: ignore[arg-type]
    assert found.multiply_adds == 20
    assert found.warnings == ()


def test_a_way_that_depends_on_the_data_runs_with_zeros_and_says_so() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.layer = nn.BatchNorm1d(4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.norm(x)) if x.sum() >= 0 else x

    network = Branch().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = counted(network, torch.zeros(2, 4))
    assert found.multiply_adds == 32
    assert len(found.notes) == 1
    assert "it ran with data" in found.notes[0]
    assert network.training
    assert network.norm.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert found.warnings == ()


def test_nothing_of_the_network_is_changed() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    counted(network, torch.zeros(1, 3, 8, 8))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert not network[0]._forward_hooks
    assert all(p.grad is None for p in network.parameters())


def test_nothing_at_all() -> None:
    found = counted(nn.Identity(), torch.zeros(1, 3, 4, 4))
    assert (found.parameters, found.multiply_adds, found.memory.kept) == (0, 0, 0)
    empty = counted(nn.Conv2d(3, 4, 3), torch.zeros(0, 3, 8, 8))
    assert (empty.multiply_adds, empty.output) == (0, (0, 4, 6, 6))
