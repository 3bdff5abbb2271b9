"""A recorded call that is played again gives what the network itself gives."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.analysis._record import record
from chainrule.analysis._replay import leave_out, play, score, stripped, with_data


class Branches(nn.Module):
    """In-place, reused and functional operations, views that are written to, recurrence, attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.lstm = nn.LSTM(32, 5, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(5, 1, 8, batch_first=True, dropout=0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm(self.conv(x)))
        y = self.relu(y + 1)
        y = F.interpolate(F.max_pool2d(y, 2), scale_factor=2)
        y, _ = self.lstm(y.transpose(1, 2).flatten(2))
        y = self.encoder(y)
        y[0] = 3
        y += 1
        unused, _ = y.chunk(2, 1)
        unused.sum()
        whole = y.mT.mT
        whole.view(-1).mul_(2)
        return whole.pow(3).mean()


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, upstream):
        return 2 * upstream * ctx.saved_tensors[0]


def deep() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.ReLU(inplace=True), nn.Linear(6, 1), nn.Tanh())


def shared() -> nn.Module:
    layer = nn.Linear(8, 8)
    return nn.Sequential(layer, nn.GELU(), layer, nn.LayerNorm(8))


BUILDS = {"branches": Branches, "deep": deep, "shared": shared}


@pytest.fixture(params=sorted(BUILDS))
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return BUILDS[request.param]()


def gradients(loss: Tensor, module: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters())))


def test_a_play_gives_the_recorded_value_and_gradients(network: nn.Module) -> None:
    x = torch.randn(2, 3, 8, 8)
    tape = record(lambda x: network(x).square().sum(), x)
    (output,) = tape.outputs
    again = play(score(tape))[output]
    assert torch.equal(again, tape.values[output].tensor)
    for one, two in zip(gradients(again, network), gradients(tape.values[output].tensor, network)):
        assert torch.equal(one, two)


def test_other_weights_and_inputs_give_what_the_network_gives_with_them(network: nn.Module) -> None:
    x, other = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    twin = copy.deepcopy(network)
    tape = record(network, x)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    named = {value.name: value.index for value in tape.values if value.name}
    given = {named["input"]: other} | {named[name]: parameter for name, parameter in twin.named_parameters()}
    played = play(score(tape), given)[tape.outputs[0]]
    assert torch.equal(played, twin(other))


def test_playing_changes_neither_inputs_nor_buffers_that_were_recorded() -> None:
    torch.manual_seed(0)
    network, x = Branches(), torch.randn(2, 3, 8, 8)
    start = x.clone()

    def whole(x: Tensor) -> Tensor:
        x.mul_(0.5)
        return network(x)

    tape = record(network, x)
    written = record(whole, x)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    play(score(tape))
    play(score(written))
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in network.named_buffers())
    assert torch.equal(x, start * 0.5)


def test_buffers_that_are_given_carry_their_state_from_play_to_play() -> None:
    network, x = nn.BatchNorm1d(3), torch.randn(6, 3)
    twin = copy.deepcopy(network)
    tape = record(network, x)
    named = {value.name: value.index for value in tape.values if value.name}
    state = {named[name]: buffer for name, buffer in twin.named_buffers()}
    for _ in range(3):
        play(score(tape), state)
    other = nn.BatchNorm1d(3)
    for _ in range(3):
        other(x)
    assert torch.equal(twin.running_mean, other.running_mean)
    assert twin.num_batches_tracked == 3


def test_an_operation_can_be_left_out_or_replaced() -> None:
    scores, target = torch.randn(5, 4), torch.randint(4, (5,))
    tape = record(lambda s: F.cross_entropy(F.softmax(s, 1), target), scores)
    softmax, loss = tape.operations
    prepared = score(tape)
    output = tape.outputs[0]
    assert torch.equal(play(prepared, actions={softmax.index: leave_out})[output], F.cross_entropy(scores, target))
    summed = play(prepared, actions={loss.index: lambda s, t, **rest: F.cross_entropy(s, t, reduction="sum")})[output]
    assert torch.allclose(summed, 5 * tape.values[output].tensor)


def test_what_the_output_does_not_need_is_not_played() -> None:
    x = torch.randn(3)
    calls = []

    def count(x: Tensor) -> Tensor:
        calls.append(x)
        return x.exp()

    tape = record(lambda x: (x.exp(), x * 2)[1], x)
    prepared = score(tape)
    assert [operation.function for operation in prepared.needed] == ["*"]
    play(prepared, actions={0: count})
    assert not calls


def test_a_function_with_a_backward_of_its_own_is_played() -> None:
    x = torch.randn(3, requires_grad=True)
    tape = record(lambda x: Square.apply(x).sum(), x)
    other = torch.randn(3, requires_grad=True)
    played = play(score(tape), {0: other})[tape.outputs[0]]
    assert torch.equal(torch.autograd.grad(played, other)[0], 2 * other.detach())


def test_data_that_were_drawn_stay_and_what_the_network_draws_is_drawn_anew() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1))

    def step(size: int) -> Tensor:
        x = torch.randn(size, 4)
        x += 0.1 * torch.randn_like(x)
        return (network[1](x) + 0 * network(x)).sum()

    tape = record(step, 6)
    prepared = stripped(with_data(score(tape)))
    assert prepared.needed[0].function == "linear"
    assert "dropout" in [operation.function for operation in prepared.needed]
    (output,) = tape.outputs
    assert play(prepared)[output].item() == pytest.approx(tape.values[output].tensor.item())
    assert all(value.tensor.numel() == 0 for value in prepared.tape.values if value.operation is not None)


def test_data_that_the_network_writes_to_are_made_again() -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 1))
    given = torch.randn(6, 4)
    tape = record(lambda scale: network(given * scale).sum(), 2.0)
    prepared = stripped(with_data(score(tape)))
    assert prepared.needed[0].function == "*"
    assert play(prepared)[tape.outputs[0]].item() == pytest.approx(tape.values[tape.outputs[0]].tensor.item())
