"""How weights (D_in, D_out) begin.

Source:
    LECTURES C5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def small_gaussian(D_in: int, D_out: int, rng: np.random.Generator) -> Array:
    """0.01 randn: activations shrink layer by layer in a deep network."""
    return 0.01 * rng.standard_normal((D_in, D_out))


def xavier(D_in: int, D_out: int, rng: np.random.Generator) -> Array:
    """Variance 1/D_in: keeps the variance through linear and tanh layers.

    Departures: torch's `xavier_normal_` has 2 / (D_in + D_out), the average of both sides.
    """
    return rng.standard_normal((D_in, D_out)) / np.sqrt(D_in)


def he(D_in: int, D_out: int, rng: np.random.Generator) -> Array:
    """Variance 2/D_in: ReLU removes half."""
    return rng.standard_normal((D_in, D_out)) * np.sqrt(2 / D_in)


def orthogonal(D_in: int, D_out: int, rng: np.random.Generator) -> Array:
    """The orthogonal factor of an SVD of a random matrix: columns (or rows) of length 1 at right angles."""
    U, _, Vt = np.linalg.svd(rng.standard_normal((D_in, D_out)), full_matrices=False)
    return U @ Vt
