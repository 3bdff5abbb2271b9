"""Somebody's code, called with a formula's numbers: NumPy or torch, converted in and out."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from chainrule.analysis.compare._formula import Formula
from chainrule.analysis.compare._signature import CACHE, Plan, plain, plan_backward, plan_forward
from chainrule.core.errors import UsageError

Call = Callable[..., Any]


class Unusable(Exception):
    """What the user's function returned cannot be read as a result; the text says why."""


class Answer:
    """What one call of the user's code gave.

    Args:
        found: Results by name.
        extra: What it returned beside them: the cache.
        changed: Names of the arguments that it changed in place.
        single: Whether it computed in float32.
    """

    def __init__(self, found: dict[str, np.ndarray], extra: Any, changed: list[str], *, single: bool) -> None:
        self.found, self.extra, self.changed, self.single = found, extra, changed, single


class Student:
    """A forward function of somebody's, and perhaps a backward function, that claim to be a formula.

    Raises:
        UsageError: Its parameters do not fit the formula.
    """

    def __init__(self, formula: Formula, forward: Call, backward: Call | None, run: Call) -> None:
        for function in (forward, *([backward] if backward is not None else [])):
            if isinstance(function, type) or not callable(function):
                name = getattr(function, "__name__", type(function).__name__)
                kind = "a class" if isinstance(function, type) else f"of type {name}"
                raise UsageError(
                    f"{name} is no function", expected="functions", got=kind, remedy="name functions of your file"
                )
        self.formula, self.forward_function, self.backward_function, self._run = formula, forward, backward, run
        self.plan = plan_forward(forward, formula)
        self.packed = _keys_read(forward, formula, self.plan)
        self.torch = uses_torch(forward)
        self.given_gradients = self.caches = False

    def takes(self, name: str) -> bool:
        """Whether the forward function receives an argument, by itself or in a dictionary of options."""
        return name in self.plan.received or name in self.packed.values()

    def settle(self, values: Mapping[str, Any]) -> None:
        """Find out whether tensors or arrays are wanted, where the code alone does not say: the other kind may work."""
        known = getattr(self.forward_function, "__globals__", None)  # an object that can be called has none
        if "torch" not in sys.modules or (known is not None and not any(map(_is_torch, known.values()))):
            return
        try:
            self.forward(values)
        except Exception:
            self.torch = not self.torch
            try:
                self.forward(values)
            except Exception:
                self.torch = not self.torch

    def forward(self, values: Mapping[str, Any]) -> Answer:
        """Call the forward function.

        Raises:
            Unusable: What it returned is no result.
        """
        offer = self._offer(values)
        for pack, keys in self.formula.packs.items():
            offer[pack] = {key: offer[name] for key, name in keys.items() if name in offer}
        result, changed = self._call(self.forward_function, self.plan.call(offer), offer)
        outputs, extra = self._outputs(result, offer)
        found = {name: as_array(value, name) for name, value in outputs.items()}
        return Answer(found, extra, changed, single=any(is_single(value) for value in outputs.values()))

    def backward(self, values: Mapping[str, Any], cache: Any, *, cached: bool) -> Answer:
        """Call the backward function with upstream gradients and the cache of the forward call.

        Raises:
            Unusable: What it returned is no result.
        """
        assert self.backward_function is not None
        plan = plan_backward(self.backward_function, self.formula, cached=cached)
        offer = {**self._offer(values), CACHE: cache}
        result, changed = self._call(self.backward_function, plan.call(offer), offer)
        gradients = self._gradients(result)
        found = {name: as_array(value, name) for name, value in gradients.items()}
        return Answer(found, None, changed, single=any(is_single(value) for value in gradients.values()))

    def _offer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._given(value) for name, value in values.items()}

    def _given(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return deepcopy(value)
        if self.torch:
            import torch

            return torch.tensor(value)
        return value.copy()

    def _call(self, function: Call, words: tuple[list[Any], dict[str, Any]], offer: dict[str, Any]) -> tuple[Any, Any]:
        before = {name: as_array(value, name) for name, value in offer.items() if _is_array(value)}
        result = self._run(function, *words[0], **words[1])
        changed = [name for name, old in before.items() if not np.array_equal(old, as_array(offer[name], name))]
        return result, changed

    def _outputs(self, result: Any, offer: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        formula = self.formula
        names = list(formula.outputs)
        required = [name for name in names if name not in formula.optional]
        if result is None:
            raise Unusable("your function returns None: is its `return` missing?")
        if isinstance(result, Mapping) and not set(map(plain, names)).isdisjoint(plain(str(key)) for key in result):
            by_word = {plain(str(key)): value for key, value in result.items()}
            self.caches = self.caches or CACHE in by_word
            return {name: by_word[plain(name)] for name in names if plain(name) in by_word}, by_word.get(CACHE)
        pack = next((p for p in formula.packs if p in self.plan.received), None)
        kept = {key: value for key, value in (offer[pack] if pack else {}).items() if key in self.packed}
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict) and formula.moves:
            kept, result = {**kept, **result[1]}, result[0]
        items = list(result) if isinstance(result, tuple) or _holds_arrays(result) else [result]
        if items and isinstance(items[0], (tuple, list)) and len(items[0]) == len(required) > 1:
            items = [*items[0], *items[1:]]
        written = {"new_" + name: kept[key] for key, name in self.packed.items() if key in kept}
        if len(items) < len(required) or (not items):
            raise Unusable(f"your function returns {len(items)} values; expected {', '.join(required)}")
        count = len(names) if len(items) >= len(names) and formula.moves and not written else len(required)
        outputs = dict(zip(names[:count], items[:count]))
        for name in formula.optional:
            if name not in outputs and name in written and _is_new(written[name]):
                outputs[name] = written[name]
        rest = items[count:]
        self.caches = self.caches or bool(rest)
        if len(rest) == 1 and names == ["loss"] and self.backward_function is None:
            wanted = np.shape(as_array(offer[formula.arguments[0].name], ""))
            if _is_array(rest[0]) and np.size(as_array(rest[0], "")) == int(np.prod(wanted)):
                self.given_gradients = True
                return {**outputs, formula.gradients[0]: rest[0]}, None
        return outputs, (rest[0] if len(rest) == 1 else tuple(rest) if rest else None)

    def _gradients(self, result: Any) -> dict[str, Any]:
        names = self.formula.gradients
        if result is None:
            raise Unusable("your backward function returns None: is its `return` missing?")
        if isinstance(result, Mapping):
            by_word = {plain(str(key)).removeprefix("grad").removeprefix("d"): value for key, value in result.items()}
            return {name: by_word[plain(name)[1:]] for name in names if plain(name)[1:] in by_word}
        several = isinstance(result, tuple) or _holds_arrays(result)
        items = [item for item in result if item is not None] if several else [result]
        if len(items) > len(names):
            raise Unusable(f"your backward function returns {len(items)} gradients; expected {', '.join(names)}")
        return dict(zip(names, items))


def _keys_read(function: Call, formula: Formula, plan: Plan) -> dict[str, str]:
    """Keys of the dictionary of options that a function's code names, and their arguments; all, where it names none."""
    pack = next((p for p in formula.packs if p in plan.received), None)
    keys = dict(formula.packs[pack]) if pack else {}
    code = getattr(function, "__code__", None)
    named = set() if code is None else _texts_in(code, getattr(function, "__globals__", {}), set())
    read = {key: name for key, name in keys.items() if key in named}
    return read or keys


def _texts_in(code: types.CodeType, known: Mapping[str, Any], seen: set[types.CodeType]) -> set[str]:
    """Texts that stand in a function and in the functions of the same file that it calls."""
    seen.add(code)
    found: set[str] = set()
    for constant in code.co_consts:
        found |= {c for c in (constant if isinstance(constant, tuple) else (constant,)) if isinstance(c, str)}
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    inner += [v.__code__ for name in code.co_names if isinstance(v := known.get(name), types.FunctionType)]
    for other in inner:
        if other not in seen:
            found |= _texts_in(other, known, seen)
    return found


def uses_torch(function: Call) -> bool:
    """Whether a function works on tensors: its code names torch, or something of torch's."""
    code = getattr(function, "__code__", None)
    if code is None or "torch" not in sys.modules:
        return False
    known = function.__globals__ if hasattr(function, "__globals__") else {}
    return any(_is_torch(known.get(name)) for name in _names_in(code, known, set()))


def _names_in(code: types.CodeType, known: Mapping[str, Any], seen: set[str]) -> set[str]:
    """Names that a function and the functions it calls look up."""
    for name in code.co_names:
        if name not in seen:
            seen.add(name)
            value = known.get(name)
            inner = getattr(value, "__code__", None)
            if isinstance(value, types.FunctionType) and value.__globals__ is known and inner is not None:
                _names_in(inner, known, seen)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _names_in(constant, known, seen)
    return seen


def _is_torch(value: Any) -> bool:
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] == "torch"
    return (getattr(value, "__module__", None) or "").partition(".")[0] == "torch"


def as_array(value: Any, name: str) -> np.ndarray:
    """Numbers of any kind as float64.

    Raises:
        Unusable: They are none.
    """
    if value is None:
        raise Unusable(f"{name} is None: is something missing in your `return`?")
    if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise Unusable(f"{name} is of type {kind}; expected an array of numbers") from None
    return array.astype(np.float64)  # a copy, which later changes in place do not reach


def is_single(value: Any) -> bool:
    """Whether an array is of less than float64."""
    return str(getattr(value, "dtype", "")).rpartition(".")[2] in ("float32", "float16", "bfloat16")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "torch"


def _is_new(value: Any) -> bool:
    return _is_array(value) or isinstance(value, (int, float))


def _holds_arrays(result: Any) -> bool:
    return isinstance(result, list) and any(_is_array(item) and np.ndim(as_array(item, "")) for item in result)
