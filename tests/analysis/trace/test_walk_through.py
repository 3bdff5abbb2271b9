"""The walk-through of a call: names, reasons, several outputs, and a world that is as it was."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import chainrule
from chainrule.analysis._record import record
from chainrule.analysis.trace import _walk as walk_module
from chainrule.analysis.trace import walk_through
from chainrule.analysis.trace._statistics import Shelf, statistics_of
from chainrule.core.errors import UsageError


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.norm(self.first(x))))


def test_names_are_by_module_and_function() -> None:
    net = nn.Sequential(Block(), nn.ReLU(), nn.Linear(4, 3))
    trace = walk_through(net, torch.randn(5, 4), loss=lambda scores: scores.logsumexp(1).sum())
    names = [operation.name for operation in trace.operations if operation.note != "bookkeeping"]
    assert names == ["0.first.linear", "0.norm.batch_norm", "0.relu", "0.second.linear", "0.add", "1.relu", "2.linear",
                     "logsumexp", "sum"]  # fmt: skip
    assert trace.outputs == ("sum",)
    assert trace.values["0.first.weight"].kind == "parameter"
    assert trace.values["0.first.weight"].uses == ("0.first.linear",)
    assert {each.source for each in trace.values["input"].arrivals} == {"0.first.linear", "0.add"}
    assert trace.depth is not None
    assert [layer.name for layer in trace.depth.layers] == ["0.first.linear", "0.second.linear", "2.linear"]


def test_leaves_of_a_function_have_its_own_names() -> None:
    scale, net = torch.tensor([2.0, 3.0], requires_grad=True), nn.Linear(2, 2)

    def function(left: Tensor, right: Tensor) -> Tensor:
        return net(left * right) * scale

    trace = walk_through(function, torch.ones(1, 2), torch.ones(1, 2))
    assert list(trace.values)[:2] == ["left", "right"]
    assert {"scale", "net.weight", "net.linear"} <= set(trace.values)
    assert torch.equal(trace.gradient("scale"), net(torch.ones(1, 2))[0])
    assert scale.grad is None
    assert trace.what == "function"


def test_the_second_of_a_kind_has_a_number() -> None:
    trace = walk_through(lambda x: torch.relu(torch.relu(x) - 1), torch.randn(3))
    assert [operation.name for operation in trace.operations] == ["relu", "sub", "relu_2"]


def test_values_are_those_before_later_changes_in_place() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        y.add_(1)
        y[0] = 7
        return y.sum()

    trace = walk_through(function, torch.tensor([1.0, 2.0]))
    assert trace.value("mul").tolist() == [2, 4]
    assert trace.value("add_").tolist() == [3, 5]
    assert trace.value("index_put_").tolist() == [7, 5]
    assert trace.gradient("add_").tolist() == [0, 1]
    assert trace.gradient("x").tolist() == [0, 2]


def test_inputs_are_not_changed() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    trace = walk_through(lambda x: x.relu_().sum(), x)
    assert x.tolist() == [-1, 2]
    assert x.grad is None
    assert trace.value("x").tolist() == [-1, 2]
    assert trace.gradient("x").tolist() == [0, 1]


def test_a_view_that_autograd_makes_anew_has_the_sum_of_its_parts() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        first, second = y[0], y[1]
        early = (second * 3).sum()
        first.mul_(5)  # autograd now makes the node of `second` again
        return (second * second).sum() + early

    trace = walk_through(function, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert trace.value("index_2").tolist() == [6, 8]
    assert trace.gradient("index_2").tolist() == [15, 19]  # 2y + 3
    paths = [gradient for _, gradient in trace.arrivals("index_2")]
    assert [source for source, _ in trace.arrivals("index_2")].count("mul_3") == 2
    assert torch.equal(sum(paths), trace.gradient("index_2"))
    assert trace.values["index"].gradient is None
    assert "goes through its base" in trace.values["index"].why


def test_detached_values_are_said() -> None:
    trace = walk_through(lambda x: ((x * 2).detach() * x).sum(), torch.ones(3))
    detach = next(operation for operation in trace.operations if operation.function == "detach")
    assert detach.note == "detached here"
    assert trace.values["detach"].why == "detached at detach"
    assert "no path" in trace.values["mul"].why
    assert trace.gradient("x").tolist() == [2, 2, 2]
    assert any("detached here" in note for note in trace.notes)


def test_no_grad_blocks_are_said() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.no_grad():
            frozen = x.exp()
            more = frozen + 1
        return (more * x).sum()

    trace = walk_through(function, torch.ones(2))
    assert trace.operations[0].note == "detached here in a no_grad block"
    assert trace.values["add"].why == "detached at exp"
    assert trace.operations[1].note == ""


def test_nothing_to_go_back_from() -> None:
    trace = walk_through(lambda x: (x * 2).detach(), torch.ones(2))
    assert trace.started.startswith("nothing: detach depends on no input")
    assert trace.gradient("x") is None
    assert walk_through(lambda: torch.zeros(2)).values["zeros"].why == "made of constants"
    assert "no float tensor" in walk_through(lambda x: x.argmax(), torch.ones(2)).started
    assert walk_through(lambda x: 3, torch.ones(2)).operations == []
    identity = walk_through(lambda x: x, torch.ones(2))
    assert identity.gradient("x").tolist() == [1, 1]


def test_reasons_for_no_gradient() -> None:
    net = nn.Linear(3, 2)
    net.bias.requires_grad_(False)
    net.register_parameter("spare", nn.Parameter(torch.zeros(2)))
    index = torch.tensor([0, 1])
    trace = walk_through(lambda x, i: net(x)[i], torch.randn(4, 3), index)
    assert trace.values["net.bias"].why == "frozen: requires_grad is False"
    assert trace.values["i"].why == "whole numbers have no gradient"
    assert trace.values["net.spare"].why == "not used"
    assert any(note.startswith("no gradient: net.bias (frozen") for note in trace.notes)


def test_several_outputs_and_upstream() -> None:
    def function(x: Tensor) -> dict[str, Tensor | int]:
        return {"double": x * 2, "index": x.argmax(), "square": x * x, "other": 3}

    x = torch.tensor([1.0, 2.0])
    assert walk_through(function, x).gradient("x").tolist() == [4, 6]
    given = walk_through(function, x, upstream=[None, torch.tensor([1.0, 10.0])])
    assert given.gradient("x").tolist() == [2, 40]
    assert given.started == "the given gradient of mul (2,), mul_2 (2,)"
    assert given.gradient("mul") is None


@pytest.mark.parametrize(
    ("upstream", "said"),
    [
        (torch.ones(2), "expected a tensor of shape (3,), got (2,)"),
        ([torch.ones(3), torch.ones(3)], "expected 1, one for each output that is a float tensor, got 2"),
        (["one"], "expected a tensor of shape (3,), got str"),
    ],
)
def test_upstream_that_does_not_fit(upstream: object, said: str) -> None:
    with pytest.raises(UsageError) as error:
        walk_through(lambda x: x * 2, torch.ones(3), upstream=upstream)  # type: ignore[arg-type]
    assert said in str(error.value)


def test_the_seed_of_an_output_that_is_used_again_is_an_arrival() -> None:
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * 2
        return y, y.exp()

    trace = walk_through(function, torch.zeros(2))
    assert [(source, gradient.tolist()) for source, gradient in trace.arrivals("mul")] == [
        ("upstream", [1, 1]), ("exp", [1, 1])
    ]  # fmt: skip


def test_a_composite_operation_sends_over_each_of_its_inputs() -> None:
    layer, x = nn.MultiheadAttention(4, 2, batch_first=True).double(), torch.randn(2, 3, 4, dtype=torch.float64)
    trace = walk_through(lambda x: functional.multi_head_attention_forward(
        x, x, x, 4, 2, layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0, layer.out_proj.weight,
        layer.out_proj.bias)[0], x)  # fmt: skip
    assert [operation.name for operation in trace.operations] == ["multi_head_attention_forward"]
    twin = walk_through(lambda x, y: functional.scaled_dot_product_attention(x, y, y).sum(), x, x.clone())
    both = walk_through(lambda x: functional.scaled_dot_product_attention(x, x, x).sum(), x)
    assert len(both.values["x"].arrivals) == 3
    paths = [gradient for _, gradient in both.arrivals("x")]
    torch.testing.assert_close(sum(paths), twin.gradient("x") + twin.gradient("y"))


class Busy(nn.Module):
    """Changes what it can: statistics, an attribute, random generators, its own weights."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.layer = nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 3)
        self.hidden: Tensor | None = None
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        random.random()
        np.random.rand()
        self.count = self.count + 1  # another tensor in the buffer's place
        with torch.no_grad():
            self.layer.weight.mul_(0.5)
        self.hidden = self.drop(self.norm(x))
        return self.layer(self.hidden)


