"""Newton's method: the step that would end at the critical point if f were the quadratic that it is near x.

f(x + s) = f(x) + g.s + s.H s / 2, whose gradient g + H s is 0 for s = -H^{-1} g.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array


def newton_step(x: Array, dx: Array, H: Array, lr: float = 1.0) -> Array:
    """x - lr H^{-1} dx. A quadratic bowl, however narrow, takes one step with lr = 1.

    It goes to where the gradient is 0, and that need not be a minimum: where H has a negative eigenvalue, the step
    along that direction goes up, towards a saddle point or a maximum.

    Args:
        x: (D,) or (..., D).
        dx: The gradient at x, like x.
        H: The second derivatives at x, (..., D, D).
        lr: 1 for the whole step.

    Returns:
        The next x.

    Raises:
        numpy.linalg.LinAlgError: H has no inverse.

    Example: to the minimum of x^2 + 50 y^2, and to the saddle point of x^2 - y^2.
        >>> x = np.array([3.0, 2.0])
        >>> newton_step(x, np.array([2, 100]) * x, np.diag([2.0, 100.0])).tolist()
        [0.0, 0.0]
        >>> newton_step(x, np.array([2, -2]) * x, np.diag([2.0, -2.0])).tolist()
        [0.0, 0.0]

    Source:
        LECTURES B8.
    """
    return x - lr * np.linalg.solve(H, dx[..., None])[..., 0]
