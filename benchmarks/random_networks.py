"""Random convolutional networks as graphs: skips, concatenations, odd sizes, everything that moves what a unit sees."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Step:
    """One node: what is done, to which earlier nodes, and the module that does it, if one does."""

    kind: str
    sources: tuple[int, ...]
    module: str = ""
    options: tuple[Any, ...] = ()


class RandomNetwork(nn.Module):
    """Nodes in order; the last one's value is returned."""

    def __init__(self, steps: list[Step], modules: dict[str, nn.Module], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.steps, self.shape = steps, shape
        self.parts = nn.ModuleDict(modules)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, K, H', W')."""
        values = [image]
        for step in self.steps:
            values.append(self._do(step, [values[i] for i in step.sources]))
        return values[-1]

    def _do(self, step: Step, given: list[Tensor]) -> Tensor:
        x = given[0]
        match step.kind:
            case "module":
                return self.parts[step.module](x)
            case "add":
                return given[0] + given[1]
            case "product":
                return given[0] * given[1]
            case "concat":
                return torch.cat(given, 1)
            case "functional relu":
                return torch.relu(x)
            case "in place":
                return (x * 2).relu_()
            case "pad":
                return functional.pad(x, step.options[0], mode=step.options[1])
            case "crop":
                top, left = step.options
                return x[:, :, top:, left:]
            case "every second":
                return x[..., ::2, :]
            case "turned":
                return x.flip(-1)
            case "shuffled":
                n, c, h, w = x.shape
                return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
            case "resized":
                size, mode = step.options
                return functional.interpolate(x, size=size, mode=mode)
        raise AssertionError(step.kind)


def random_network(seed: int) -> RandomNetwork:
    """A network of 4 to 12 nodes on an image of odd or even sides between 8 and 25."""
    draw = random.Random(seed)
    shape = (draw.randint(1, 4), draw.randint(8, 25), draw.randint(8, 25))
    network = RandomNetwork([], {}, shape).eval()
    values = [torch.zeros(1, *shape)]
    wanted = draw.randint(4, 12)
    while len(network.steps) < wanted:
        step = _step(draw, network, values)
        if step is None:
            continue
        try:
            with torch.no_grad():
                value = network._do(step, [values[i] for i in step.sources])
        except RuntimeError:  # it does not fit here
            value = None
        if value is None or min(value.shape) < 1 or max(value.shape[2:]) > 60 or value.shape[1] > 64:
            if step.module in network.parts:
                del network.parts[step.module]
            continue
        network.steps.append(step)
        values.append(value)
    return network.eval()


def _step(draw: random.Random, network: RandomNetwork, values: list[Tensor]) -> Step | None:
    recent = draw.choice([len(values) - 1, len(values) - 1, draw.randrange(len(values))])
    channels = values[recent].shape[1]
    kind = draw.choice(
        ["conv", "conv", "conv", "dilated", "grouped", "pool", "mean pool", "transposed", "identity", "norm",
         "upsample", "add", "add", "product", "concat", "concat", "functional relu", "in place", "pad",
         "crop", "every second",
         "turned", "shuffled", "resized", "adaptive"]
    )  # fmt: skip
    made = _module(draw, kind, channels)
    if made is not None:
        name = f"{kind.replace(' ', '_')}{len(network.steps)}"
        network.parts[name] = made
        return Step("module", (recent,), name)
    if kind in ("add", "product", "concat"):
        same = [
            i
            for i, value in enumerate(values)
            if i != recent
            and value.shape[2:] == values[recent].shape[2:]
            and (kind == "concat" or value.shape[1] == channels)
        ]
        return Step(kind, (recent, draw.choice(same))) if same else None
    if kind == "pad":
        sizes = tuple(draw.randint(0, 2) for _ in range(4))
        return Step(kind, (recent,), options=(sizes, draw.choice(["constant", "reflect", "replicate", "circular"])))
    if kind == "crop":
        return Step(kind, (recent,), options=(draw.randint(0, 2), draw.randint(0, 2)))
    if kind == "resized":
        size = (draw.randint(3, 20), draw.randint(3, 20))
        return Step(kind, (recent,), options=(size, draw.choice(["nearest", "bilinear", "area"])))
    if kind == "shuffled" and channels % 2:
        return None
    return Step(kind, (recent,))


def _module(draw: random.Random, kind: str, channels: int) -> nn.Module | None:
    size, stride = draw.randint(1, 5), draw.choice([1, 1, 1, 2, 2, 3])
    square = draw.random() < 0.7
    filters: Any = size if square else (size, draw.randint(1, 4))
    padding: Any = draw.randint(0, size // 2)
    if not square:
        padding = 0
    outputs = draw.choice([1, 2, 4, channels])
    match kind:
        case "conv":
            return nn.Conv2d(channels, outputs, filters, stride, padding)
        case "dilated":
            return nn.Conv2d(channels, outputs, 3, stride, draw.randint(0, 2), dilation=draw.randint(2, 3))
        case "grouped":
            return nn.Conv2d(channels, channels, size, 1, size // 2, groups=channels)
        case "pool":
            return nn.MaxPool2d(
                draw.randint(2, 3), draw.randint(1, 3), draw.randint(0, 1), ceil_mode=draw.random() < 0.5
            )
        case "mean pool":
            return nn.AvgPool2d(
                draw.randint(2, 3), draw.randint(1, 3), draw.randint(0, 1), ceil_mode=draw.random() < 0.5
            )
        case "transposed":
            taps = draw.randint(2, 4)
            return nn.ConvTranspose2d(channels, outputs, taps, draw.randint(1, 2), draw.randint(0, 1))
        case "identity":
            return nn.Identity()
        case "norm":
            return nn.BatchNorm2d(channels).eval()
        case "upsample":
            return nn.Upsample(scale_factor=2, mode=draw.choice(["nearest", "bilinear"]))
        case "adaptive":
            return nn.AdaptiveAvgPool2d((draw.randint(2, 7), draw.randint(2, 7)))
    return None


class AllOfWindow(nn.Module):
    """In place of a maximum: the sum over the same window, whose gradient reaches all of it."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """The shape of the pooling."""
        size, stride, padding = int(self.pool.kernel_size), int(self.pool.stride), int(self.pool.padding)
        rows, columns = self.pool(x).shape[2:]
        more = [max(0, (n - 1) * stride + size - x.shape[a] - 2 * padding) for n, a in ((columns, 3), (rows, 2))]
        padded = functional.pad(x, (padding, padding + more[0], padding, padding + more[1]))
        ones = torch.ones(x.shape[1], 1, size, size, dtype=x.dtype)
        return functional.conv2d(padded, ones, stride=stride, groups=x.shape[1])[..., :rows, :columns]


def measured_field(
    network: RandomNetwork, unit: tuple[int, int, int], seed: int
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """First and last row, and column, of the input that a unit's gradient reaches: positive weights, float64."""
    import copy

    smooth = copy.deepcopy(network).double().eval()
    generator = torch.Generator().manual_seed(seed)
    for name, part in list(smooth.parts.items()):
        if isinstance(part, nn.MaxPool2d):
            smooth.parts[name] = AllOfWindow(part)
    with torch.no_grad():
        for parameter in smooth.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator, dtype=torch.float64) + 0.5)
    image = torch.rand(1, *network.shape, generator=generator, dtype=torch.float64) + 0.5
    image.requires_grad_(True)
    channel, row, column = unit
    (gradient,) = torch.autograd.grad(smooth(image)[0, channel, row, column], image)
    reached = gradient[0].abs().sum(0) > 0

    def ends(line: Tensor) -> tuple[int, int] | None:
        places = line.nonzero()[:, 0]
        return (int(places[0]), int(places[-1])) if len(places) else None

    return ends(reached.any(1)), ends(reached.any(0))
