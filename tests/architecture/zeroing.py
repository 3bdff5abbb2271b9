"""A pytest plugin that asks of a test: would it notice if a function returned zeros?

    python -m pytest -p zeroing --zero-plan PLAN --zero-answer ANSWER TEST...   (this folder on PYTHONPATH)

PLAN is JSON: test -> functions (dotted names) that it may prove. Each item is run as it is and, where it passes, once
more with each of those functions replaced that no item of its test has noticed yet. ANSWER is JSON: `passed` (test ->
whether all its items passed) and `noticed` (test -> functions whose replacement made one of its items fail).

The code of a function is exchanged in place, so that everybody who holds it, a table or a parameter of a test
included, meets the zeros.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import pkgutil
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

originals: dict[str, Any] = {}


def zeros(value: Any) -> Any:
    """The same shape and kind of thing, with every number zero."""
    if isinstance(value, np.ndarray):
        return np.zeros_like(value)
    if isinstance(value, (bool, int, float, complex, str, np.generic)):
        return type(value)()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(zeros, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(zeros, value))
    if isinstance(value, dict):
        return {key: zeros(v) for key, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        blank = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(blank, field.name, zeros(getattr(value, field.name)))
        return blank
    if (torch := sys.modules.get("torch")) is not None:
        if isinstance(value, torch.Tensor):
            return torch.zeros_like(value)
        if isinstance(value, torch.nn.Module):
            value.register_forward_hook(lambda module, inputs, output: zeros(output))
            return value
        if isinstance(value, torch.optim.Optimizer):
            value.step = lambda closure=None: None
            return value
    if callable(value):
        return lambda *args, **kwargs: zeros(value(*args, **kwargs))
    return None


def function_of(thing: Any) -> types.FunctionType:
    """The Python function behind a name: itself, a method's, or what a module or optimizer class does when it runs."""
    if isinstance(thing, type):
        for method in ("forward", "step", "__call__"):
            if isinstance(vars(thing).get(method), types.FunctionType):
                return vars(thing)[method]
    thing = getattr(thing, "__func__", thing)
    if not isinstance(thing, types.FunctionType) or thing.__closure__:
        raise TypeError(f"{thing!r} is no plain function, method, or class with forward, step or __call__")
    return thing


@contextmanager
def zeroed(name: str) -> Iterator[None]:
    """While this lasts, the function returns zeros of whatever it would have returned."""
    function = function_of(pkgutil.resolve_name(name))
    before = function.__code__, function.__defaults__, function.__kwdefaults__
    original = types.FunctionType(before[0], function.__globals__, function.__name__, before[1])
    original.__kwdefaults__ = before[2]
    originals[name] = original
    source = f"def zero(*a, **k):\n    import zeroing\n    return zeroing.zeros(zeroing.originals[{name!r}](*a, **k))\n"
    scope: dict[str, Any] = {}
    exec(source, scope)
    function.__code__, function.__defaults__, function.__kwdefaults__ = scope["zero"].__code__, None, None
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = before


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zeroing")
    group.addoption("--zero-plan", type=Path)
    group.addoption("--zero-answer", type=Path)


class Zeroing:
    """Runs every item of the plan, plain and with zeros."""

    def __init__(self, plan: dict[str, list[str]], answer: Path) -> None:
        self.plan, self.answer = plan, answer
        self.passed: dict[str, bool] = {}
        self.noticed: dict[str, list[str]] = {}

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        tests = [test for test in self.plan if item.nodeid == test or item.nodeid.startswith(test + "[")]
        passes = self.runs(item)
        for test in tests:
            self.passed[test] = self.passed.get(test, True) and passes
            noticed = self.noticed.setdefault(test, [])
            for name in self.plan[test]:
                if passes and name not in noticed:
                    with zeroed(name):
                        if not self.runs(item):
                            noticed.append(name)
        return True

    def runs(self, item: pytest.Item) -> bool:
        """Whether the item passes: set up, called and torn down without failure, and not skipped."""
        item._initrequest()
        return all(report.passed for report in runtestprotocol(item, log=False, nextitem=None))

    def pytest_sessionfinish(self) -> None:
        self.answer.write_text(json.dumps({"passed": self.passed, "noticed": self.noticed}))


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("zeroing", phases=(Phase.explicit, Phase.generate), database=None, print_blob=False)
    settings.load_profile("zeroing")  # what fails need not be made small
    plan = json.loads(config.getoption("--zero-plan").read_text())
    config.pluginmanager.register(Zeroing(plan, config.getoption("--zero-answer")))