def test_everything_is_as_it_was() -> None:
    net = Busy()
    net.layer.weight.grad = torch.full((3, 3), 7.0)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    count = net.count
    states = (torch.get_rng_state(), np.random.get_state()[2], random.getstate())
    for function in (net, lambda x: net(x)):
        walk_through(function, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
        assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
        assert net.count is count
        assert net.hidden is None
        assert net.training
        assert torch.equal(net.layer.weight.grad, torch.full((3, 3), 7.0))
        assert net.layer.bias.grad is None
        assert torch.equal(torch.get_rng_state(), states[0])
        assert np.random.get_state()[2] == states[1]
        assert random.getstate() == states[2]
        assert not any(module._forward_hooks for module in net.modules())
        assert torch.autograd.Function.__dict__["apply"].__func__.__module__ != "chainrule.analysis._recorder"


def test_everything_is_as_it_was_after_an_error() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(2, 2))
    before = net[0].running_mean.clone()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        walk_through(net, torch.randn(4, 3))
    assert torch.equal(net[0].running_mean, before)
    assert walk_through(nn.Linear(3, 2), torch.randn(4, 3)).outputs == ("linear",)


def test_statistics_before_the_call_are_those_told() -> None:
    net = nn.BatchNorm1d(3)
    trace = walk_through(net, torch.randn(4, 3) + 5)
    assert trace.value("running_mean").tolist() == [0, 0, 0]
    assert trace.value("num_batches_tracked").item() == 0
    assert trace.value("add_").item() == 1
    assert [operation.note for operation in trace.operations] == ["bookkeeping", ""]
    assert float(net.running_mean.norm()) == 0


