"""A watched training is seen as it is, stays as it would have been, and can be taken again."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor._events import Backward, Cleared, Forward, Moved
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._rehearse import Rehearsal

ENTRIES = (
    (torch.Tensor, "backward"),
    (torch.autograd, "backward"),
    (torch.autograd, "grad"),
    (torch.optim.Optimizer, "zero_grad"),
    (nn.Module, "zero_grad"),
    (torch.utils.data.DataLoader, "__init__"),
)


def batches(count: int = 6) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(8, 5, generator=generator), torch.randint(3, (8,), generator=generator)) for _ in range(count)]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(inplace=True), nn.Linear(7, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, count: int = 6) -> list[float]:
    losses = []
    for x, y in batches(count):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "groups": lambda p: torch.optim.AdamW([{"params": p[:2], "lr": 0.1}, {"params": p[2:], "weight_decay": 0.0}]),
}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_watched_training_goes_as_it_would_and_can_be_taken_again(name: str) -> None:
    model = network()
    twin = copy.deepcopy(model)
    plain = train(twin, OPTIMIZERS[name](list(twin.parameters())))
    with Watch() as watch:
        watched = train(model, OPTIMIZERS[name](list(model.parameters())))
    assert watched == plain
    assert [event.loss for event in watch.seen.of(Backward)] == pytest.approx(plain)
    final = {key: value.clone() for key, value in model.state_dict().items()}
    assert Rehearsal(watch.seen).train(6) == pytest.approx(plain, rel=1e-6)
    assert all(torch.equal(value, final[key]) for key, value in model.state_dict().items()), "the network stays"


def test_events_come_in_the_order_of_the_loop() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Watch() as watch:
        train(model, optimizer, 2)
        model.eval()
        with torch.no_grad():
            model(batches(1)[0][0])
    assert [type(event) for event in watch.seen.events] == [Cleared, Forward, Backward, Moved] * 2 + [Forward]
    last = watch.seen.of(Forward)[-1]
    assert (last.training, last.grad, last.mixed) == (False, False, ())
    assert last.inputs is not None
    assert last.inputs.shape == (8, 5)
    assert watch.seen.complete
    assert watch.seen.error is None


def test_gradients_that_were_there_before_are_seen() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Watch() as watch:
        for x, y in batches(2):
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    first, second = watch.seen.of(Backward)
    assert first.stale == 0
    assert second.stale == pytest.approx(watch.seen.of(Moved)[0].norm)
    assert not watch.seen.of(Cleared)


def test_change_and_rates_of_a_step() -> None:
    model = nn.Linear(4, 2)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with Watch() as watch:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
        model(torch.ones(3, 4)).sum().backward()
        optimizer.step()
    (moved,) = watch.seen.of(Moved)
    change = sum(float((p.detach() - b).square().sum()) for p, b in zip(model.parameters(), before)) ** 0.5
    size = sum(float(b.square().sum()) for b in before) ** 0.5
    assert moved.rates == (0.25,)
    assert moved.change == pytest.approx(change / size, rel=1e-5)


def test_it_ends_a_training_that_is_long_enough_and_puts_everything_back() -> None:
    originals = [getattr(owner, name) for owner, name in ENTRIES]
    model = network()
    with Watch(steps=3) as watch:
        train(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert len(watch.seen.of(Moved)) == 3
    assert not watch.seen.complete
    assert watch.seen.error is None
    assert [getattr(owner, name) for owner, name in ENTRIES] == originals


def test_an_error_of_the_training_goes_on_and_everything_is_put_back() -> None:
    originals = [getattr(owner, name) for owner, name in ENTRIES]
    watch = Watch()
    with pytest.raises(RuntimeError, match="shapes"), watch:
        network()(torch.randn(2, 4))
    assert isinstance(watch.seen.error, RuntimeError)
    assert [getattr(owner, name) for owner, name in ENTRIES] == originals


def test_only_so_many_passes_are_recorded_and_all_are_seen() -> None:
    model = network()
    with Watch(recorded=2) as watch:
        train(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert len(watch.seen.recorded) == 2
    assert len(watch.seen.of(Backward)) == 6
    changes = [event.change for event in watch.seen.of(Moved)]
    assert changes[-1] is None


def test_a_rehearsal_may_leave_an_operation_out_or_go_another_way() -> None:
    model = network()
    x, y = batches(1)[0]
    with Watch() as watch:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(model(x).softmax(1), y).backward()
            optimizer.step()
    rehearsal = Rehearsal(watch.seen)
    softmax = {
        i: {step.index: lambda scores, dim: scores for step in batch.score.needed if step.function == "softmax"}
        for i, batch in enumerate(rehearsal.batches)
    }
    as_it_was, mended = rehearsal.train(30, batches=[0]), rehearsal.train(30, batches=[0], actions=softmax)
    assert mended[-1] < as_it_was[-1]
    faster = rehearsal.train(30, batches=[0], optimizer=lambda state: rehearsal.optimizer(state, lr=1.0))
    assert faster[1] != as_it_was[1]


def test_networks_of_several_modules_and_loaders_are_known() -> None:
    encoder, decoder = nn.Linear(4, 2), nn.Linear(2, 4)
    data = torch.utils.data.TensorDataset(torch.randn(10, 4))
    with Watch() as watch:
        loader = torch.utils.data.DataLoader(data, batch_size=5, shuffle=True)
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
        for (x,) in loader:
            optimizer.zero_grad()
            F.mse_loss(decoder(encoder(x)), x).backward()
            optimizer.step()
    assert set(watch.seen.parameters()) == {
        f"{title}.{name}" for title in ("Linear", "Linear#2") for name in ("weight", "bias")
    }
    assert watch.seen.loaders[0]["sampler"] == "RandomSampler"
    assert watch.seen.loaders[0]["batch_size"] == 5
    assert len(Rehearsal(watch.seen).used) == 4


def test_what_has_no_gradient_and_empty_batches_are_seen() -> None:
    model = nn.Linear(4, 2)
    with Watch() as watch:
        model(torch.randn(0, 4))
        with torch.no_grad():
            model(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    empty, _ = watch.seen.of(Forward)
    assert empty.inputs.shape == (0, 4)
    assert Rehearsal(watch.seen).batches == []


def test_a_training_without_modules_and_optimizer_is_seen() -> None:
    weight = torch.zeros(5, 3, requires_grad=True)
    with Watch() as watch:
        for x, y in batches(3):
            loss = F.cross_entropy(x @ weight, y)
            (gradient,) = torch.autograd.grad(loss, [weight])
            with torch.no_grad():
                weight -= 0.5 * gradient
    losses = [event.loss for event in watch.seen.recorded]
    assert len(losses) == 3
    assert losses[0] == pytest.approx(torch.tensor(3.0).log().item())
    assert losses[2] != losses[0]


def test_a_gradient_that_is_part_of_the_loss_is_no_backward_pass_of_its_own() -> None:
    model = network()
    x, y = batches(1)[0]
    x.requires_grad_()
    with Watch() as watch:
        loss = F.cross_entropy(model(x), y)
        (gradient,) = torch.autograd.grad(loss, [x], create_graph=True)
        (loss + gradient.square().sum()).backward()
    assert len(watch.seen.of(Backward)) == 1
    assert watch.seen.recorded[0].loss > loss.item()
