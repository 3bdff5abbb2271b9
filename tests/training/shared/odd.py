"""Two processes of which the second is not like the first: `odd.py WHAT RUN`, under torchrun. Prints what is said."""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

import chainrule
from chainrule.core.errors import ChainruleError, DataError
from chainrule.tasks.runs import _together
from chainrule.training.objective import Separable


def main(what: str, run: str) -> None:
    """Train, and print the error."""
    settings: dict[str, Any] = {"train.steps": 4, "train.threads": 1, "train.process_timeout": 20, "train.parts": 2}
    if what == "disk":
        settings["train.shard"] = 2
    if os.environ["RANK"] == "1":
        if what == "recipe":
            settings["optim.lr"] = 0.5
        elif what == "data":
            whole = _together._digest
            _together._digest = lambda data: "other" if "processing" in data else whole(data)
        elif what == "version":
            _together.__version__ = "0.0.1"
        elif what == "nan":
            spoil_the_third_step()
        elif what == "disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        else:

            def fail(job: Any) -> str:
                raise DataError("something is wrong in process 1")

            _together._examples = fail
    try:
        chainrule.train("digits-softmax", out=run, settings=settings, report=False)
    except ChainruleError as error:
        print(error, flush=True)
        sys.exit(error.exit_status)


def spoil_the_third_step() -> None:
    """Let the gradients of this process alone be NaN in the third step."""
    real = Separable.gradients

    def gradients(self: Any, state: Any, phase: Any, parts: Any, at: Any, world: Any) -> Any:
        found = real(self, state, phase, parts, at, world)
        if at.step == 2:
            next(p.grad for p in state.model.parameters() if p.grad is not None).fill_(float("nan"))
        return found

    Separable.gradients = gradients  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
