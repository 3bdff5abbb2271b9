"""A small network's loss as a surface: every weight is a direction, and what is drawn is one cut."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from chainrule.analysis.surfaces._surface import Array, Surface
from chainrule.data.digits import digits
from chainrule.runtime.rng import derive

IMAGES: Final = 300
PIXELS: Final = 4
HIDDEN: Final = 8
CLASSES: Final = 10
BATCH: Final = 32
AT_ONCE: Final = 256
"""Points whose loss is computed together."""
SIZES: Final = (PIXELS * PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES, CLASSES)


def network_surface(seed: int = 0) -> Surface:
    """Return the loss of a network with 8 hidden units (tanh) on 300 digits of 4x4 pixels: 226 weights.

    L(w) = mean softmax loss of W2 tanh(W1 x + b1) + b2, in float64. The noise of its gradient is that of 32 images in
    place of all. The start is drawn with variance 1 / D_in, biases 0.

    Args:
        seed: Of the start; the images are the same for all.

    Example:
        >>> surface = network_surface()
        >>> len(surface.start), 2 < float(surface.value(surface.start[None])[0]) < 3  # about log 10
        (226, True)

    Source:
        LECTURES B13, A5.
    """
    inputs, targets = _images()

    def loss(weights: Tensor, index: Tensor | None = None) -> Tensor:
        x, y = (inputs, targets) if index is None else (inputs[index], targets[index])
        return _loss(weights, x, y)

    def value(points: Array) -> Array:
        with torch.no_grad():
            return np.concatenate([loss(part).numpy() for part in torch.from_numpy(points).split(AT_ONCE)])

    def gradient(points: Array, index: Tensor | None = None) -> Array:
        weights = torch.from_numpy(points.copy()).requires_grad_()
        return torch.autograd.grad(loss(weights, index).sum(), weights)[0].numpy()

    def hessian(point: Array) -> Array:
        # One copy of the point for each row: row i of H is the gradient of the i-th slope of the i-th copy.
        copies = torch.from_numpy(np.tile(point, (len(point), 1))).requires_grad_()
        (slopes,) = torch.autograd.grad(loss(copies).sum(), copies, create_graph=True)
        return torch.autograd.grad(slopes.diagonal().sum(), copies)[0].numpy()

    def noisy(points: Array, rng: np.random.Generator) -> Array:
        return gradient(points, torch.from_numpy(rng.choice(IMAGES, BATCH, replace=False)))

    return Surface(
        "network",
        f"the loss of a network on {IMAGES} real digits, {PIXELS * PIXELS}-{HIDDEN}-{CLASSES} units: "
        f"{sum(SIZES)} weights",
        _start(seed),
        value,
        gradient,
        noisy,
        hessian,
        steps=200,
    )


def _images() -> tuple[Tensor, Tensor]:
    """The first images, 2x2 pixels averaged, each pixel centered, spread 1 over all; and their classes."""
    found = digits()
    pixels = found.pictures.read(torch.arange(IMAGES)).double() / 255  # (N, 1, 8, 8)
    x = F.avg_pool2d(pixels, 8 // PIXELS).flatten(1)  # (N, 16)
    x = x - x.mean(0)
    return x / x.std(), found.labels[:IMAGES]


def _start(seed: int) -> Array:
    rng = np.random.default_rng(derive(seed, "network surface"))
    first = rng.standard_normal(SIZES[0]) / PIXELS  # D_in = 16
    second = rng.standard_normal(SIZES[2]) / np.sqrt(HIDDEN)
    return np.concatenate([first, np.zeros(HIDDEN), second, np.zeros(CLASSES)])


def _loss(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(R, 226) -> (R,)."""
    w1, b1, w2, b2 = weights.split(SIZES, dim=1)
    h = torch.tanh(x @ w1.view(-1, PIXELS * PIXELS, HIDDEN) + b1[:, None])  # (R, N, 8)
    scores = h @ w2.view(-1, HIDDEN, CLASSES) + b2[:, None]  # (R, N, 10)
    right = scores.gather(2, y.expand(len(weights), -1)[..., None]).squeeze(2)
    return (scores.logsumexp(2) - right).mean(1)
