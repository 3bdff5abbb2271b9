"""Step forms: torch's fused layers and the formulas, value and gradient, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from chainrule import formulas
from chainrule.core.errors import UsageError
from chainrule.nn.recurrent import (
    EachStep,
    GRUStep,
    LSTMStep,
    StepCell,
    StepForm,
    fused_form,
    gru_step,
    lecture_weights,
    load_lecture_weights,
    lstm_step,
    rnn_step,
    step_form,
    unroll,
)

N, T, D, H = 3, 5, 4, 2
KINDS: list[tuple[str, type[nn.RNNBase], dict[str, Any]]] = [
    ("rnn", nn.RNN, {}),
    ("rnn_relu", nn.RNN, {"nonlinearity": "relu"}),
    ("lstm", nn.LSTM, {}),
    ("gru", nn.GRU, {}),
]
kinds = pytest.mark.parametrize(("cell", "kind", "options"), KINDS, ids=[cell for cell, _, _ in KINDS])


@pytest.fixture(autouse=True)
def double() -> Any:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def sizes(kind: type[nn.RNNBase], layers: int, count: int, given: bool) -> Any:
    if not given:
        return None
    parts = tuple(torch.randn(layers, count, H, requires_grad=True) for _ in range(1 + (kind is nn.LSTM)))
    return parts if len(parts) > 1 else parts[0]


def leaves(value: Any) -> list[Tensor]:
    return [] if value is None else [value] if isinstance(value, Tensor) else list(value)


def gradients(layer: nn.Module, x: Any, hx: Any, *inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, and the gradient of an uneven sum of them by the inputs and all weights in the order of their names."""
    output, last = layer(x, hx)
    out = [output if isinstance(output, Tensor) else output.data, *leaves(last)]
    total = sum((part * torch.linspace(0.5, 2, part.numel()).view(part.shape)).sum() for part in out)
    assert isinstance(total, Tensor)
    weights = [weight for _, weight in sorted(layer.named_parameters())]
    return out, list(torch.autograd.grad(total, [*inputs, *leaves(hx), *weights], retain_graph=True))


@kinds
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("count", "length", "given"), [(N, T, True), (1, T, False), (N, 1, False)])
def test_it_is_torchs_fused_layer_value_and_gradient(
    cell: str,
    kind: type[nn.RNNBase],
    options: dict[str, Any],
    layers: int,
    both: bool,
    count: int,
    length: int,
    given: bool,
) -> None:
    fused = kind(D, H, layers, bidirectional=both, batch_first=given, **options)
    form = StepForm(cell, D, H, layers, bidirectional=both, batch_first=given)
    assert [(name, w.shape) for name, w in form.named_parameters()] == [
        (name, w.shape) for name, w in fused.named_parameters()
    ]
    form.load_state_dict(fused.state_dict())
    x = torch.randn((count, length, D) if given else (length, count, D), requires_grad=True)
    hx = sizes(kind, layers * (1 + both), count, given)
    for mine, theirs in zip(gradients(form, x, hx, x), gradients(fused, x, hx, x)):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-11)


@kinds
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_sequences_of_several_lengths(
    cell: str, kind: type[nn.RNNBase], options: dict[str, Any], both: bool, given: bool
) -> None:
    fused = kind(D, H, 2, bidirectional=both, **options)
    form = step_form(fused)
    x = torch.randn(T, N, D, requires_grad=True)
    hx = sizes(kind, 2 * (1 + both), N, given)
    packed = pack_padded_sequence(x, torch.tensor([2, 5, 3]), enforce_sorted=False)
    for mine, theirs in zip(gradients(form, packed, hx, x), gradients(fused, packed, hx, x)):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-11)


def test_a_projection_no_bias_and_one_sequence_alone() -> None:
    fused = nn.LSTM(D, 3, 2, proj_size=2, bias=False, bidirectional=True)
    form = step_form(fused)
    x = torch.randn(T, D)
    torch.testing.assert_close(form(x), fused(x), rtol=1e-10, atol=1e-11)


