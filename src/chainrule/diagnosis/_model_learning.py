"""Checks 16 to 22 of a network: gradients, learning, and the scale at which it starts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check
from chainrule.diagnosis._compare import largest, require_tensor
from chainrule.diagnosis._model_subject import (
    NORMS,
    ModelSubject,
    everything,
    leaves,
    main,
    seeded,
    without_randomness,
)

RATES = (1e-3, 1e-2, 3e-4, 1e-1)
"""Of Adam, tried in this order where a network should learn eight examples by heart."""
STEPS = 200
NOTHING = "it has no parameters to train"
STEP_SIZES = (1e-7, 1e-8, 1e-6, 1e-9)
"""Of finite differences, relative to a direction of length 1; a wrong gradient is wrong with each of them, while a kink
or a cancellation hits one."""


@check(
    "every trainable parameter gets a finite gradient that is not all zero",
    "all of the network learns",
    "a layer that is made and not used, a `detach`, an activation that is dead for all inputs",
)
def gradients(subject: ModelSubject) -> Evidence:
    network = subject.network().train()
    trainable = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    if not trainable:
        raise DoesNotApply(NOTHING)
    _nudge(network, subject.seed)
    with seeded(subject.seed), without_randomness(network):
        output = everything(network(subject.inputs(8)))
        (output * torch.linspace(0.5, 1.5, len(output))).sum().backward()
    least = math.inf
    for name, parameter in trainable:
        if parameter.grad is None:
            raise Violation(f"{name} gets no gradient", tensor=name)
        require_tensor(f"the gradient of {name}", parameter.grad)
        norm = float(parameter.grad.double().norm())
        if norm == 0:
            raise Violation(f"the gradient of {name} is all zero", tensor=name)
        least = min(least, norm)
    return Evidence(f"{len(trainable)} parameters, the shortest gradient has length {least:.1g}", least=least)


def _nudge(network: nn.Module, seed: int) -> None:
    """A small random step: weights that start at exactly 0 stop the gradient of others, for one step only."""
    generator = torch.Generator().manual_seed(seed + 31)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.01)


@check(
    "frozen parts get no gradient and do not change",
    "a pretrained part stays what it is while a new head is trained",
    "a `train()` or a forward pass that sets modes or gradients by itself, statistics that are gathered in any mode",
)
def frozen_parts(subject: ModelSubject) -> Evidence:
    network = subject.network().train()
    frozen = _all_but_the_last(network, subject.inputs(6))
    names = {name for name, _ in frozen}
    before = {name: value.clone() for name, value in network.state_dict().items() if _inside(name, names)}
    for _, module in frozen:
        module.eval().requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.01)
    started = [p.detach().clone() for p in optimizer.param_groups[0]["params"]]
    for salt in range(3):
        optimizer.zero_grad()
        with seeded(salt), without_randomness(network):
            everything(network(subject.inputs(6, salt=salt))).square().mean().backward()
        optimizer.step()
    for name, module in frozen:
        if any(parameter.grad is not None for parameter in module.parameters()):
            raise Violation(f"{name} is frozen and gets a gradient", tensor=name)
    after = network.state_dict()
    for name, value in before.items():
        if not torch.equal(after[name], value):
            raise Violation(f"{name} is frozen and changes by {largest(after[name], value):.2g}", tensor=name)
    if all(torch.equal(a, b) for a, b in zip(started, optimizer.param_groups[0]["params"])):
        raise Violation("what is not frozen does not change either")
    return Evidence(f"{len(before)} tensors frozen, equal after 3 steps of the last layer", tensors=len(before))


def _all_but_the_last(network: nn.Module, x: Tensor) -> list[tuple[str, nn.Module]]:
    """Its layers with parameters or statistics, but the last one with parameters that runs."""
    layers = [(name, module) for name, module in leaves(network) if module.state_dict()]
    ran: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in layers
        if any(True for _ in module.parameters())
    ]
    with torch.no_grad(), seeded(0):
        network(x)
    for hook in hooks:
        hook.remove()
    if len(set(ran)) < 2:
        raise DoesNotApply("it has fewer than two layers with parameters: none can be frozen while another learns")
    return [(name, module) for name, module in layers if name != ran[-1]]


def _inside(name: str, modules: set[str]) -> bool:
    return name.rpartition(".")[0] in modules


@check(
    "the gradient is the finite difference",
    "backpropagation computes the derivative of what the forward pass computes",
    "a hand-written backward pass, a `detach` or `.data` in the middle, a value computed under `no_grad`",
)
def finite_differences(subject: ModelSubject) -> Evidence:
    network = subject.network().double().train()
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise DoesNotApply(NOTHING)
    x, targets = subject.inputs(8).double(), subject.labels(8)

    def loss() -> Tensor:
        with seeded(subject.seed):
            return functional.cross_entropy(main(network(x.clone())), targets)

    grads = torch.autograd.grad(loss(), parameters, allow_unused=True)
    filled = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads)]
    worst = 0.0
    for number in range(5):
        worst = max(worst, _off(loss, parameters, filled, subject.seed + number))
    return Evidence(f"5 random directions in float64, at most {worst:.1g} apart", difference=worst)


def _off(loss: Any, parameters: list[nn.Parameter], grads: list[Tensor], seed: int) -> float:
    """How far the slope along a random direction is from the difference quotient, as a share of the gradient."""
    generator = torch.Generator().manual_seed(seed + 613)
    ways = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    # each parameter moves by a share of its own size, so that small ones count as much as large ones
    ways = [w * (p.detach().norm() + 1) / (w.norm() + 1e-30) for w, p in zip(ways, parameters)]
    length = math.sqrt(sum(float(w.square().sum()) for w in ways))
    ways = [w / length for w in ways]
    slope = float(sum((g * w).sum() for g, w in zip(grads, ways)))
    scale = max(abs(slope), 1e-3 * math.sqrt(sum(float(g.square().sum()) for g in grads)))
    best = math.inf
    for h in STEP_SIZES:
        h = h * length
        best = min(best, abs(_quotient(loss, parameters, ways, h) - slope) / scale if scale else 0.0)
        if best <= 1e-6:
            return best
    raise Violation(
        f"along a random direction the gradient says {slope:.8g}, but it is {best:.1g} of that off", difference=best
    )


@torch.no_grad()
def _quotient(loss: Any, parameters: list[nn.Parameter], ways: list[Tensor], h: float) -> float:
    values = []
    for step in (h, -2 * h, h):
        for parameter, way in zip(parameters, ways):
            parameter.add_(way, alpha=step)
        values.append(float(loss()))
    return (values[0] - values[1]) / (2 * h)


@check(
    "computing activations again for the backward pass changes nothing",
    "gradient checkpointing trades time for memory, and nothing else",
    "a forward pass that counts, remembers or draws by itself: the second time it is another function",
)
def recomputation(subject: ModelSubject) -> Evidence:
    network, x = subject.network().double().train(), subject.inputs(4).double()
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise DoesNotApply(NOTHING)

    def flat(given: Tensor) -> Tensor:
        return everything(network(given.clone()))

    found = []
    for run in (lambda: flat(x), lambda: checkpoint(flat, x, use_reentrant=False)):
        with seeded(subject.seed):
            output = run()
            grads = torch.autograd.grad(output.square().sum(), parameters, allow_unused=True)
        found.append([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads)])
    scale = max(float(grad.abs().max()) for grad in found[0])
    worst = max(float((a - b).abs().max()) for a, b in zip(*found)) / (scale or 1.0)
    if not worst <= 1e-12:
        raise Violation(f"the gradients differ by {worst:.2g} of the largest", difference=worst)
    return Evidence(f"gradients differ by {worst:.1g}", difference=worst)


@check(
    f"learns 8 examples by heart in at most {STEPS} steps",
    "the network can learn at all: where it cannot, no data and no patience will help",
    "an activation after the scores, a gradient that does not arrive, an initial scale that is far off",
)
def overfits(subject: ModelSubject) -> Evidence:
    if not subject.learns:
        raise DoesNotApply(NOTHING)
    found = learned(subject)
    if found.steps is None:
        raise Violation(f"{STEPS} steps of Adam do not do it: {found.told}", steps=STEPS)
    return Evidence(f"{found.steps} steps of Adam: {found.told}", steps=found.steps, rate=found.rate)


class Learned(NamedTuple):
    """A network that was to learn the eight examples, in training mode.

    Args:
        network: As it was left.
        steps: How many it took, or None.
        rate: Of the last try.
        told: The losses and rates in words.
    """

    network: nn.Module
    steps: int | None
    rate: float
    told: str


def learned(subject: ModelSubject) -> Learned:
    """Learn `subject.inputs(8)` by heart; done once for a subject."""
    if "learned" not in subject.kept:
        tried: list[str] = []
        for rate in RATES:
            network = subject.network().train()
            steps, loss = _learn(network, subject.inputs(8), _separable(subject), rate, subject.seed)
            tried.append(f"loss {loss:.2g} at rate {rate:g}")
            if steps is not None:
                break
        subject.kept["learned"] = Learned(network, steps, rate, ", ".join(tried))
    return subject.kept["learned"]


def _learn(network: nn.Module, x: Tensor, y: Tensor, rate: float, seed: int) -> tuple[int | None, float]:
    """The steps until all are right with a loss below 0.1, or None; and the last loss."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    value = math.inf
    with seeded(seed), without_randomness(network):
        for step in range(STEPS + 1):
            output = main(network(x.clone()))
            loss = functional.cross_entropy(output, y)
            value = float(loss.detach())
            if value < 0.1 and bool((output.argmax(1) == y).all()):
                return step, value
            if step < STEPS:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return None, value


