"""How each function of tensors moves what its result can read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from chainrule.analysis._tape import Operation, Ref, Tape
from chainrule.analysis.design import sight_layers as layers
from chainrule.analysis.design.sight import LARGEST, Sight, beginning, compact, hull, moved, reduced
from chainrule.notation.field import Window

Join = Callable[[Sequence[Sight]], Sight]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


POINTWISE: frozenset[str] = _words(
    "+ - * / ** += -= *= /= **= neg abs exp exp_ log log_ sqrt rsqrt sin cos tan tanh tanh_ sigmoid "
    "sigmoid_ relu relu_ relu6 leaky_relu leaky_relu_ elu elu_ selu celu gelu silu mish hardswish "
    "hardsigmoid hardtanh hardtanh_ softplus softsign logsigmoid threshold threshold_ prelu rrelu clamp "
    "clamp_ clip maximum minimum where masked_fill masked_fill_ dropout dropout1d dropout2d dropout3d "
    "alpha_dropout feature_alpha_dropout feature_dropout dropout_ to float double half bfloat16 type "
    "type_as clone contiguous detach add add_ sub mul mul_ div div_ pow square reciprocal erf floor ceil "
    "round sign gt lt ge le eq ne logical_and logical_or logical_not addcmul addcdiv lerp batch_norm "
    "zero_ fill_ copy_ nan_to_num expm1 log1p log2 log10 exp2 atan2 fmod remainder floordiv floor_divide "
    "rsub tanhshrink softshrink hardshrink stochastic_depth bernoulli identity data real is_nonzero "
    "__and__ and or xor invert int long bool cpu"
)
"""Each number of the result reads the numbers at its own position."""

STRUCTURAL: frozenset[str] = _words(
    "permute transpose transpose_ t T mT H mH movedim moveaxis swapaxes swapdims reshape view flatten "
    "unflatten squeeze squeeze_ unsqueeze unsqueeze_ expand expand_as broadcast_to index select narrow "
    "split chunk unbind tensor_split split_with_sizes flip roll cat concat concatenate stack hstack "
    "vstack dstack repeat repeat_interleave tile pixel_shuffle pixel_unshuffle channel_shuffle "
    "native_channel_shuffle reshape_as view_as unfold diagonal index_put_ rot90 fliplr flipud as_strided "
    "ravel constant_pad_nd pad"
)
"""Numbers are moved, repeated or left out: the function itself moves their sights."""


@dataclass(frozen=True)
class Setting:
    """One operation with the sights of what goes in."""

    operation: Operation
    tape: Tape
    known: dict[int, Sight]
    join: Join

    @property
    def sights(self) -> list[Sight]:
        """Of the inputs that read anything."""
        return [self.known[i] for i in dict.fromkeys(self.operation.inputs) if i in self.known]

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position or name."""
        operation = self.operation
        if position < len(operation.arguments):
            return operation.arguments[position]
        return operation.options.get(name, default)

    def sight(self, position: int, name: str) -> Sight | None:
        """That of an argument; None if it reads nothing."""
        found = self.get(position, name)
        return self.known.get(found.value) if isinstance(found, Ref) else None

    def shape(self, position: int, name: str) -> tuple[int, ...]:
        """That of an argument."""
        return self.tape.values[self.get(position, name).value].shape

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of the first result."""
        index = (*self.operation.results, *self.operation.changed)[0]
        return self.tape.values[index].shape


def follow(tape: Tape, start: int, axis: int, join: Join) -> dict[int, Sight]:
    """The sights of all values along one dimension of an input; values that do not depend on it have none.

    Args:
        tape: The call.
        start: The input's value.
        axis: Its dimension, counted from the end.
        join: What happens where paths meet: `hull` or `narrowest`.
    """
    known = {start: beginning(tape.values[start].shape, axis)}
    newest = {id(tape.values[start].tensor): start}
    for operation in tape.operations:
        results = (*operation.results, *operation.changed)
        before = {i: newest.get(id(tape.values[i].tensor)) for i in results}
        if any(i in known for i in operation.inputs):
            setting = Setting(operation, tape, known, join)
            found = _results(setting)
            for index, sight in found.items():
                known[index] = sight
            _others(setting, found, before)
        for index in results:
            newest[id(tape.values[index].tensor)] = index
    return known


def _results(setting: Setting) -> dict[int, Sight]:
    operation, tape = setting.operation, setting.tape
    targets = operation.results or operation.changed[:1]
    name = operation.function
    try:
        if name in layers.LAYERS:
            found = layers.LAYERS[name](setting)
        elif name in POINTWISE:
            found = [setting.join(setting.sights)]
        elif name in STRUCTURAL:
            found = structural(setting)
        else:
            found = None
    except (RuntimeError, IndexError, ValueError, TypeError, AttributeError, KeyError):
        found = None  # called in a way that the rule does not know
    if found is None or len(found) < len(targets):
        rest = everything(setting)
        found = [*(found or []), *[rest] * len(targets)]
    shapes = [tape.values[i].shape for i in targets]
    return {i: _raised(s, shape) for i, s, shape in zip(targets, found, shapes) if s is not None}


def _others(setting: Setting, found: dict[int, Sight], before: dict[int, int | None]) -> None:
    """What was changed through another view of its memory: it may read what it read, and all that went in."""
    for index in setting.operation.changed:
        if index not in found:
            old = setting.known.get(before[index]) if before[index] is not None else None  # type: ignore[arg-type]
            same = old is not None and len(setting.sights) == 1
            setting.known[index] = old if same and old is not None else everything(setting)


def everything(setting: Setting) -> Sight:
    """Each number of the result is taken to read all that goes in."""
    read = [s for s in setting.sights if s.low.numel()]  # of nothing, nothing is read
    parts = [reduced(s, range(-s.low.dim(), 0), keep=False) for s in read]
    return hull(parts) if parts else setting.sights[0]


def _raised(sight: Sight, shape: tuple[int, ...]) -> Sight:
    """With as many dimensions as the value has."""
    missing = len(shape) - sight.low.dim()
    if missing <= 0:
        return sight
    low, high = (t.reshape([1] * missing + list(t.shape)) for t in (sight.low, sight.high))
    return Sight(low, high, sight.axis, sight.field, sight.whole)


def structural(setting: Setting) -> list[Sight] | None:
    """Let the function move the sights as it moved the numbers."""
    operation, tape = setting.operation, setting.tape
    refs = list(dict.fromkeys(operation.inputs))
    if operation.function in ("index", "index_put_") and _indexed_by_tensor(operation):
        return None
    if sum(_count(tape.values[i].shape) for i in refs) > LARGEST:
        return None

    def call(places: Callable[[int], Tensor]) -> list[Tensor]:
        put = {i: places(i) for i in refs}
        arguments, options = tree_map(
            lambda leaf: put[leaf.value] if isinstance(leaf, Ref) else leaf,
            (operation.arguments, operation.options),
            is_leaf=lambda leaf: isinstance(leaf, Ref),
        )
        if operation.function == "pad":
            return [_padded(*arguments, **options)]
        given = operation.target(*arguments, **options)
        return [given] if isinstance(given, Tensor) else list(given)

    run = _putting(setting) if operation.function == "index_put_" else call

    def ends(side: str, sign: float) -> Callable[[int], Tensor]:
        def places(index: int) -> Tensor:
            sight, shape = setting.known.get(index), tape.values[index].shape
            if sight is None:
                return torch.full((), torch.inf, dtype=torch.float64).expand(shape)
            return (sign * getattr(sight, side)).expand(shape)

        return places

    lows, highs = run(ends("low", 1.0)), run(ends("high", -1.0))
    marks = run(lambda index: _mark(setting.known.get(index), tape.values[index].shape))
    fields = [(s.axis, s.field) for s in setting.sights]
    whole = any(s.whole for s in setting.sights)
    found = []
    for low, high, mark in zip(lows, highs, marks):
        axis, window = _moved_axis(mark)
        field = None
        if all(a is not None and f is not None for a, f in fields) and axis is not None and window is not None:
            parts = [moved(s, s.axis, window) for s in setting.sights if s.axis is not None]
            held = [Sight(low, low, axis, part) for part in parts if part is not None]
            field = hull(held).field if len(held) == len(parts) else None
        found.append(Sight(compact(low), compact(-high), axis, field, whole))
    return found


def _putting(setting: Setting) -> Callable[[Callable[[int], Tensor]], list[Tensor]]:
    """`x[place] = y` on a copy."""
    target, place, source = setting.operation.arguments

    def run(places: Callable[[int], Tensor]) -> list[Tensor]:
        out = places(target.value).clone()
        out[place] = places(source.value) if isinstance(source, Ref) else torch.inf
        return [out]

    return run


def _padded(places: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    if mode == "constant":
        return torch.nn.functional.pad(places, pad, value=torch.inf)
    return torch.nn.functional.pad(places, pad, mode=mode)


def _mark(sight: Sight | None, shape: Sequence[int]) -> Tensor:
    """The position along the axis that is followed; not a number where there is none."""
    if sight is None or sight.axis is None:
        return torch.full((), torch.nan, dtype=torch.float64).expand(tuple(shape))
    return beginning(shape, sight.axis).low.expand(tuple(shape))


def _moved_axis(mark: Tensor) -> tuple[int | None, Window | None]:
    """The dimension along which positions now differ, and the window of size 1 that says which they are."""
    small = compact(mark)
    known = small[~small.isnan()]
    axes = [a - small.dim() for a, size in enumerate(small.shape) if size > 1]
    if not known.numel() or len(axes) > 1:
        return None, None
    if not axes:
        return None, None
    line = small.flatten()
    inside = (line.isfinite()).nonzero()[:, 0]
    if not len(inside) or int(inside[-1] - inside[0]) + 1 != len(inside):
        return axes[0], None
    first, places = int(inside[0]), line[inside]
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step < 1 or not torch.equal(places, places[0] + step * torch.arange(len(places), dtype=places.dtype)):
        return axes[0], None
    return axes[0], Window(1, step, step * first - int(places[0]))


def _indexed_by_tensor(operation: Operation) -> bool:
    place = operation.arguments[1]
    parts = place if isinstance(place, (tuple, list)) else (place,)
    return any(isinstance(part, (Ref, list)) for part in parts)


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