def test_dropout_stands_between_layers_and_only_while_training() -> None:
    fused = nn.GRU(D, 200, 2, dropout=0.5)
    form = step_form(fused)
    x = torch.randn(1, 1, D)
    first = StepForm("gru", D, 200)
    first.load_state_dict({name: w for name, w in form.state_dict().items() if name.endswith("_l0")})
    second = StepForm("gru", 200, 200)
    second.load_state_dict({name.replace("_l1", "_l0"): w for name, w in form.state_dict().items() if "_l1" in name})
    torch.manual_seed(1)
    dropped = form(x)[0]
    torch.manual_seed(1)
    mask = nn.functional.dropout(torch.ones(1, 200), 0.5)
    torch.testing.assert_close(second(first(x)[0] * mask)[0], dropped)
    torch.testing.assert_close(form.eval()(x)[0], fused.eval()(x)[0])


def lectures(layer: nn.RNNBase) -> tuple[np.ndarray, ...]:
    return tuple(weight.detach().numpy() for weight in lecture_weights(layer))


def as_torch(values: Any) -> list[Tensor]:
    return [torch.from_numpy(np.asarray(value)) for value in values]


def test_rnn_is_the_formula_forward_and_backward() -> None:
    layer = nn.RNN(D, H)
    Wx, Wh, b = lectures(layer)
    x, h, dh = (torch.randn(N, size, requires_grad=True) for size in (D, H, H))
    a = x @ layer.weight_ih_l0.T + layer.bias_ih_l0
    step = rnn_step(a, h, layer.weight_hh_l0, layer.bias_hh_l0)
    next_h, cache = formulas.rnn_step_forward(x.detach().numpy(), h.detach().numpy(), Wx, Wh, b)
    torch.testing.assert_close(step.h.detach(), torch.from_numpy(next_h))
    dx, dprev, dWx, dWh, db = as_torch(formulas.rnn_step_backward(dh.detach().numpy(), cache))
    found = torch.autograd.grad(
        step.h, [x, h, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_hh_l0], grad_outputs=dh
    )
    torch.testing.assert_close(list(found), [dx, dprev, dWx.T.contiguous(), dWh.T.contiguous(), db])


def test_lstm_is_the_formula_forward_and_backward() -> None:
    layer = nn.LSTM(D, H)
    Wx, Wh, b = lectures(layer)
    x, h, c, dh, dc = (torch.randn(N, size, requires_grad=True) for size in (D, H, H, H, H))
    a = x @ layer.weight_ih_l0.T + layer.bias_ih_l0
    step = lstm_step(a, h, c, layer.weight_hh_l0, layer.bias_hh_l0)
    next_h, next_c, cache = formulas.lstm_step_forward(*(v.detach().numpy() for v in (x, h, c)), Wx, Wh, b)
    _, _, _, _, _, i, f, o, g, _ = cache
    torch.testing.assert_close([v.detach() for v in step], as_torch([i, f, o, g, next_c, next_h]))
    back = formulas.lstm_step_backward(dh.detach().numpy(), dc.detach().numpy(), cache)
    found = torch.autograd.grad([step.h, step.c], [x, h, c], grad_outputs=[dh, dc], retain_graph=True)
    torch.testing.assert_close(list(found), as_torch(back[:3]))
    found = torch.autograd.grad([step.h, step.c], [layer.weight_hh_l0], grad_outputs=[dh, dc])
    mine = found[0].T.chunk(4, dim=1)
    torch.testing.assert_close(torch.cat([mine[k] for k in (0, 1, 3, 2)], 1), as_torch(back)[4])


def test_gru_is_the_formula_forward_and_backward() -> None:
    layer = nn.GRU(D, H)
    with torch.no_grad():
        layer.bias_ih_l0[-H:] = 0
    Wx, Wh, b = lectures(layer)
    x, h, dh = (torch.randn(N, size, requires_grad=True) for size in (D, H, H))
    a = x @ layer.weight_ih_l0.T + layer.bias_ih_l0
    step = gru_step(a, h, layer.weight_hh_l0, layer.bias_hh_l0)
    next_h, cache = formulas.gru_step_forward(x.detach().numpy(), h.detach().numpy(), Wx, Wh, b)
    torch.testing.assert_close([v.detach() for v in step], as_torch([*cache[4:7], next_h]))
    back = formulas.gru_step_backward(dh.detach().numpy(), cache)
    found = torch.autograd.grad(step.h, [x, h, layer.weight_hh_l0], grad_outputs=dh)
    torch.testing.assert_close(list(found[:2]), as_torch(back[:2]))
    r, z, n = found[2].T.chunk(3, dim=1)
    torch.testing.assert_close(torch.cat([z, r, n], 1), as_torch(back)[3])


