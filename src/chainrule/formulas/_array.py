"""What the formulas take and give."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
"""Numbers, in float64."""

Labels: TypeAlias = NDArray[np.int64]
"""The right class of each example, 0 to K - 1."""

Cache: TypeAlias = Any
"""What a forward function keeps for its backward function; nobody else looks inside."""
