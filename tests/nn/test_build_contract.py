"""300 random specifications: the table against the built module, in shapes, parameters, work and receptive fields.

The table computes, the module is measured: outputs by forward hooks, parameters by counting, multiply-adds by torch's
own counter, and receptive fields by gradients of single positions in float64. For the gradients weights are positive
and what can hide an input is replaced by a linear stand-in with the same reach (activations, maximum, dropout), so
that an input that is reached always shows.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from math import prod

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from chainrule.nn import Maxout, build
from chainrule.notation import Table, resolve, table
from chainrule.notation.network import Fork, Network

COUNT = 300


# -- specifications that are always valid ------------------------------------------------------------------------------


@dataclass
class Generator:
    """Writes random specifications while following their shapes by rules of its own."""

    rng: random.Random
    strides: int = 1
    ups: int = 1
    layers: int = 0
    kinds: set[str] = field(default_factory=set)

    def spec(self) -> str:
        rng = self.rng
        if rng.random() < 0.06:
            shape: list[int] = [rng.randint(2, 40)]
            start = f"INPUT {shape[0]}"
        else:
            shape = [rng.randint(5, 19), rng.randint(5, 19), rng.choice([1, 2, 3, 4, 6])]
            start = "INPUT {}x{}x{}".format(*shape)
        items = [self.item(shape, 2) for _ in range(rng.randint(2, 6))]
        if len(shape) == 3 and rng.random() < 0.5:
            items.append(self.norm_over_positions(shape))
            items += [self.item(shape, 0)]
        if len(shape) == 3 and rng.random() < 0.6:
            items.append(rng.choice(["GAP", f"FC-{rng.randint(2, 9)}"]))
            shape[:] = [shape[2] if items[-1] == "GAP" else int(items[-1][3:])]
        if len(shape) == 1:
            items += [self.item(shape, 1) for _ in range(rng.randint(0, 3))]
        text = " | ".join([start, *[item for item in items if item]])
        return text.lower() if rng.random() < 0.3 else text

    def item(self, shape: list[int], depth: int) -> str:
        makers = [self.pointwise]
        if len(shape) == 1:
            makers += [self.fully_connected] * 2
        else:
            makers += [self.conv] * 4 + [self.pool] * 2 + [self.upconv]
        if depth:
            makers += [self.residual, self.concat, self.repeat]
            makers += [self.u_net] if len(shape) == 3 else []
            maker = self.rng.choice(makers)
            if maker in (self.residual, self.concat, self.repeat, self.u_net):
                return maker(shape, depth - 1)  # type: ignore[operator]
            return maker(shape)
        return self.rng.choice(makers)(shape)

    def chain(self, shape: list[int], depth: int, keep: bool) -> str:
        """Items one after the other; with `keep` rows and columns stay as they are."""
        items = []
        for _ in range(self.rng.randint(1, 3)):
            if not keep:
                items.append(self.item(shape, depth))
            elif len(shape) == 1:
                items.append(self.rng.choice([self.pointwise, self.fully_connected])(shape))
            else:
                items.append(self.rng.choice([self.pointwise, self.same_conv, self.same_pool])(shape))
        return " | ".join(items)

    def divisor(self, *numbers: int) -> int:
        return self.rng.choice([n for n in range(1, max(numbers) + 1) if all(m % n == 0 for m in numbers)])

    def stride(self, size: int) -> int:
        most = min(3, size, 6 // self.strides)
        stride = self.rng.randint(1, max(1, most))
        self.strides *= stride
        return stride

    def conv(self, shape: list[int]) -> str:
        rng, room = self.rng, min(shape[:2])
        size = rng.choice([n for n in (1, 2, 3, 4, 5) if n <= room])
        dilation = rng.choice([1, 1, 1, 2, 3])
        reach = dilation * (size - 1)
        filters = rng.choice([1, 2, 3, 4, 6])
        words = [f"CONV{size}-{filters}"]
        padding = dilation * (size - 1) // 2
        least = max(0, -(-(reach + 1 - room) // 2))
        if size % 2 == 0 or rng.random() < 0.3 or padding < least:
            padding = rng.randint(least, max(least, reach))
            words.append(f"pad{padding}")
        stride = self.stride(size)
        groups = self.divisor(shape[2], filters)
        words += (
            [f"/{stride}"] * (stride > 1) + [f"dil{dilation}"] * (dilation > 1) + [f"groups{groups}"] * (groups > 1)
        )
        words += ["nobias"] * (rng.random() < 0.3)
        shape[:] = [*((n + 2 * padding - reach - 1) // stride + 1 for n in shape[:2]), filters]
        return words[0] + " " + " ".join(sorted(words[1:], key=lambda _: rng.random()))

    def pool(self, shape: list[int]) -> str:
        rng, room = self.rng, min(shape[:2])
        size = rng.choice([n for n in (1, 2, 3, 4) if n <= room])
        average = rng.random() < 0.4
        dilation = 2 if not average and size > 1 and 2 * size - 1 <= room and rng.random() < 0.2 else 1
        reach = dilation * (size - 1)
        padding = rng.randint(0, min((reach + 1) // 2, reach))
        stride, ceil = self.stride(size), rng.random() < 0.4
        sides = []
        for n in shape[:2]:
            starts = range(-padding, n, stride)  # those that fit, and with ceil one more over the end
            fitting = sum(start + reach < n + padding for start in starts)
            more = ceil and len(starts) > fitting and starts[fitting - 1] + reach < n + padding - 1
            sides.append(fitting + more)
        shape[:2] = sides
        words = [f"POOL{size}", f"/{stride}"] + [f"pad{padding}"] * (padding > 0) + [f"dil{dilation}"] * (dilation > 1)
        return " ".join(words + ["avg"] * average + ["ceil"] * ceil)

    def upconv(self, shape: list[int]) -> str:
        rng = self.rng
        if self.ups >= 4 or max(shape[:2]) > 40:
            return self.conv(shape)
        size = rng.randint(1, 4)
        stride = rng.randint(1, min(size, 3))
        self.ups *= stride
        padding = rng.randint(0, size - 1)
        if min((n - 1) * stride - 2 * padding + size for n in shape[:2]) < 2:
            padding = 0
        filters = rng.choice([1, 2, 4])
        groups = self.divisor(shape[2], filters)
        shape[:] = [*((n - 1) * stride - 2 * padding + size for n in shape[:2]), filters]
        words = [f"UPCONV{size}-{filters}", f"/{stride}", f"pad{padding}"] + [f"groups{groups}"] * (groups > 1)
        return " ".join(words)

    def same_conv(self, shape: list[int]) -> str:
        size, dilation = self.rng.choice([1, 3, 5]), self.rng.choice([1, 1, 2])
        shape[2] = self.rng.choice([1, 2, 4])
        return f"CONV{size}-{shape[2]}" + (f" dil{dilation}" if dilation > 1 else "")

    def same_pool(self, shape: list[int]) -> str:
        return self.rng.choice(["POOL3 /1 pad1", "POOL3 /1 pad1 avg"])

    def fully_connected(self, shape: list[int]) -> str:
        shape[:] = [self.rng.randint(2, 9)]
        return f"FC-{shape[0]}" + " nobias" * (self.rng.random() < 0.3)

    def pointwise(self, shape: list[int]) -> str:
        rng = self.rng
        choices = ["RELU", "LRELU", "ELU", "GELU", "SIGMOID", "TANH", "BN", "BN", "DROPOUT0.5", "DROPOUT.0"]
        if len(shape) == 3:
            choices.append("LRN")
        if shape[-1] % 2 == 0 and shape[-1] > 2:
            choices += ["MAXOUT2"] * 2
        choice = rng.choice(choices)
        if choice == "MAXOUT2":
            shape[-1] //= 2
        return choice

    def norm_over_positions(self, shape: list[int]) -> str:
        if shape[0] * shape[1] < 2:
            return "BN"
        return self.rng.choice(["LN", "IN", f"GN{self.divisor(shape[2])}"])

    def residual(self, shape: list[int], depth: int) -> str:
        drop = " | DROPPATH0.25" * (self.rng.random() < 0.3)
        if len(shape) == 1:
            return f"RES[FC-{shape[0]} | RELU{drop}]"
        if self.rng.random() < 0.5:
            before = shape[2]
            return f"RES[{self.chain(shape, depth, True)} | CONV3-{self.set_channels(shape, before)}{drop}]"
        stride, filters = self.stride(3), self.rng.choice([2, 4])
        before = shape[2]
        body = f"CONV{self.rng.choice([1, 3, 5])}-{filters} /{stride}"
        shape[:] = [*((n - 1) // stride + 1 for n in shape[:2]), filters]
        body = f"{body} | {self.chain(shape, depth, True)} | CONV1-{self.set_channels(shape, filters)}"
        shortcut = f"CONV1-{filters} /{stride} nobias | BN"
        if self.rng.random() < 0.3:
            shortcut = f"POOL3 /{stride} pad1 | CONV1-{filters} groups{self.divisor(before, filters)}"
        return f"RES[{body}{drop} ; {shortcut}]"

    def set_channels(self, shape: list[int], channels: int) -> int:
        shape[2] = channels
        return channels

    def concat(self, shape: list[int], depth: int) -> str:
        if len(shape) == 1:
            first = shape[0]
            shape[0] = first + 3
            return "CAT[ ; FC-3]"
        branches, channels = [], 0
        for _ in range(self.rng.randint(2, 3)):
            inner = list(shape)
            branches.append("" if self.rng.random() < 0.25 else self.chain(inner, depth, True))
            channels += inner[2]
        shape[2] = channels
        return f"CAT[{' ; '.join(branches)}]"

    def repeat(self, shape: list[int], depth: int) -> str:
        count = self.rng.randint(2, 3)
        if len(shape) == 1:
            return f"(FC-{shape[0]} | {self.rng.choice(['RELU', 'BN'])})*{count}"
        if self.rng.random() < 0.3 and shape[2] <= 4:
            shape[2] += 2 * count
            return f"(CAT[ ; BN | CONV3-2])*{count}"
        before = shape[2]
        inner = f"{self.chain(shape, depth, True)} | CONV3-{before} dil2"
        shape[2] = before
        return f"({inner})*{count}"

    def u_net(self, shape: list[int], depth: int) -> str:
        if self.strides * 2 > 6 or self.ups >= 4 or min(shape[:2]) < 2:
            return self.concat(shape, depth)
        even = [n % 2 == 0 for n in shape[:2]]
        if even[0] != even[1]:
            return self.residual(shape, depth)
        self.strides *= 2
        self.ups *= 2
        inner = [*((n + 1) // 2 for n in shape[:2]), shape[2]]
        middle = self.chain(inner, depth, True)
        shape[2] += 2
        if even[0]:
            return f"CAT[ ; POOL2 | {middle} | UPCONV2-2]"
        return f"CAT[ ; CONV3-{inner[2] if False else 2} /2 | {self.chain(inner, depth, True)} | UPCONV3-2 /2 pad1]"


def specifications() -> list[str]:
    return [Generator(random.Random(seed)).spec() for seed in range(COUNT)]


SPECS = specifications()
BATCHES = [SPECS[i : i + 50] for i in range(0, COUNT, 50)]


# -- measuring the module ----------------------------------------------------------------------------------------------


def record(net: nn.Module, network: Network, x: Tensor) -> dict[str, Tensor]:
    """The output of every row's module by the row's name."""
    found: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(path).register_forward_hook(lambda m, a, out, path=path: found.__setitem__(path, out))
        for path, _, _ in network.walk()
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


class SumPool(nn.Module):
    """The sum of each window of a max pooling: the same reach, and linear."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        pool = self.pool
        height, width = pool(x).shape[2:]
        reach = pool.dilation * (pool.kernel_size - 1)
        more = [
            max(0, (n - 1) * pool.stride + reach + 1 - m - pool.padding) for n, m in zip((height, width), x.shape[2:])
        ]
        x = F.pad(x, (pool.padding, more[1], pool.padding, more[0]))
        kernel = x.new_ones(x.shape[1], 1, pool.kernel_size, pool.kernel_size)
        return F.conv2d(x, kernel, stride=pool.stride, dilation=pool.dilation, groups=x.shape[1])[:, :, :height, :width]


