"""`chainrule check` in the process of the user's code: what was named becomes what is checked, and gets its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from chainrule.analysis._drawn import drawn
from chainrule.analysis.gradcheck._check import Checked, check_gradient
from chainrule.core.errors import UsageError
from chainrule.core.own_inputs import lacking, own_inputs, require_buildable
from chainrule.core.own_process import call_own
from chainrule.core.program import Program
from chainrule.core.shapes import InputShape, parse_shapes

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
        require_buildable(thing, names[0])
        torch.manual_seed(seed)
        return call_own(thing)
    return thing


def _inputs(program: Program, names: Sequence[str], checked: Checked, text: str | None, seed: int) -> list[Any]:
    """From `--input`, or from the file."""
    if text is not None:
        numpy = _numpy(program, names, checked)
        return [(_array if numpy else drawn)(asked, seed + k) for k, asked in enumerate(parse_shapes(text))]
    torch.manual_seed(seed)
    np.random.seed(seed)
    given = own_inputs(vars(program.module), names[0], checked)
    if given is None and (isinstance(checked, tuple) or _needed(checked)):
        raise UsageError(f'there are no inputs to call "{names[0]}" with', remedy=REMEDY)
    return given or []


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


def _needed(checked: Callable[..., Any]) -> bool:
    """Whether it takes arguments that have no default."""
    target = checked.forward if isinstance(checked, nn.Module) else checked
    return isinstance(target, type) or lacking(target) != []  # a class: an autograd function


def _numpy(program: Program, names: Sequence[str], checked: Checked) -> bool:
    """Whether a pair is written for NumPy: it is, unless its file knows torch and not NumPy."""
    space = list(vars(program.module).values())
    knows_torch, knows_numpy = any(v is torch for v in space), any(v is np for v in space)
    return isinstance(checked, tuple) and (knows_numpy or not knows_torch)


def _array(asked: InputShape, seed: int) -> Any:
    """The same for NumPy, in float64 where nothing is said; a single number as a number."""
    found = drawn(asked._replace(dtype=asked.dtype or "float64"), seed).numpy()
    return float(found) if not asked.shape and found.dtype.kind == "f" else found