def test_a_tensor_that_nobody_named_and_that_is_changed_at_once() -> None:
    class Box:
        held = torch.ones(2)

    box = Box()
    trace = walk_through(lambda x: box.held.add_(1) * x, torch.ones(2))
    assert trace.values["constant"].value is None
    with pytest.raises(UsageError, match="its value before the call is not known"):
        trace.value("constant")


def test_numbers_of_a_tensor() -> None:
    assert statistics_of(torch.zeros(0)).norm == 0
    assert statistics_of(torch.tensor([True, False])).zeros == 0.5
    assert not statistics_of(torch.tensor([1.0, float("nan")])).finite
    assert statistics_of(torch.full((10,), 60000.0, dtype=torch.float16)).norm == pytest.approx(
        60000 * 10**0.5, rel=1e-3
    )


def test_what_is_not_finite_is_named() -> None:
    trace = walk_through(lambda x: (x.log() * 0).sum(), torch.tensor([0.0, 1.0]))
    assert "the first value with NaN or infinity is log (3 of 4)" in trace.notes
    assert trace.as_dict()["values"][1]["value"]["norm"] == "Infinity"


def test_large_tensors_are_told_by_statistics_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_module, "EACH", 100)
    x = torch.randn(50)
    trace = walk_through(lambda x: (x * 2).sum(), x)
    assert trace.values["mul"].value is not None
    assert trace.values["mul"].gradient is not None
    assert trace.values["mul"].gradient.norm == pytest.approx(50**0.5)
    for ask in (trace.value, trace.gradient):
        with pytest.raises(UsageError, match="keep=True"):
            ask("mul")
    assert torch.equal(walk_through(lambda x: (x * 2).sum(), x, keep=True).value("mul"), x * 2)


def test_a_shelf_has_an_end() -> None:
    shelf = Shelf(each=100, total=100)
    for name in ("a", "b", "c"):
        shelf.put(name, torch.zeros(12))
    assert list(shelf.tensors) == ["a", "b"]
    assert shelf.missing == {"c": 48}