class MeanOf(nn.Module):
    """The mean instead of the maximum of consecutive channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).mean(dim=2)


POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.LocalResponseNorm, nn.Dropout)


def linear_stand_in(net: nn.Module) -> nn.Module:
    """Replace what could hide an input, and make all weights positive."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, POINTWISE):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(module, name, SumPool(child))
            elif isinstance(child, Maxout):
                setattr(module, name, MeanOf(child.pieces))
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) + 0.5
    return net.double().eval()


def hull(gradient: Tensor) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """First and last row, first and last column of a (C, H, W) gradient that are not zero."""
    reached = (gradient != 0).any(dim=0)
    rows, columns = reached.any(dim=1).nonzero().flatten().tolist(), reached.any(dim=0).nonzero().flatten().tolist()
    return ((rows[0], rows[-1]), (columns[0], columns[-1])) if rows else None


# -- the contract ------------------------------------------------------------------------------------------------------


def test_the_generator_writes_everything() -> None:
    text = " ".join(SPECS).upper()
    for part in (
        "RES[",
        "CAT[",
        ")*",
        "UPCONV",
        " DIL",
        " GROUPS",
        " CEIL",
        " AVG",
        " /2",
        " /3",
        " PAD",
        " NOBIAS",
        "GAP",
    ):
        assert text.count(part) >= 10, part
    for part in (
        "FC-",
        "LN",
        "IN ",
        "GN",
        "LRN",
        "MAXOUT",
        "DROPOUT",
        "DROPPATH",
        "GELU",
        "TANH",
        "CAT[ ;",
        " ; POOL2",
    ):
        assert text.count(part) >= 4, part
    assert sum("UPCONV" in spec.upper() for spec in SPECS) > 40
    assert any(n % 2 for spec in SPECS for n in table(spec).rows[0].output)
    assert len(set(SPECS)) > 295


