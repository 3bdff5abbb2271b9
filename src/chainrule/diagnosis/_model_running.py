"""Checks 23 to 27 of a network: its size, its side effects, its number types."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check
from chainrule.diagnosis._compare import require_near, require_tensor
from chainrule.diagnosis._model_learning import learned
from chainrule.diagnosis._model_subject import (
    ModelSubject,
    everything,
    leaves,
    main,
    scores,
    seeded,
    without_randomness,
)


@check(
    "as many parameters as documented",
    "the network is the one of the paper, and its card is true",
    "a bias beside a norm, a layer left out or twice, a width that is rounded, a card that was not brought up to date",
)
def parameter_count(subject: ModelSubject) -> Evidence:
    if not subject.parameters:
        raise DoesNotApply("no number of parameters is documented for it")
    for what, (wanted, build) in subject.parameters.items():
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            found = sum(parameter.numel() for parameter in build().parameters())
        if found != wanted:
            raise Violation(f"{what}: {found:,} instead of {wanted:,}", found=found, wanted=wanted)
    told = ", ".join(f"{wanted:,} ({what})" for what, (wanted, _) in subject.parameters.items())
    return Evidence(told, counts=[wanted for wanted, _ in subject.parameters.values()])


@check(
    "no generator is drawn from but torch's, and only where that is declared",
    "what else is drawn in a program stays the same when a network is built or evaluated",
    "numbers drawn while evaluating, `random` or `numpy.random` in a builder, a seed that is set on the way",
)
def generators(subject: ModelSubject) -> Evidence:
    with _untouched("building"):
        network = subject.network()
    x = subject.inputs(3)
    still = "training mode, with the modules that are random standing still,"
    with (
        seeded(subject.seed),
        _untouched("training mode"),
        without_randomness(network.train()),
        _torch_untouched(still),
    ):
        everything(network(x.clone()))
    with seeded(subject.seed), _untouched("evaluation"), _torch_untouched("evaluation"):
        scores(subject.settled, x)
    return Evidence("Python's, NumPy's and torch's generators stand where they stood")


@contextmanager
def _untouched(when: str) -> Iterator[None]:
    plain, numpys = random.getstate(), _numpy_state()
    yield
    if random.getstate() != plain:
        raise Violation(f"{when} draws from Python's global generator")
    if _numpy_state() != numpys:
        raise Violation(f"{when} draws from NumPy's global generator")


def _numpy_state() -> tuple[bytes, int]:
    state: Any = np.random.get_state(legacy=True)
    return state[1].tobytes(), state[2]


@contextmanager
def _torch_untouched(when: str) -> Iterator[None]:
    state = torch.get_rng_state()
    yield
    if not torch.equal(torch.get_rng_state(), state):
        raise Violation(f"{when} draws from torch's global generator")


@check(
    "the input is not modified",
    "a batch can be used again: for another network, for a picture of what was seen",
    "`x += ...`, `x.mul_()`, an activation with inplace=True as the first layer",
)
def input_unmodified(subject: ModelSubject) -> Evidence:
    for network, mode in ((subject.settled, "evaluation"), (subject.network().train(), "training")):
        x = subject.inputs(3)
        before, version = x.clone(), x._version
        with torch.no_grad(), seeded(subject.seed):
            network(x)
        if not torch.equal(x, before) or x._version != version:
            raise Violation(f"the input is written to in {mode} mode", difference=float((x - before).abs().max()))
    return Evidence("equal, and never written to, in both modes")


@check(
    "double precision works throughout",
    "what float32 rounds away can be told from what is wrong",
    "`.float()` or a constant tensor of float32 on the way, a buffer that `double()` does not reach",
)
def double_precision(subject: ModelSubject) -> Evidence:
    network, x = subject.double, subject.inputs(3).double()
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        if value.is_floating_point() and value.dtype != torch.float64:
            raise Violation(f"{name} is {value.dtype} after double()", tensor=name)
    narrow: list[str] = []
    hooks = [module.register_forward_hook(_narrow(narrow, name)) for name, module in leaves(network)]
    try:
        wanted = scores(network, x)
    finally:
        for hook in hooks:
            hook.remove()
    if narrow or wanted.dtype != torch.float64:
        raise Violation(f"the output of {(narrow or ['the network'])[0]} is not float64", tensors=narrow[:8])
    # a change that float32 cannot hold must show, ten times as large a one about ten times as much
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(subject.seed), dtype=torch.float64)
    if not subject.learns:  # votes and the like are steps
        apart = require_near("float64 beside float32", wanted.float(), scores(subject.settled, subject.inputs(3)), 1e-3)
        return Evidence(f"float64 in every layer; float32 is {apart:.1g} off", difference=apart)
    small, large = (float((scores(network, x + size * way) - wanted).abs().max()) for size in (1e-10, 1e-9))
    if not 0 < small < large < 100 * small:
        raise Violation(
            f"a change of 1e-10 moves the scores by {small:.1g}, one of 1e-9 by {large:.1g}: rounded on the way"
        )
    apart = require_near("float64 beside float32", wanted.float(), scores(subject.settled, subject.inputs(3)), 1e-3)
    return Evidence(f"float64 in every layer; float32 is {apart:.1g} off", difference=apart)


def _narrow(found: list[str], name: str) -> Any:
    def hook(module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and output.dtype != torch.float64:
            found.append(name or type(module).__name__)

    return hook


@check(
    "bfloat16 autocast is finite and near",
    "half the memory and twice the speed change the answers by what rounding explains, and no more",
    "sums of many numbers, variances or exponentials in 16 bits; scores that are small differences of large numbers",
)
def autocast(subject: ModelSubject) -> Evidence:
    # before they have learned something, deep networks give scores that are small differences of large numbers
    network, x = learned(subject).network if subject.learns else subject.settled, subject.inputs(8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        require_tensor("the output of the new network under autocast", subject.settled(x.clone()))
    with torch.no_grad(), seeded(subject.seed), without_randomness(network):
        wanted = main(network(x.clone())).double()
        with torch.autocast("cpu", torch.bfloat16):
            found = require_tensor("the output under autocast", main(network(x.clone()))).double()
    if found.shape != wanted.shape:
        raise Violation(f"{tuple(found.shape)} instead of {tuple(wanted.shape)}")
    apart = float((found - wanted).norm() / (wanted.norm() + 1e-30))
    if not apart <= 3e-2:
        raise Violation(f"the scores differ by {apart:.2g} of their length, at most 0.03", difference=apart)
    return Evidence(f"scores of what was learned differ by {apart:.2g} of their length", difference=apart)


RUNNING: tuple[Check[ModelSubject], ...] = (
    parameter_count,
    generators,
    input_unmodified,
    double_precision,
    autocast,
)
"""Checks 23 to 27."""