def test_names_that_are_not_there() -> None:
    trace = walk_through(lambda x: torch.relu(x), torch.ones(2))
    with pytest.raises(UsageError, match='did you mean "relu"'):
        trace.value("rellu")


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: x, torch.ones(2, dtype=torch.complex64)),
        (lambda x: torch.fft.fft(x), torch.ones(4)),
    ],
)
def test_complex_numbers_are_refused(function: object, x: Tensor) -> None:
    with pytest.raises(UsageError, match="complex"):
        walk_through(function, x)  # type: ignore[arg-type]


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a function or nn.Module"):
        walk_through(3)  # type: ignore[arg-type]


def test_shapes_of_nothing_and_of_one() -> None:
    assert walk_through(lambda x: x * 2, torch.zeros(0, 3)).gradient("x").shape == (0, 3)
    assert walk_through(lambda x: x * 2, torch.tensor(1.5)).gradient("x").item() == 2


def test_nested_inputs_and_options() -> None:
    def function(pair: tuple[Tensor, Tensor], *, scale: Tensor) -> Tensor:
        return pair[0] * pair[1] * scale

    trace = walk_through(function, (torch.tensor(2.0), torch.tensor(3.0)), scale=torch.tensor(5.0))
    found = {name: float(trace.gradient(name)) for name, v in trace.values.items() if v.kind == "input"}
    assert list(found.values()) == [15, 10, 6]
    assert "scale" in found


def test_a_graph_from_outside_is_left_alone() -> None:
    weight = torch.ones(2, requires_grad=True)
    outside = weight * 3
    trace = walk_through(lambda x: (x * outside).sum(), torch.tensor([1.0, 2.0]))
    assert trace.gradient("outside").tolist() == [1, 2]
    assert weight.grad is None
    outside.sum().backward()  # its graph is still there
    assert weight.grad.tolist() == [3, 3]


def test_sparse_gradients() -> None:
    net = nn.Embedding(5, 2, sparse=True)
    trace = walk_through(net, torch.tensor([1, 1, 3]))
    assert trace.gradient("weight").to_dense()[:, 0].tolist() == [0, 2, 0, 1, 0]
    assert trace.values["weight"].gradient.norm == pytest.approx((2 * 4 + 2 * 1) ** 0.5)


def test_a_function_with_its_own_derivative() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dout):  # type: ignore[no-untyped-def]
            return 10 * ctx.saved_tensors[0] * dout  # wrong on purpose: it is told as it is

    trace = walk_through(lambda x: Square.apply(x).sum(), torch.tensor([3.0]))
    assert [operation.function for operation in trace.operations] == ["Square", "sum"]
    assert trace.gradient("x").tolist() == [30]


def test_the_public_function_takes_networks_and_expressions() -> None:
    assert chainrule.backprop(lambda x: x * x, torch.tensor(3.0)).gradient("x").item() == 6
    assert chainrule.backprop("x*x", "x=3").as_dict()


def test_the_tape_records_what_follows_the_function() -> None:
    tape = record(lambda x: x * 2, torch.ones(2), then=lambda y: y.sum())
    assert [operation.function for operation in tape.operations] == ["*", "sum"]
    assert tape.outputs == (2,)


def test_the_tape_has_a_limit() -> None:
    def function(x: Tensor) -> Tensor:
        for _ in range(20):
            x = x + 1
        return x

    with pytest.raises(UsageError, match="more than 5 operations"):
        record(function, torch.ones(2), limit=5)


def test_the_tape_sees_functions_in_place_views_and_modules() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))

    def function(x: Tensor) -> Tensor:
        y = net(x)
        part = y[:, :2]
        part *= 2
        return functional.softmax(y.T, dim=0)

    tape = record(function, torch.randn(2, 3))
    assert [operation.function for operation in tape.operations] == ["linear", "relu", "index", "mul_", "T", "softmax"]
    changed = tape.operations[3].changed
    assert [tape.values[i].shape for i in changed] == [(2, 2), (2, 3)]
    assert tape.operations[4].inputs == (changed[1],)
    assert [call.kind for call in tape.calls] == ["Sequential", "Linear", "ReLU"]
    assert all(call.outputs for call in tape.calls)