@pytest.mark.parametrize("specs", BATCHES, ids=lambda specs: specs[0][:20])
def test_shapes_parameters_and_work(specs: list[str]) -> None:
    torch.set_num_threads(1)
    for spec in specs:
        network, found = resolve(spec), table(spec)
        net = build(spec).eval()
        x = torch.randn(2, *network.input.torch_shape, generator=torch.Generator().manual_seed(0))
        with FlopCounterMode(display=False) as counter:
            outputs = record(net, network, x)
        assert set(outputs) == {row.path for row in found.rows[1:]}
        for row in found.rows[1:]:
            sizes = row.output if len(row.output) == 1 else (row.output[2], *row.output[:2])
            assert tuple(outputs[row.path].shape) == (2, *sizes), (spec, row)
            own = 0 if row.layer in ("RES", "CAT") else sum(p.numel() for p in net.get_submodule(row.path).parameters())
            assert own == row.parameters, (spec, row)
            assert outputs[row.path].isfinite().all(), (spec, row)
        assert found.parameters == sum(p.numel() for p in net.parameters()), spec
        assert counter.get_total_flops() == 2 * found.flops, spec  # two examples


def local_rows(network: Network, found: Table) -> list[str]:
    return [row.path for row in found.rows[1:] if len(row.output) == 3 and not row.whole]


