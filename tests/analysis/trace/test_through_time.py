"""Gradients through time and depth: the Jacobians of a recurrence, found from the tape, against the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chainrule.analysis.trace import walk_through
from chainrule.analysis.trace._tables import bars_of
from chainrule.analysis.trace._unroll import fused_in, unrolled
from chainrule.formulas import rnn_step_backward, rnn_step_forward

T, N, D, H = 6, 2, 3, 4


def test_factors_of_a_vanilla_rnn_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    cell, x = nn.RNNCell(D, H).double(), torch.randn(T, 1, D, dtype=torch.float64)

    def network(x: Tensor) -> Tensor:
        h = torch.zeros(1, H, dtype=torch.float64)
        for step in x:
            h = cell(step, h)
        return h.sum()

    (found,) = walk_through(network, x).recurrences
    assert found.weights == "cell.weight_hh"
    weights = [p.detach().numpy() for p in (cell.weight_ih.T, cell.weight_hh.T, cell.bias_ih + cell.bias_hh)]
    h, caches = np.zeros((1, H)), []
    for step in x.numpy():
        h, cache = rnn_step_forward(step, h, *weights)
        caches.append(cache)
    product, products, steps = np.eye(H), [1.0], []
    dh = np.ones((1, H))
    norms = [float(np.linalg.norm(dh))]
    for cache in reversed(caches[1:]):
        factor = np.diag(1 - cache[4][0] ** 2) @ weights[1].T  # diag(tanh') W_hh
        product = product @ factor
        products.insert(0, np.linalg.norm(product, 2))
        steps.insert(0, np.linalg.norm(factor, 2))
        dh = rnn_step_backward(dh, cache)[1]
        norms.insert(0, float(np.linalg.norm(dh)))
    np.testing.assert_allclose(found.steps, steps, rtol=1e-10)
    np.testing.assert_allclose(found.products, products, rtol=1e-10)
    np.testing.assert_allclose(found.gradients, norms, rtol=1e-10)
    assert len(found.states) == T


def looped(kind: str) -> tuple[object, Tensor, int]:
    """A loop, its input, and how many tensors its state has."""
    torch.manual_seed(3)
    x = torch.randn(T, N, D, dtype=torch.float64)
    zero = torch.zeros(N, H, dtype=torch.float64)
    if kind == "own":
        U, W = (torch.randn(size, H, dtype=torch.float64, requires_grad=True) for size in (D, H))

        def own(x: Tensor) -> Tensor:
            h, total = zero, 0.0
            for step in x:
                h = torch.tanh(step @ U + h @ W)
                total = total + h.sum()  # carried along as well, but no part of the state
            return total

        return own, x, 1
    if kind == "joined":
        W = torch.randn(D + H, H, dtype=torch.float64, requires_grad=True)

        def joined(x: Tensor) -> Tensor:
            h = zero
            for step in x:
                h = torch.sigmoid(torch.cat([step, h], dim=1) @ W)
            return h

        return joined, x, 1
    if kind == "LSTM":
        cell = nn.LSTMCell(D, H).double()

        def lstm(x: Tensor) -> Tensor:
            h, c, outputs = zero, zero, []
            for step in x:
                h, c = cell(step, (h, c))
                outputs.append(h)
            return torch.stack(outputs)

        return lstm, x, 2
    cell = nn.GRUCell(D, H).double()

    def gru(x: Tensor) -> Tensor:
        h = zero
        for step in x:
            h = cell(step, h)
        return h

    return gru, x, 1


@pytest.mark.parametrize("kind", ["own", "joined", "LSTM", "GRU"])
def test_hidden_states_are_found_from_the_tape(kind: str) -> None:
    function, x, parts = looped(kind)
    trace = walk_through(function, x)  # type: ignore[arg-type]
    (found,) = trace.recurrences
    assert len(found.states) == T
    assert {len(state) for state in found.states} == {parts}
    assert len(found.steps) == T - 1
    assert found.products[-1] == 1
    for product, (first, second) in zip(found.products, zip(found.steps, found.products[1:])):
        assert product <= first * second * (1 + 1e-9)
    for state, norm in zip(found.states, found.gradients):
        parts_of = [trace.gradient(name) for name in state]
        assert norm == pytest.approx(math.hypot(*(float(g.norm()) for g in parts_of)))


def test_what_is_no_loop_is_not_taken_for_one() -> None:
    shared = nn.Linear(H, H)
    for function in (
        lambda x: shared(x[0]) + shared(x[1]) + shared(x[2]) + shared(x[3]),  # side by side
        lambda x: shared(shared(x)),  # too short
        nn.Sequential(*(nn.Linear(H, H) for _ in range(5))),
    ):
        assert walk_through(function, torch.randn(4, N, H)).recurrences == []


@pytest.mark.parametrize(
    ("scale", "word", "far"), [(0.3, "vanishes", 1e-3), (3.0, "explodes", 1e3), (1.0, "neither vanishes", 0.0)]
)
def test_words_say_what_becomes_of_the_gradient(scale: float, word: str, far: float) -> None:
    W = (scale * torch.eye(H)).requires_grad_()

    def linear(h: Tensor) -> Tensor:
        for _ in range(20):
            h = h @ W
        return h.sum()

    (found,) = walk_through(linear, torch.ones(1, H)).recurrences
    assert found.words.startswith(word)
    assert found.steps == pytest.approx([scale] * 19, rel=1e-5)
    assert found.products[0] == pytest.approx(scale**19, rel=1e-4)
    if far:
        last = max(t for t in range(1, 21) if (scale ** (20 - t) < far if scale < 1 else scale ** (20 - t) > far))
        assert found.words.endswith(f"from step {last} back")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (nn.RNN, {}),
        (nn.RNN, {"nonlinearity": "relu"}),
        (nn.GRU, {"bias": False}),
        (nn.LSTM, {}),
        (nn.LSTM, {"proj_size": 2}),
    ],
)
@pytest.mark.parametrize("layers", [1, 2])
def test_stepping_with_its_own_weights_gives_what_the_fused_layer_gives(
    kind: type[nn.RNNBase], options: dict[str, object], layers: int, batch_first: bool, bidirectional: bool
) -> None:
    torch.manual_seed(0)
    layer = kind(D, H, layers, batch_first=batch_first, bidirectional=bidirectional, **options).double()
    for shape in ((T, N, D), (T, D)):
        x = torch.randn(shape, dtype=torch.float64)
        output, last = layer(x)
        for given in (None, last):  # from zeros, and from a state that is given
            output, end = layer(x, given)
            with unrolled([layer]):
                stepped, stepped_end = layer(x, given)
            torch.testing.assert_close(stepped, output, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(stepped_end, end, rtol=1e-12, atol=1e-12)
    assert "forward" not in vars(layer)


def test_fused_layers_are_followed_and_stay_one_operation() -> None:
    torch.manual_seed(0)
    net = nn.LSTM(D, H, num_layers=2).double()
    assert fused_in(net) == [net]
    x = torch.randn(T, N, D, dtype=torch.float64)
    trace = walk_through(net, x)
    assert [operation.function for operation in trace.operations if operation.function != "zeros"] == ["lstm"]
    assert [found.weights for found in trace.recurrences] == ["weight_hh_l0", "weight_hh_l1"]
    assert all(len(found.products) == T for found in trace.recurrences)


def test_dropout_and_packed_sequences_do_not_stop_it() -> None:
    net = nn.LSTM(D, H, num_layers=2, dropout=0.5)
    assert len(walk_through(net, torch.randn(T, N, D)).recurrences) == 2

    def packed(x: Tensor) -> Tensor:
        sequence = nn.utils.rnn.pack_padded_sequence(x, [T, T - 2])
        return net(sequence)[0].data

    assert walk_through(packed, torch.randn(T, N, D)).recurrences == []


def test_a_large_batch_is_told_by_its_first_example() -> None:
    torch.manual_seed(0)
    cell = nn.RNNCell(3, 64)

    def network(x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[1], 64)
        for step in x:
            h = cell(step, h)
        return h.sum()

    x = torch.randn(4, 40, 3)
    (large,) = walk_through(network, x).recurrences
    (single,) = walk_through(network, x[:, :1]).recurrences
    assert large.part == "of the first example of the batch"
    assert single.part == ""
    assert large.products == pytest.approx(single.products, rel=1e-4)


def test_a_state_that_is_too_large_is_said() -> None:
    W = torch.eye(1100).requires_grad_()

    def network(h: Tensor) -> Tensor:
        for _ in range(3):
            h = h @ W
        return h.sum()

    (found,) = walk_through(network, torch.ones(1, 1100)).recurrences
    assert found.products == ()
    assert found.part.startswith("not found: the state has 1,100 numbers")
    assert found.words == "the gradient at the first state is 33, at the last 33"


@pytest.mark.parametrize(("scale", "said"), [(0.01, "= 10^-598, 0.01 a step"), (100.0, "= 10^598, 1e+02 a step")])
def test_products_beyond_the_range_of_floats(scale: float, said: str) -> None:
    W = (scale * torch.eye(2, dtype=torch.float64)).requires_grad_()

    def network(h: Tensor) -> Tensor:
        for _ in range(300):
            h = torch.sin(h @ W)  # of a value near 0: the derivative is the scale
        return h.sum()

    (found,) = walk_through(network, torch.zeros(1, 2, dtype=torch.float64)).recurrences
    assert said in found.words
    assert found.steps == pytest.approx([scale] * 299)


def test_a_large_jacobian_is_estimated() -> None:
    torch.manual_seed(0)
    W = (torch.randn(300, 300) / 300**0.5).requires_grad_()

    def network(h: Tensor) -> Tensor:
        for _ in range(3):
            h = h @ W
        return h.sum()

    (found,) = walk_through(network, torch.ones(1, 300)).recurrences
    assert found.part == "estimated by power iteration"
    assert found.steps == pytest.approx([float(torch.linalg.matrix_norm(W.detach(), 2))] * 2, rel=0.02)


def test_a_state_that_is_detached_has_no_chain() -> None:
    W = torch.eye(H).requires_grad_()

    def truncated(h: Tensor) -> Tensor:
        for _ in range(4):
            h = (h @ W).detach()
        return (h @ W).sum()

    (found,) = walk_through(truncated, torch.ones(1, H)).recurrences
    assert found.part == "not found: the state is detached between steps"
    assert found.steps == ()


def test_a_step_that_cannot_be_batched_is_taken_row_by_row() -> None:
    class Halve(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            return x / 2

        @staticmethod
        def backward(ctx, dout):  # type: ignore[no-untyped-def]
            return torch.from_numpy(dout.numpy() / 2)

    W = torch.eye(H).requires_grad_()

    def network(h: Tensor) -> Tensor:
        for _ in range(4):
            h = Halve.apply(h @ W)
        return h.sum()

    (found,) = walk_through(network, torch.ones(1, H)).recurrences
    assert found.steps == pytest.approx([0.5] * 3)


def test_through_depth() -> None:
    layers = [nn.Linear(8, 8, bias=False) for _ in range(6)]
    for layer, factor in zip(layers, (1.0, 0.1, 0.1, 0.1, 0.1, 1.0)):
        nn.init.eye_(layer.weight).data.mul_(factor)
    depth = walk_through(nn.Sequential(*layers), torch.ones(1, 8)).depth
    assert depth is not None
    assert depth.ratio == pytest.approx(1e-4)
    assert depth.words == "the gradient vanishes towards the input: at 0.linear it is 0.0001 of that at 5.linear"
    for layer in layers:
        nn.init.eye_(layer.weight).data.mul_(8)
    assert "explodes" in walk_through(nn.Sequential(*layers), torch.ones(1, 8)).depth.words
    assert walk_through(nn.Sequential(*layers[:2]), torch.ones(1, 8)).depth is None


def test_bars() -> None:
    assert bars_of([], width=4) == []
    assert bars_of([0.0, math.nan]) == ["", ""]
    assert bars_of([1.0, 1e-30], width=9) == ["#########", "#"]
