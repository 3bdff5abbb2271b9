"""Conjugate gradients, and the preconditioner that knows how features and classes hang together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.optim.solvers._problem import ROWS, Hessian

MOST_FEATURES = 4096
"""With more, the eigenvectors of the features' products cost more than they save."""
MOST_ROWS = 8192
"""Rows, anywhere among all, from which the products of the features are estimated."""


def conjugate_gradients(
    product: Callable[[Tensor], Tensor],
    right: Float[Tensor, "k d"],
    *,
    precondition: Callable[[Tensor], Tensor],
    tolerance: float,
    iterations: int,
) -> tuple[Float[Tensor, "k d"], int]:
    """Solve H v = right for a symmetric positive H that is known by its products.

    Args:
        product: v -> H v.
        right: The right-hand side.
        precondition: An approximate solution for any right-hand side; symmetric and positive too.
        tolerance: Stop when the residual, in the preconditioner's norm, has shrunk to this share.
        iterations: Most products.

    Returns:
        v, and the number of products.

    Example:
        >>> H = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
        >>> v, products = conjugate_gradients(
        ...     lambda v: v @ H, torch.tensor([[1.0, 2.0]]), precondition=lambda r: r, tolerance=1e-4, iterations=9
        ... )
        >>> [round(x, 4) for x in v[0].tolist()], products
        ([0.0909, 0.6364], 2)

    Source:
        Hestenes and Stiefel 1952; LECTURES B8.
    """
    v, rest = torch.zeros_like(right), right
    ahead = precondition(rest)
    size = first = _dot(rest, ahead)
    direction, done = ahead, 0
    while done < iterations and size > tolerance**2 * first:
        bent = product(direction)
        done += 1
        curvature = _dot(direction, bent)
        if not curvature > 0:  # flat within rounding: nothing more can be said in this direction
            break
        along = size / curvature
        v.add_(direction, alpha=along)
        rest = rest - along * bent  # not in place: the direction may be the same tensor
        ahead = precondition(rest)
        before, size = size, _dot(rest, ahead)
        direction = ahead + size / before * direction
    return v, done


def _dot(a: Tensor, b: Tensor) -> float:
    return (a * b).sum(dtype=torch.float64).item()


def spectrum(x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " d1"], Float[Tensor, "d1 d1"]]:
    """Eigenvalues, ascending and at least 0, and eigenvectors of the mean of x x^T, x with a 1 for the bias.

    Example:
        >>> spectrum(torch.tensor([[1.0], [-1.0]]))[0]
        tensor([1., 1.])
    """
    products = x.new_zeros(x.shape[1] + 1, x.shape[1] + 1)
    for part in x.split(ROWS):
        whole = torch.cat([part, part.new_ones(len(part), 1)], 1)
        products.addmm_(whole.T, whole)
    values, vectors = torch.linalg.eigh(products / len(x))
    return values.clamp_(min=0), vectors


class Kronecker:
    """H is about S (x) A + 2 lambda: S the mean curvature over the classes, A the mean of x x^T over the features.

    Exact where all examples bend alike, as they do at zero weights. Its inverse takes the eigenvectors of both: with
    V^T S V = diag(s) and U^T A U = diag(a), H^-1 R is about V ((V^T R U) / (s a^T + 2 lambda)) U^T.

    Args:
        x: The examples from which A is made; the feature 1 of the bias is added.
        l2: lambda.

    Source:
        Martens and Grosse 2015 (K-FAC), for a single layer.
    """

    def __init__(self, x: Float[Tensor, "n d"], l2: float) -> None:
        self.a, self.u = spectrum(x)
        self.l2 = l2

    def inverse(self, hessian: Hessian) -> Callable[[Tensor], Tensor]:
        """Return R -> H^-1 R, with the classes' curvature of this Hessian."""
        s, v = torch.linalg.eigh(hessian.of_classes())
        bends = s.clamp(min=0)[:, None] * self.a  # (K, D + 1)
        bends += max(2 * self.l2, 1e-6 * float(bends.max()), 1e-30)

        def solve(r: Float[Tensor, "k d1"]) -> Float[Tensor, "k d1"]:
            return v @ ((v.T @ r @ self.u) / bends) @ self.u.T

        return solve