@kinds
def test_weights_go_to_the_lectures_and_back(cell: str, kind: type[nn.RNNBase], options: dict[str, Any]) -> None:
    layer = kind(D, H, 2, bidirectional=True, **options)
    if kind is nn.GRU:
        with torch.no_grad():
            for name, bias in layer.named_parameters():
                if name.startswith("bias_ih"):
                    bias[-H:] = 0
    other = StepForm(cell, D, H, 2, bidirectional=True)
    for depth in (0, 1):
        for backward in (False, True):
            taken = lecture_weights(layer, depth, backward=backward)
            load_lecture_weights(other, *taken, depth, backward=backward)
    x = torch.randn(T, N, D)
    torch.testing.assert_close(other(x), layer(x))
    with pytest.raises(UsageError, match="Wx does not fit"):
        load_lecture_weights(other, taken.Wx[1:], *taken[1:])


def test_what_the_lectures_do_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="bias of n outside of r"):
        lecture_weights(nn.GRU(D, H))
    with pytest.raises(UsageError, match="does not project"):
        lecture_weights(nn.LSTM(D, 3, proj_size=2))
    with pytest.raises(UsageError, match="no bias"):
        load_lecture_weights(nn.RNN(D, H, bias=False), torch.zeros(D, H), torch.zeros(H, H), torch.zeros(H))


@pytest.mark.parametrize("shape", [(0, N, D), (T, 0, D), (D,), (0, D)])
def test_no_step_and_no_sequence_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="no step|no sequence"):
        StepForm("lstm", D, H)(torch.zeros(shape))


def test_inputs_of_another_size_are_refused() -> None:
    packed = pack_padded_sequence(torch.zeros(T, 2, D + 1), torch.tensor([5, 3]))
    for layer in (StepForm("gru", D, H), nn.LSTM(D, H, 2, bidirectional=True)):
        for x in (torch.zeros(T, N, D + 1), torch.zeros(T, D - 1), packed):
            with pytest.raises(UsageError, match=f"inputs do not fit the layers: expected {D} numbers a step"):
                unroll(layer, x)


@pytest.mark.parametrize("wrong", [0, 1])
def test_weights_that_do_not_fit_change_nothing(wrong: int) -> None:
    layer = nn.LSTM(D, H)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    given = [torch.ones(D, 4 * H), torch.ones(H, 4 * H), torch.ones(4 * H)]
    given[wrong] = given[wrong][1:]
    with pytest.raises(UsageError, match=f"{('Wx', 'Wh')[wrong]} does not fit"):
        load_lecture_weights(layer, *given)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    with pytest.raises(UsageError, match="does not project"):
        load_lecture_weights(nn.LSTM(D, 3, proj_size=2), torch.ones(D, 12), torch.ones(2, 12), torch.ones(12))


@pytest.mark.parametrize("hx", [torch.zeros(1, N, H), (torch.zeros(1, N, H), torch.zeros(1, N + 1, H))])
def test_a_state_that_does_not_fit_is_refused(hx: Any) -> None:
    with pytest.raises(UsageError, match="the state does not fit"):
        StepForm("lstm", D, H)(torch.zeros(T, N, D), hx)