def enlarged(spec: str) -> str | None:
    """The same layers on an input so large that the middle of every volume sees no border.

    Rows and columns grow by multiples of the product of all strides, so that sizes divide as they did.
    """
    match = re.match(r"input (\d+)x(\d+)x(\d+) \|", spec, re.IGNORECASE)
    if match is None:
        return None
    height, width, channels = map(int, match.groups())
    rows = [row for row in table(spec).rows if not row.whole and row.field]
    pooled = [int(size) for size in re.findall(r"pool(\d)(?! /)", spec, re.IGNORECASE)]
    strides = [int(stride) for stride in re.findall(r"/(\d)", spec)]
    step = prod(sorted({*range(1, 2)} | set())) * prod(strides + pooled)
    need = 2 * max(row.field[0] for row in rows if row.field) + 24
    grow = -(-need // step) * step
    return f"INPUT {height + grow}x{width + grow}x{channels} |{spec[match.end() :]}"


@pytest.mark.parametrize("specs", BATCHES, ids=lambda specs: specs[0][:20])
def test_receptive_fields_away_from_the_border(specs: list[str]) -> None:
    torch.set_num_threads(1)
    for spec in specs:
        large = enlarged(spec)
        if large is None:
            continue
        network, found = resolve(large), table(large)
        fields = {row.path: row.field for row in found.rows}
        pieces = {path: piece for path, _, piece in network.walk()}
        local = local_rows(network, found)
        net = linear_stand_in(build(network))
        spots = 8  # positions one after the other around the middle: all phases of UPCONV are among them
        x = torch.rand(1, *network.input.torch_shape, dtype=torch.float64).expand(spots, -1, -1, -1)
        x = x.clone().requires_grad_()
        outputs = record(net, network, x)
        for path in local:
            if not isinstance(pieces[path], Fork) and type(pieces[path].effect.reach).__name__ == "Point":
                continue
            out = outputs[path]
            rows = [out.shape[2] // 2 + i - spots // 2 for i in range(spots)]
            columns = [out.shape[3] // 2 + i - spots // 2 for i in range(spots)]
            chosen = torch.stack([out[i, :, rows[i], columns[i]].sum() for i in range(spots)]).sum()
            (gradient,) = torch.autograd.grad(chosen, x, retain_graph=True)
            hulls = [hull(gradient[i]) for i in range(spots)]
            sizes = [tuple(end - start + 1 for start, end in found_hull) for found_hull in hulls if found_hull]
            assert len(sizes) == spots
            measured = (max(size[0] for size in sizes), max(size[1] for size in sizes))
            assert measured == fields[path], (large, path)
            for i in range(spots):  # and where it lies
                for axis, position in ((0, rows[i]), (1, columns[i])):
                    (only,) = pieces[path].field.paths
                    assert hulls[i][axis] == (only.first(position), only.last(position)), (large, path, position)  # type: ignore[index]


@pytest.mark.parametrize("specs", BATCHES, ids=lambda specs: specs[0][:20])
def test_receptive_fields_at_the_borders_and_of_the_whole_input(specs: list[str]) -> None:
    torch.set_num_threads(1)
    for spec in specs:
        network, found = resolve(spec), table(spec)
        if found.rows[0].field is None:
            continue
        pieces = {path: piece for path, _, piece in network.walk()}
        net = linear_stand_in(build(network))
        generator = torch.Generator().manual_seed(1)
        x = torch.rand(3, *network.input.torch_shape, dtype=torch.float64, generator=generator).requires_grad_()
        outputs = record(net, network, x)
        height, width = found.rows[0].output[:2]
        for row in found.rows[1:]:
            out = outputs[row.path]
            if out.ndim == 4:  # one corner, the middle, the opposite corner
                spots = [(0, 0), (out.shape[2] // 2, out.shape[3] // 2), (out.shape[2] - 1, out.shape[3] - 1)]
                chosen = torch.stack([out[i, :, r, c].sum() for i, (r, c) in enumerate(spots)]).sum()
            else:
                spots = []
                chosen = out[:, 0].sum()
            (gradient,) = torch.autograd.grad(chosen, x, retain_graph=True)
            for i in range(3):
                measured = hull(gradient[i])
                if row.whole:
                    margin = 0 if "/" not in spec and "pool" not in spec.lower() else 6  # what strides leave unread
                    if measured is not None:
                        for (start, end), size in zip(measured, (height, width)):
                            assert start <= margin, (spec, row)
                            assert end >= size - 1 - margin, (spec, row)
                elif measured is not None:
                    for axis, size in ((0, height), (1, width)):
                        paths = pieces[row.path].field.paths
                        low = max(0, min(path.first(spots[i][axis]) for path in paths))
                        high = min(size - 1, max(path.last(spots[i][axis]) for path in paths))
                        start, end = measured[axis]
                        assert low <= start <= end <= high, (spec, row, i)
                        assert end - start + 1 <= row.field[axis]  # type: ignore[index]
                        if i == 0:
                            assert end == high, (spec, row)
                        if i == 2:
                            assert start == low, (spec, row)
