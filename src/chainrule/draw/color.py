"""How colors differ, to the normal eye and to color-blind eyes, and how well one can be read on another."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Vision = Literal["normal", "protan", "deutan", "tritan"]
VISIONS: Final[tuple[Vision, ...]] = ("normal", "protan", "deutan", "tritan")

# Machado, Oliveira and Fernandes 2009, severity 1.0: what is left of linear RGB when one kind of cone is missing.
_SEEN: Final[dict[Vision, NDArray[np.float64]]] = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Ottosson 2020, OKLab: linear RGB -> cone responses -> lightness and two opponent axes.
_CONES: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_AXES: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def rgb(color: str) -> NDArray[np.float64]:
    """Return the sRGB values of `#rrggbb`, shape (3,), 0 to 1.

    Example:
        >>> rgb("#ff0080").round(2).tolist()
        [1.0, 0.0, 0.5]
    """
    return np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255.0


def name_of(values: NDArray[np.float64]) -> str:
    """Return `#rrggbb` of sRGB values, shape (3,), 0 to 1 (cut there).

    Example:
        >>> name_of(rgb("#1d5fbf"))
        '#1d5fbf'
    """
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in np.clip(values, 0.0, 1.0))


def _linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(color: str, vision: Vision = "normal") -> NDArray[np.float64]:
    seen = np.clip(_SEEN[vision] @ _linear(rgb(color)), 0.0, 1.0)
    return _AXES @ np.cbrt(_CONES @ seen)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colors: (L1 + 0.05) / (L2 + 0.05), L the relative luminance, L1 >= L2.

    Returns:
        1 (equal) to 21 (black on white). Text needs 4.5, lines and marks need 3.

    Example:
        >>> round(contrast("#000000", "#ffffff"), 1)
        21.0

    Source: WCAG 2.2, 1.4.3 and 1.4.11.
    """
    high, low = sorted(
        (float(_linear(rgb(color)) @ [0.2126, 0.7152, 0.0722]) for color in (first, second)), reverse=True
    )
    return (high + 0.05) / (low + 0.05)


def difference(first: str, second: str, vision: Vision = "normal") -> float:
    """Return how far apart two colors look: their distance in OKLab.

    Args:
        first: `#rrggbb`.
        second: `#rrggbb`.
        vision: The eye that looks: normal, or without red (protan), green (deutan) or blue (tritan) cones.

    Returns:
        0 (equal) to 1 (black and white).

    Example:
        >>> difference("#000000", "#ffffff") > 0.99
        True
        >>> difference("#a03020", "#4f5a20", "deutan") < difference("#a03020", "#4f5a20")
        True

    Source: Machado et al. 2009 (color-blind eyes); Ottosson 2020 (OKLab).
    """
    return float(np.linalg.norm(_lab(first, vision) - _lab(second, vision)))


def mix(first: str, second: str, share: float) -> str:
    """Return the color at `share` of the way from the first to the second, evenly in OKLab.

    Example:
        >>> mix("#000000", "#ffffff", 0.0), mix("#000000", "#ffffff", 1.0)
        ('#000000', '#ffffff')
    """
    lab = (1.0 - share) * _lab(first) + share * _lab(second)
    linear = np.clip(np.linalg.solve(_CONES, np.linalg.solve(_AXES, lab) ** 3), 0.0, 1.0)
    return name_of(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
