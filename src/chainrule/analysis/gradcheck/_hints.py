"""What a wrong gradient looks like: the pattern of what is claimed beside what was measured, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from chainrule.analysis.gradcheck._problem import Array

Mask = NDArray[np.bool_]
CLOSE = 1e-4
"""Relative error up to which a pattern is taken for the cause."""


def hint(claimed: Array, measured: Array, point: Array, sizes: Mapping[str, int]) -> str:
    """The first pattern that explains the difference, or an empty text.

    Args:
        claimed: The gradient of one tensor.
        measured: The same by differences, NaN where it was not measured.
        point: The tensor itself.
        sizes: What a wrong factor may be made of: name -> number, such as "axis 0 of x": 4.

    Returns:
        What follows "the gradient is wrong:".

    Example:
        >>> right = np.array([[1.0, 2.0], [3.0, -4.0]])
        >>> hint(-right, right, right, {}), hint(right.T, right, right, {}), hint(2 * right, right, right, {})
        ('it has the other sign', 'it is transposed', 'it is 2 times what it should be')
    """
    known = np.isfinite(measured)
    a, n = claimed[known], measured[known]
    if not a.size or not np.abs(n).max() > 0:
        return "it should be zero: small changes of it change nothing in the output" if a.size else ""
    if not np.abs(a).max() > 0:
        return "it is zero everywhere"
    for text in _whole(a, n, sizes):
        return text
    if known.all():
        for text in _moved(claimed, measured):
            return text
    for text in _sums(a, n, point[known]):
        return text
    return _part(claimed, measured, known)


def shape_hint(claimed: Array, measured: Array | None, shape: tuple[int, ...]) -> str:
    """What a gradient of another shape than its tensor may be.

    Example:
        >>> shape_hint(np.ones((4, 3)), None, (3,))
        'its shape is (4, 3), not (3,): was the sum over the first axis forgotten?'
    """
    said = f"its shape is {claimed.shape}, not {shape}"
    if claimed.ndim == len(shape) + 1 and claimed.shape[1:] == shape:
        return f"{said}: was the sum over the first axis forgotten?"
    if claimed.ndim >= 2 and claimed.shape == shape[::-1]:
        return f"{said}: is it transposed?"
    if claimed.size == int(np.prod(shape)):
        return f"{said}: reshape it"
    return said


def _off(a: Array, n: Array) -> float:
    return float(np.linalg.norm(a - n) / max(np.linalg.norm(n), np.finfo(float).tiny))


def _whole(a: Array, n: Array, sizes: Mapping[str, int]) -> Iterator[str]:
    factor = float(a @ n) / float(n @ n)
    if factor and _off(a / factor, n) < CLOSE:
        yield _factor(factor, sizes)


def _factor(factor: float, sizes: Mapping[str, int]) -> str:
    if abs(factor + 1) < CLOSE:
        return "it has the other sign"
    sign = "minus " if factor < 0 else ""
    size = abs(factor)
    for name, count in sizes.items():
        if count > 2 and abs(size / count - 1) < CLOSE:
            return f"it is {sign}{count} times what it should be ({name} is {count}: is a division by it missing?)"
        if count > 2 and abs(size * count - 1) < CLOSE:
            return f"it is {sign}1/{count} of what it should be ({name} is {count}: divided by it once too often?)"
    if abs(1 / size - round(1 / size)) < CLOSE and size < 1:
        return f"it is {sign}1/{round(1 / size)} of what it should be"
    return f"it is {sign}{size:.6g} times what it should be"


def _moved(a: Array, n: Array) -> Iterator[str]:
    if a.ndim >= 2 and a.shape[-1] == a.shape[-2] and _off(np.swapaxes(a, -1, -2), n) < CLOSE:
        yield "it is transposed"
    for axis, size in enumerate(a.shape):
        if size < 2:
            continue
        if _off(np.flip(a, axis), n) < CLOSE:
            yield f"it is reversed along axis {axis}"
        for shift in (1, -1):
            if _off(np.roll(a, shift, axis), n) < CLOSE:
                yield f"it is shifted by one along axis {axis}"


def _sums(a: Array, n: Array, x: Array) -> Iterator[str]:
    rest = a - n
    if not np.abs(rest).max() > CLOSE * np.abs(n).max() or rest.size < 3:
        return
    if float(np.ptp(rest)) < CLOSE * np.abs(rest).max():
        yield f"it is off by the same number, {float(rest.mean()):.6g}, at every entry"
    if (squares := float(x @ x)) > 0:
        share = float(rest @ x) / squares
        if _off(rest, share * x) < CLOSE:
            verb = "missing" if share < 0 else "too much"
            yield f"a term of {abs(share):.6g} times the tensor itself is {verb} (a penalty on it?)"


def _part(claimed: Array, measured: Array, known: Mask) -> str:
    """Where it is wrong, and how, if only some entries are."""
    limit = 1e-5 * float(np.nanmax(np.abs(measured)))
    wrong = known & (np.abs(claimed - np.where(known, measured, 0)) > limit)
    count, of = int(wrong.sum()), int(known.sum())
    if not 0 < count < of:
        return ""
    a, n = claimed[wrong], measured[wrong]
    how = ""
    if not np.abs(a).max() > 0:
        how = ": it is zero there (a term is missing)"
    elif not np.abs(n).max() > limit:
        how = ": it should be zero there"
    elif count > 1 and (found := next(_whole(a, n, {}), "")):
        how = f": there {found}"
    looked = "" if known.all() else " looked at"
    return f"it is wrong at {count} of {of} entries{looked}{_region(wrong, known)}{how}"


def _region(wrong: Mask, known: Mask) -> str:
    """Which entries are wrong, where one index says it."""
    if wrong.ndim >= 2 and wrong.shape[-1] == wrong.shape[-2]:
        diagonal = np.broadcast_to(np.eye(wrong.shape[-1], dtype=bool), wrong.shape)
        if (wrong == (diagonal & known)).all():
            return ", those on the diagonal"
        if (wrong == (~diagonal & known)).all():
            return ", all but the diagonal"
    for axis, size in enumerate(wrong.shape):
        at = np.flatnonzero(wrong.any(axis=tuple(k for k in range(wrong.ndim) if k != axis)))
        if size > 1 and len(at) == 1:
            place = {0: "first", size - 1: "last"}.get(int(at[0]), f"index {at[0]}")
            return f", all of them {place} along axis {axis}"
    return ""
