"""What other tools say about a program of the benchmark, used as their documentation says.

neuraldbg 1.3.2 and torchdiag 0.1.0 want lines in the training loop. Here they are put there from outside: the first
network that is called with gradients recorded is the model; its losses, steps and gradients are told to the tool as
somebody would who had written `with NeuralDbg(model)`, `dbg.record_loss(...)`, `torchdiag.check_gradients(model)` after
`backward`, and `torchdiag.check_dead_neurons(model, inputs)` in the end. In the tools' favour, every state that they
call unhealthy counts as a finding, and labels that only hint at a fault count as naming it (`answers.json`).

    pip install --target FOLDER --no-deps neuraldbg==1.3.2 torchdiag==0.1.0
    CHAINRULE_PEERS=FOLDER python benchmarks/doctor/ask.py --tool neuraldbg
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from chainrule.core.program import read_script, run_script

FOLDER = os.environ.get("CHAINRULE_PEERS", "")
WELL = {"healthy", "normal", "stable"}
"""What neuraldbg calls states that are no finding."""
GRADIENTS = {"EXPLODE": "exploding gradients", "VANISH": "vanishing gradients", "no_grad": "no gradient"}
"""What torchdiag's states of a parameter are called here."""
EVERY = 10
"""Backward passes between two questions to torchdiag."""
DEAD = 20
"""Per cent of units at which torchdiag warns."""


class Loop:
    """The events of a training that the tools are told of; a tool overrides what it wants."""

    model: nn.Module | None = None

    def begins(self, model: nn.Module, args: tuple[Any, ...]) -> None:
        """The first network is about to be called for the first time."""

    def backward(self, loss: float) -> None:
        """Gradients were computed."""

    def step(self) -> None:
        """The optimizer has taken a step."""

    def findings(self) -> Counter[str]:
        """What the tool says in the end: label -> how often."""
        return Counter()


class NeuralDbg(Loop):
    """neuraldbg: events of unhealthy states."""

    def begins(self, model: nn.Module, args: tuple[Any, ...]) -> None:
        """`with NeuralDbg(model) as dbg:`."""
        from neuraldbg import NeuralDbg as Tool

        self.tool = Tool(model)
        self.tool.__enter__()

    def backward(self, loss: float) -> None:
        """`dbg.record_loss(loss.item())`."""
        self.tool.record_loss(loss)

    def step(self) -> None:
        """`dbg.step = step`."""
        self.tool.step += 1

    def findings(self) -> Counter[str]:
        """Unhealthy states, by how often they were entered."""
        if self.model is None:
            return Counter()
        self.tool.__exit__(None, None, None)
        states = (getattr(event.to_state, "value", str(event.to_state)) for event in self.tool.events)
        return Counter(state for state in states if state not in WELL)


class TorchDiag(Loop):
    """torchdiag: gradients after some backward passes, dead units and moved parameters in the end."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.passes = 0

    def begins(self, model: nn.Module, args: tuple[Any, ...]) -> None:
        """Keep the first inputs, and the parameters as they are."""
        self.inputs = next((each.detach().clone() for each in args if isinstance(each, Tensor)), None)
        self.first = {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}

    def backward(self, loss: float) -> None:
        """`torchdiag.check_gradients(model)`."""
        from torchdiag import check_gradients

        assert self.model is not None
        if self.passes % EVERY == 0:
            states = (state["status"] for state in check_gradients(self.model).values())
            self.seen.update(GRADIENTS[state] for state in states if state in GRADIENTS)
            self.seen.update(["loss not finite"] * (loss != loss or abs(loss) == float("inf")))
        self.passes += 1

    def findings(self) -> Counter[str]:
        """`torchdiag.check_dead_neurons(model, inputs)`, and what `verify_step` says of parameters."""
        from torchdiag import check_dead_neurons

        if self.model is None:
            return Counter()
        if self.inputs is not None:
            with contextlib.suppress(Exception):  # of several inputs it gives the network but one
                found = check_dead_neurons(self.model, self.inputs)
                self.seen.update(["dead units"] * any(each["dead_pct"] > DEAD for each in found.values()))
        now = dict(self.model.named_parameters())
        if all(torch.equal(now[name], old) for name, old in self.first.items()):
            self.seen["no parameters changed"] += 1
        return self.seen


@contextlib.contextmanager
def told(loop: Loop) -> Iterator[None]:
    """Tell a tool what happens in the `with` block."""
    call, backward = nn.Module.__call__, Tensor.backward
    depth = 0

    def calling(module: nn.Module, *args: Any, **options: Any) -> Any:
        nonlocal depth
        learns = torch.is_grad_enabled() and any(each.requires_grad for each in module.parameters())
        if loop.model is None and not depth and learns:
            loop.model = module
            loop.begins(module, args)
        depth += 1
        try:
            return call(module, *args, **options)
        finally:
            depth -= 1

    def going_back(loss: Tensor, *args: Any, **options: Any) -> None:
        backward(loss, *args, **options)
        if loop.model is not None:
            loop.backward(float(loss.detach().sum()))

    hook = register_optimizer_step_post_hook(lambda *_: loop.step() if loop.model is not None else None)
    nn.Module.__call__, Tensor.backward = calling, going_back  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__, Tensor.backward = call, backward  # type: ignore[method-assign]
        hook.remove()


def tool(kind: Callable[[], Loop]) -> Callable[[Path, int], dict[str, Any]]:
    """What asks a tool about a program."""

    def ask(path: Path, seed: int) -> dict[str, Any]:
        sys.path.insert(0, FOLDER)
        begun, loop = time.monotonic(), kind()
        with told(loop), contextlib.suppress(Exception):
            run_script(read_script(path, ("--seed", str(seed))))
        found = loop.findings().most_common()
        return {
            "findings": [{"label": name, "level": "fault", "sure": times, "where": ""} for name, times in found],
            "seconds": round(time.monotonic() - begun, 1),
        }

    return ask


TOOLS = {"neuraldbg": tool(NeuralDbg), "torchdiag": tool(TorchDiag)}
