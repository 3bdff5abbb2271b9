"""A pytest plugin that asks of tests: would they notice if a function returned zeros?

    python -m pytest -p zeroing --zero-plan PLAN --zero-answer ANSWER TEST...   (this folder on PYTHONPATH)

PLAN is JSON: a list of rows, each `[tests, functions]` (dotted names). A row is proved when each of its functions is
noticed by one of its tests, and each of its tests notices one of its functions. ANSWER is JSON: `passed` (test ->
whether its items passed that were run) and `noticed` (test -> functions whose replacement made one of its items fail).

An item is run as it is, and where it passes once more for each function that it has called, that is replaced then, as
long as a row lacks this proof; items that no row needs any more are not run: the suite runs them anyway. Hypothesis
draws few examples: what is noticed only now and then is no proof.

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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

EXAMPLES = 20
"""Cases that hypothesis draws at most for each run of a test."""

originals: dict[str, Any] = {}
called: set[str] = set()


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
def exchanged(name: str, body: str) -> Iterator[None]:
    """While this lasts, the function does what `body` says of its name and its arguments `a` and `k`."""
    function = function_of(pkgutil.resolve_name(name))
    before = function.__code__, function.__defaults__, function.__kwdefaults__
    original = types.FunctionType(before[0], function.__globals__, function.__name__, before[1])
    original.__kwdefaults__ = before[2]
    originals[name] = original
    scope: dict[str, Any] = {}
    exec(f"def other(*a, **k):\n    import zeroing\n    return zeroing.{body}({name!r}, a, k)\n", scope)
    function.__code__, function.__defaults__, function.__kwdefaults__ = scope["other"].__code__, None, None
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = before


def zeros_of(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Zeros of whatever the function returns."""
    return zeros(originals[name](*args, **options))


def told(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What the function returns; that it was called is written down."""
    called.add(name)
    return originals[name](*args, **options)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zeroing")
    group.addoption("--zero-plan", type=Path)
    group.addoption("--zero-answer", type=Path)


class Zeroing:
    """Runs the items of the plan, plain and with zeros, until every row has its proofs."""

    def __init__(self, plan: list[tuple[list[str], list[str]]], answer: Path) -> None:
        self.plan, self.answer = plan, answer
        self.passed: dict[str, bool] = {}
        self.noticed: dict[str, set[str]] = {test: set() for tests, _ in plan for test in tests}

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        test = item.nodeid if item.nodeid in self.noticed else item.nodeid.partition("[")[0]
        wanted = self.wanted(test)
        if test not in self.passed or wanted:
            draw_few(item)
            called.clear()
            with ExitStack() as stack:
                for name in wanted:
                    stack.enter_context(exchanged(name, "told"))
                passes = self.runs(item)
            self.passed[test] = self.passed.get(test, True) and passes
            for name in [name for name in wanted if passes and name in called]:
                if name in self.wanted(test):
                    with exchanged(name, "zeros_of"):
                        if not self.runs(item):
                            self.noticed[test].add(name)
        return True

    def wanted(self, test: str) -> list[str]:
        """The functions that some row of the test would have proved by it."""
        names: list[str] = []
        for tests, functions in self.plan:
            if test in tests:
                known = set().union(*(self.noticed[each] for each in tests))
                idle = not self.noticed[test] & set(functions)
                names += [name for name in functions if idle or name not in known]
        return list(dict.fromkeys(names))

    def runs(self, item: pytest.Item) -> bool:
        """Whether the item passes: set up, called and torn down without failure, and not skipped."""
        item._initrequest()
        return all(report.passed for report in runtestprotocol(item, log=False, nextitem=None))

    def pytest_sessionfinish(self) -> None:
        noticed = {test: sorted(names) for test, names in self.noticed.items()}
        self.answer.write_text(json.dumps({"passed": self.passed, "noticed": noticed}))


def draw_few(item: pytest.Item) -> None:
    """Let a test that hypothesis gives its cases have no more than `EXAMPLES` of them."""
    inner = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
    own = getattr(inner, "_hypothesis_internal_use_settings", None)
    if own is not None and own.max_examples > EXAMPLES:
        inner._hypothesis_internal_use_settings = settings(own, max_examples=EXAMPLES)


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile(
        "zeroing",
        phases=(Phase.explicit, Phase.generate),  # what fails need not be made small
        max_examples=EXAMPLES,
        database=None,
        print_blob=False,
    )
    settings.load_profile("zeroing")
    plan = json.loads(config.getoption("--zero-plan").read_text())
    config.pluginmanager.register(Zeroing(plan, config.getoption("--zero-answer")))
