"""`chainrule check` in the process of the user's code: what was named becomes what is checked, and gets its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from chainrule.analysis.gradcheck._check import Checked, check_gradient
from chainrule.core.errors import UsageError
from chainrule.core.own_process import call_own
from chainrule.core.program import Program
from chainrule.core.shapes import parse_shapes

REMEDY = "give their shapes, --input 4x3,3x2, or write inputs = (...) or a function inputs() into the file"


def task(program: Program, payload: dict[str, Any]) -> dict[str, Any]:
    """Check what was named.

    Args:
        program: The user's file and what was named of it.
        payload: `names`, `input` (text or None), `seed`, `seconds`.

    Returns:
        `GradientCheck.as_dict()`.

    Raises:
        UsageError: It cannot be checked, or there are no inputs for it.
    """
    torch.set_num_threads(1)
    names, seed = payload["names"], payload["seed"]
    checked = _subject(names, program.objects, seed)
    inputs = _inputs(program, names, checked, payload["input"], seed)
    _require_fit(names[0], checked, inputs)
    return check_gradient(checked, *inputs, seed=seed, seconds=payload["seconds"]).as_dict()


def _subject(names: Sequence[str], objects: Sequence[Any], seed: int) -> Checked:
    """The thing to check: a class of a module is built without arguments."""
    if len(objects) > 2:
        raise UsageError(f"{len(objects)} names were given", expected="FILE.py:NAME or FILE.py:forward,backward")
    for name, thing in zip(names, objects):
        if not callable(thing):
            raise UsageError(f'"{name}" is {type(thing).__name__}', expected="a function, a module or a class of one")
    if len(objects) == 2:
        return objects[0], objects[1]
    (thing,) = objects
    if isinstance(thing, type) and issubclass(thing, nn.Module):
        needed = [p.name for p in inspect.signature(thing).parameters.values() if _lacks(p)]
        if needed:
            raise UsageError(
                f'the class "{names[0]}" needs {", ".join(needed)}',
                remedy=f"make one in the file, such as net = {names[0]}(...), and name it",
            )
        torch.manual_seed(seed)
        return call_own(thing)
    return thing


def _inputs(program: Program, names: Sequence[str], checked: Checked, text: str | None, seed: int) -> list[Any]:
    """From `--input`, or the file's own `NAME_inputs` or `inputs`, or an instance's `example_inputs`."""
    if text is not None:
        return [_drawn(shape, dtype, seed + k, _numpy(program, names, checked))
                for k, (shape, dtype) in enumerate(parse_shapes(text))]  # fmt: skip
    space = vars(program.module)
    for name in [f"{names[0]}_inputs", "inputs", "example_inputs"]:
        if name in space:
            return _listed(space[name], name, seed)
    if isinstance(checked, nn.Module):
        for name in ("example_inputs", "example_input_array"):
            if getattr(checked, name, None) is not None:
                return _listed(getattr(checked, name), name, seed)
    if not isinstance(checked, tuple) and not _needed(checked):
        return []
    raise UsageError(f'there are no inputs to call "{names[0]}" with', remedy=REMEDY)


def _require_fit(name: str, checked: Checked, inputs: Sequence[Any]) -> None:
    """Say it before the call where the inputs are too few or too many."""
    target = (
        checked[0] if isinstance(checked, tuple) else checked.forward if isinstance(checked, nn.Module) else checked
    )
    if isinstance(target, type):
        return
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*inputs)
    except TypeError:
        wanted = ", ".join(p.name for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY)
        raise UsageError(
            f'the inputs do not fit "{name}"', expected=f"({wanted})", got=f"{len(inputs)} inputs", remedy=REMEDY
        ) from None


def _listed(given: Any, name: str, seed: int) -> list[Any]:
    if callable(given) and not isinstance(given, nn.Module):
        torch.manual_seed(seed)
        np.random.seed(seed)
        given = call_own(given)
    if isinstance(given, tuple | list):
        return list(given)
    if isinstance(given, torch.Tensor | np.ndarray | float | int):
        return [given]
    raise UsageError(f'"{name}" in the file is {type(given).__name__}', expected="a tuple of inputs, or a function")


def _needed(checked: Callable[..., Any]) -> bool:
    """Whether it takes arguments that have no default."""
    target = checked.forward if isinstance(checked, nn.Module) else checked
    if isinstance(target, type):  # an autograd function
        return True
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(_lacks(p) for p in parameters)


def _lacks(parameter: inspect.Parameter) -> bool:
    """Whether it must be given."""
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _numpy(program: Program, names: Sequence[str], checked: Checked) -> bool:
    """Whether a pair is written for NumPy: it is, unless its file knows torch and not NumPy."""
    space = list(vars(program.module).values())
    knows_torch, knows_numpy = any(v is torch for v in space), any(v is np for v in space)
    return isinstance(checked, tuple) and (knows_numpy or not knows_torch)


def _drawn(shape: tuple[int, ...], dtype: str | None, seed: int, numpy: bool) -> Any:
    """Standard normal numbers; zeros where indices or classes are asked for."""
    if dtype is not None and not dtype.startswith(("float", "bfloat")):
        kind = getattr(torch, dtype)
        zeros = torch.zeros(shape, dtype=kind)
        return zeros.numpy() if numpy else zeros
    drawn = np.random.default_rng(seed).standard_normal(shape)
    if numpy:
        return float(drawn) if not shape else drawn
    return torch.as_tensor(drawn).to(getattr(torch, dtype or "float32"))