def _separable(subject: ModelSubject) -> Tensor:
    """Classes that a random linear classifier gives to the eight examples: at least two different ones."""
    x = subject.inputs(8).flatten(1)
    x = torch.cat([x, torch.ones(8, 1)], 1)
    for salt in range(100):
        generator = torch.Generator().manual_seed(subject.seed + salt)
        y = (x @ torch.randn(x.shape[1], subject.classes, generator=generator)).argmax(1)
        if len(y.unique()) > 1:
            return y
    raise DoesNotApply("it has one class: there is nothing to learn")


@check(
    "the first loss is that of guessing",
    "training starts from ignorance, not from confident mistakes which it must unlearn first",
    "weights of the last layer that are too large, a missing norm, scores that are scaled up",
)
def first_loss(subject: ModelSubject) -> Evidence:
    if subject.classes < 2:
        raise DoesNotApply("it has one class: there is nothing to guess")
    network = subject.network().train()
    with torch.no_grad(), seeded(subject.seed), without_randomness(network):
        output = main(network(subject.inputs(64)))
    found, wanted = float(functional.cross_entropy(output, subject.labels(64))), math.log(subject.classes)
    if not found <= wanted + 1.5:
        raise Violation(f"{found:.3f}, more than ln {subject.classes} + 1.5 = {wanted + 1.5:.3f}", loss=found)
    return Evidence(f"{found:.3f}, where guessing gives ln {subject.classes} = {wanted:.3f}", loss=found)


