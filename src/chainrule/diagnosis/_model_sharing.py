"""Checks 28 to 32 of a network: exported, averaged, deleted, used by threads, explained."""

from __future__ import annotations

import gc
import io
import logging
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check, told
from chainrule.diagnosis._compare import require_near, require_tensor
from chainrule.diagnosis._model_subject import ModelSubject, everything, scores, seeded, without_randomness
from chainrule.optim import ema_update

STEP_SIZES = (1e-6, 1e-7, 1e-8, 1e-5)
"""Of differences along directions of length 1."""
PREDICTIONS = 50
"""By each of two threads."""


@check(
    "torch.export gives a graph with equal outputs",
    "the network can leave Python: for other runtimes, and for compilers",
    "`if` on the values of a tensor, `.item()`, shapes computed by way of NumPy, state kept in Python",
)
def export(subject: ModelSubject) -> Evidence:
    x, other = subject.inputs(3), subject.inputs(3, salt=1)
    with _quiet(), torch.no_grad():
        try:
            graph = torch.export.export(subject.settled, (x,), strict=False).module()
        except Exception as error:
            raise Violation(f"it cannot be exported: {told(error)}", error=type(error).__name__) from error
        worst = 0.0
        for given in (x, other, -3 * other):
            wanted = scores(subject.settled, given)
            worst = max(worst, require_near("the graph's output", graph(given), wanted, 1e-5))
    return Evidence(f"exported; outputs differ by {worst:.1g}", difference=worst)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of a graph that it cannot make on many lines; the report has one."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@check(
    "an average of weights is the network of the averaged weights",
    "the averages that a training keeps compute what their weights say",
    "a tensor derived from the weights and kept (a folded or normalized copy), weights outside of `parameters()`",
)
def averages(subject: ModelSubject) -> Evidence:
    if not subject.learns:
        raise DoesNotApply("it has no weights to average")
    average, other, x = (
        subject.like(subject.settled),
        subject.settle(subject.network(subject.seed + 2)),
        subject.inputs(3),
    )
    start = scores(average, x)
    mine, theirs = average.state_dict(), other.state_dict()
    ema_update(mine.values(), theirs.values(), 0.75)
    fresh = subject.network(subject.seed + 3)
    fresh.load_state_dict(mine, strict=True)
    apart = require_near("the average's output", scores(average, x), scores(fresh.eval(), x), 1e-5)
    if mine and torch.equal(scores(average, x), start):
        raise Violation("averaging its weights does not change its output: it computes with other weights")
    return Evidence(f"{len(mine)} tensors averaged in place; beside freshly loaded ones {apart:.1g}", difference=apart)


@check(
    "memory is freed when the network is deleted",
    "a search or an ensemble can build one network after the other",
    "a list or a cache at the level of a module, a hook that is never removed, a reference kept to an activation",
)
def freed(subject: ModelSubject) -> Evidence:
    network = subject.network().train()
    x = subject.inputs(4)
    with seeded(subject.seed), without_randomness(network):
        output = everything(network(x))
        if output.requires_grad:
            output.sum().backward()
    alive: list[tuple[str, Any]] = [("the network", weakref.ref(network)), ("its input", weakref.ref(x))]
    alive += [(name, weakref.ref(parameter)) for name, parameter in network.named_parameters()]
    alive += [(name or "the network", weakref.ref(module)) for name, module in network.named_modules()]
    del network, x, output
    gc.collect()
    left = [name for name, reference in alive if reference() is not None]
    if left:
        raise Violation(f"{len(left)} of {len(alive)} objects are still there, such as {left[0]}", alive=left[:8])
    return Evidence(f"{len(alive)} modules and tensors are gone", objects=len(alive))


@check(
    f"two threads can predict at once, {PREDICTIONS} times each",
    "a service answers several requests with one network",
    "a forward pass that keeps something in `self` and reads it later, a buffer that is used as scratch memory",
)
def threads(subject: ModelSubject) -> Evidence:
    given = [subject.inputs(1, salt=salt) for salt in range(4)]
    wanted = [scores(subject.settled, x) for x in given]
    start, problems = threading.Barrier(2), list[str]()
    count = torch.get_num_threads()

    def predict(first: int) -> None:
        torch.set_num_threads(count)  # a new thread starts with the library's own number, which rounds differently
        start.wait(30)
        for turn in range(PREDICTIONS):
            place = (first + turn) % len(given)
            try:
                require_near(
                    f"prediction {turn} beside another thread",
                    scores(subject.settled, given[place]),
                    wanted[place],
                    1e-6,
                )
            except Exception as error:
                problems.append(str(error) if isinstance(error, Violation) else told(error))

    pair = [threading.Thread(target=predict, args=(first,)) for first in (0, 2)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
    torch.set_num_threads(count)
    if problems:
        raise Violation(
            f"{len(problems)} of {2 * PREDICTIONS} predictions are wrong: {problems[0]}", wrong=len(problems)
        )
    return Evidence(f"{2 * PREDICTIONS} predictions equal those of one thread")


@check(
    "explanations can trust the gradient of a score with respect to the input",
    "saliency maps and attributions, which are made of this gradient, tell what the network does, each time the same",
    "a `detach` or `.data` near the input, a step that has no gradient, another example's pixels in a score",
)
def explained(subject: ModelSubject) -> Evidence:
    network, x = subject.double, subject.inputs(2).double()
    first, second = _saliency(network, x), _saliency(network, x)
    require_near("the saliency of one input, computed again", second, first, 0)
    if not bool(first[0].any()):
        raise Violation("the gradient of a score with respect to the input is all zero")
    if bool(first[1].any()):
        raise Violation("the score of one example has a gradient with respect to another")
    worst = max(_incomplete(network, x, first, subject.seed + number) for number in range(3))
    return Evidence(
        f"repeatable; along 3 directions it adds up to the change of the score to {worst:.1g}", difference=worst
    )


def _saliency(network: nn.Module, x: Tensor) -> Tensor:
    """Gradient of the largest score of the first example with respect to all inputs."""
    given = x.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a number was taken out of a gradient's way is what is judged below
        score = network(given * 1.0)[0].max()
    if not score.requires_grad and not any(True for _ in network.parameters()):
        raise DoesNotApply("its scores have no gradient: it counts or votes")
    if not score.requires_grad:
        raise Violation("no gradient of a score reaches the input")
    (grad,) = torch.autograd.grad(score, given, allow_unused=True)
    if grad is None:
        raise Violation("no gradient of a score reaches the input")
    return require_tensor("the gradient with respect to the input", grad)


def _incomplete(network: nn.Module, x: Tensor, grad: Tensor, seed: int) -> float:
    """How far gradient times direction is from the change of the score, at the best of some step sizes."""
    generator = torch.Generator().manual_seed(seed + 77)
    way = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    way /= way.norm()
    best_class = int(scores(network, x)[0].argmax())
    slope = float((grad * way).sum())
    scale = max(abs(slope), 1e-2 * float(grad.norm()))
    best = float("inf")
    for h in STEP_SIZES:
        up, down = (float(scores(network, x + step * way)[0, best_class]) for step in (h, -h))
        best = min(best, abs((up - down) / (2 * h) - slope) / scale)
        if best <= 1e-6:
            return best
    raise Violation(
        f"along a direction the gradient says {slope:.6g}, but it is {best:.1g} of that off", difference=best
    )


SHARING: tuple[Check[ModelSubject], ...] = (export, averages, freed, threads, explained)
"""Checks 28 to 32."""
