"""Where branches meet: the shapes that RES may add and CAT may join."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.core.errors import NotationError
from chainrule.notation.shapes import Shape, Vector, Volume


def after_residual(before: Shape, body: Shape, shortcut: Shape) -> Shape:
    """The shape of a sum: both must be the same.

    Args:
        before: What enters the RES.
        body: What leaves its body.
        shortcut: What leaves its shortcut.

    Raises:
        NotationError: They differ; a projection that makes them agree is suggested.

    Example:
        >>> str(after_residual(Volume(8, 8, 16), Volume(8, 8, 16), Volume(8, 8, 16)))
        '8x8x16'
    """
    if body == shortcut:
        return body
    raise NotationError(
        "RES adds its body and its shortcut, and their shapes differ",
        expected=f"{shortcut} from the body" if shortcut == before else "equal shapes",
        got=str(body) if shortcut == before else f"{body} from the body and {shortcut} from the shortcut",
        remedy=_projection(before, body),
    )


def _projection(before: Shape, body: Shape) -> str:
    """A shortcut whose shape is the body's, or how to make one possible."""
    if isinstance(body, Vector):
        if isinstance(before, Vector):
            return f"give a projection as shortcut: RES[... ; FC-{body.features} nobias]"
        return f"give a shortcut that ends in a vector too: RES[... ; GAP | FC-{body.features}]"
    if isinstance(before, Vector):
        return "keep vectors on both sides"
    for stride in range(1, max(before.height, before.width) + 1):
        if ((before.height - 1) // stride + 1, (before.width - 1) // stride + 1) == (body.height, body.width):
            step = f" /{stride}" if stride > 1 else ""
            return f"give a projection as shortcut: RES[... ; CONV1-{body.channels}{step} nobias | BN]"
        if (before.height - 1) // stride + 1 < body.height:
            break
    return f"keep {before.height}x{before.width} in the body: CONVf pads (f-1)/2 unless told otherwise"


def after_concat(branches: Sequence[Shape]) -> Shape:
    """The shape of branches joined along the channels (or features): rows and columns must be the same.

    Raises:
        NotationError: They differ, or volumes and vectors are mixed.

    Example:
        >>> str(after_concat([Volume(8, 8, 16), Volume(8, 8, 12)]))
        '8x8x28'
    """
    first = branches[0]
    if isinstance(first, Vector):
        vectors = [branch for branch in branches if isinstance(branch, Vector)]
        if len(vectors) == len(branches):
            return Vector(sum(vector.features for vector in vectors))
    else:
        volumes = [branch for branch in branches if isinstance(branch, Volume)]
        sides = {(volume.height, volume.width) for volume in volumes}
        if len(volumes) == len(branches) and len(sides) == 1:
            return Volume(first.height, first.width, sum(volume.channels for volume in volumes))
    listed = [str(branch) for branch in branches]
    shown = ", ".join(listed[:6]) + (", ..." if len(listed) > 6 else "")
    if any(isinstance(branch, Vector) != isinstance(first, Vector) for branch in branches):
        remedy = "end every branch in a volume, or every branch in a vector (GAP, FC)"
    else:
        remedy = "use the same strides in each branch and keep the size otherwise (POOL3 /1 pad1, CONVf)"
    raise NotationError("CAT joins channels, and its branches differ in rows or columns", got=shown, remedy=remedy)