@check(
    "layers start with activations of a deviation in [0.3, 3]",
    "signals neither die out nor blow up on their way through the new network",
    "an initialization that does not know the activation behind it, or the fan-out where layers widen",
)
def first_activations(subject: ModelSubject) -> Evidence:
    network, x = subject.network().train(), subject.inputs(32)
    spreads: list[tuple[str, float]] = _spreads(network, x, subject.seed)
    if not spreads:
        raise DoesNotApply("it has no hidden layer with weights: the scores are judged by the first loss")
    low, high = min(spreads, key=lambda row: row[1]), max(spreads, key=lambda row: row[1])
    for name, spread in (low, high):
        if not 0.3 <= spread <= 3.0:
            raise Violation(f"the deviation after {name} is {spread:.3g}", tensor=name, deviation=spread)
    told = f"{len(spreads)} layers, from {low[1]:.2f} ({low[0]}) to {high[1]:.2f} ({high[0]})"
    return Evidence(told, least=low[1], most=high[1])


def _spreads(network: nn.Module, x: Tensor, seed: int) -> list[tuple[str, float]]:
    """Deviation after each layer with weights, but for the scores, and what goes straight into a norm."""
    rows: dict[int, tuple[str, float, Tensor]] = {}

    def record(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(module, NORMS) and given:
                rows.pop(id(given[0]), None)  # its scale is about to be set anew
            if isinstance(output, Tensor):
                rows[id(output)] = name, float(output.double().std()), output  # kept, so that its id stays its own

        return hook

    weighted = [(name, module) for name, module in leaves(network) if any(True for _ in module.parameters(False))]
    hooks = [module.register_forward_hook(record(name)) for name, module in weighted]
    try:
        with torch.no_grad(), seeded(seed), without_randomness(network):
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return [(name, spread) for name, spread, _ in list(rows.values())[:-1]]


LEARNING: tuple[Check[ModelSubject], ...] = (
    gradients,
    frozen_parts,
    finite_differences,
    recomputation,
    overfits,
    first_loss,
    first_activations,
)
"""Checks 16 to 22."""