@pytest.mark.parametrize(
    ("cell", "options", "match"),
    [
        ("lstn", {}, 'no cell "lstn".*lstm'),
        ("gru", {"proj_size": 1}, "only an LSTM"),
        ("lstm", {"num_layers": 0}, "cannot be built"),
        ("lstm", {"dropout": 1.0}, "cannot be built"),
    ],
)
def test_layers_that_cannot_be_built(cell: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        StepForm(cell, D, H, **options)


@pytest.mark.parametrize(
    ("cell", "kind"), [("rnn", nn.RNNCell), ("lstm", nn.LSTMCell), ("gru", nn.GRUCell)], ids=["rnn", "lstm", "gru"]
)
def test_a_cell_takes_torchs_weights_and_tells_its_gates(cell: str, kind: Any) -> None:
    theirs, mine = kind(D, H), StepCell(cell, D, H)
    mine.load_state_dict(theirs.state_dict())
    x, state, step = torch.randn(T, N, D), None, None
    for now in x:
        state, step = theirs(now, state), mine(now, step)
    assert step is not None
    torch.testing.assert_close(step.h, state[0] if cell == "lstm" else state)
    if isinstance(step, LSTMStep):
        torch.testing.assert_close(step.h, step.o * torch.tanh(step.c))
    if isinstance(step, GRUStep):
        assert bool(((step.z > 0) & (step.z < 1)).all())
    with pytest.raises(UsageError, match="no cell"):
        StepCell("mlp", D, H)


@kinds
def test_any_network_is_converted_and_back(cell: str, kind: type[nn.RNNBase], options: dict[str, Any]) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = kind(D, H, 2, bidirectional=True, dropout=0.3, **options)
            self.inner = nn.ModuleDict({"second": kind(2 * H, 2 * H, bias=False, **options)})
            self.again = self.inner["second"]
            self.again.weight_tied = self.again.weight_hh_l0

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x)[0]
            return self.again(self.inner["second"](y)[0])[0]

    net = Net().eval()
    form = step_form(net)
    assert isinstance(net.first, kind)  # the network itself is left alone
    assert isinstance(form.first, StepForm)
    assert form.again is form.inner["second"]
    assert not form.training
    assert set(form.state_dict()) <= set(net.state_dict())
    x = torch.randn(T, N, D)
    torch.testing.assert_close(form(x), net(x))
    back = fused_form(form)
    assert type(back.first) is kind
    assert [name for name, _ in back.first.named_parameters()] == [name for name, _ in net.first.named_parameters()]
    torch.testing.assert_close(back(x), net(x))
    back.first.weight_hh_l0.data.zero_()  # what the fused kernel reads is the parameter itself
    assert not torch.allclose(back(x), net(x))
    torch.testing.assert_close(form(x), net(x))


def test_a_layer_that_stands_twice_under_one_parent_stays_one() -> None:
    layer = nn.GRU(D, D)
    twice = step_form(nn.ModuleList([layer, layer]))
    assert isinstance(twice[0], StepForm)
    assert twice[1] is twice[0]
    parent = nn.Module()
    parent.first = parent.again = layer
    form = step_form(parent)
    assert isinstance(form.first, StepForm)
    assert form.again is form.first
    back = fused_form(form)
    assert type(back.first) is nn.GRU
    assert back.again is back.first


def test_classes_of_ones_own_are_left_alone() -> None:
    class Mine(nn.LSTM):
        pass

    mine = nn.Sequential(Mine(D, H))
    assert type(step_form(mine)[0]) is Mine


def test_every_step_is_told_in_the_order_of_time() -> None:
    layer = nn.LSTM(D, H, 2, bidirectional=True)
    told: dict[tuple[int, bool], Any] = {}
    x = torch.randn(T, N, D)
    output, (h, c) = unroll(layer, x, told=lambda depth, back, steps: told.update({(depth, back): steps}))
    assert sorted(told) == [(0, False), (0, True), (1, False), (1, True)]
    both = torch.stack([torch.cat([a.h, b.h], 1) for a, b in zip(told[1, False], told[1, True])])
    torch.testing.assert_close(both, output)
    torch.testing.assert_close(told[0, True][0].c, c[1])  # what reads from the end ends at the first step
    torch.testing.assert_close(told[1, False][-1].h, h[2])


def test_each_step_of_a_sequence_of_images() -> None:
    cnn = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
    x = torch.randn(N, T, 2, 6, 6)
    given = EachStep(cnn)(x)
    assert given.shape == (N, T, 12)
    torch.testing.assert_close(given[1, 3], cnn(x[1, 3:4]).flatten())
    assert EachStep(cnn, flat=False)(x).shape == (N, T, 3, 2, 2)
    for wrong in (torch.zeros(0, T, 2, 6, 6), torch.zeros(2, 6)):
        with pytest.raises(UsageError, match="no sequences"):
            EachStep(cnn)(wrong)


def test_weights_begin_as_torchs_do() -> None:
    torch.manual_seed(3)
    form = StepForm("lstm", 100, 64)
    weight = form.weight_hh_l0.detach()
    assert float(weight.abs().max()) <= 1 / math.sqrt(64)
    assert float(weight.std()) == pytest.approx(1 / math.sqrt(64) / math.sqrt(3), rel=0.05)
