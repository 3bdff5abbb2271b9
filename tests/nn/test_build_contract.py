"""300 random specifications: the table against the built module, in shapes, parameters, work and receptive fields.

The table computes, the module is measured: outputs by forward hooks, parameters by counting, multiply-adds by torch's
own counter, and receptive fields by gradients of single positions in float64. For the gradients weights are positive
and what can hide an input is replaced by a linear stand-in with the same reach (activations, maximum, dropout), so
that an input that is reached always shows.
"""

from __future__ import annotations

import random
import re
from math import lcm, prod

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from chainrule.nn import Maxout, build
from chainrule.notation import Table, resolve, table
from chainrule.notation.field import Point
from chainrule.notation.network import Fork, Network, Piece, Step

BATCHES = 6


@pytest.fixture(params=range(BATCHES))
def specs(request: pytest.FixtureRequest, specifications: list[str]) -> list[str]:
    return specifications[request.param :: BATCHES]


# -- measuring the module ----------------------------------------------------------------------------------------------


def record(net: nn.Module, paths: list[str], x: Tensor) -> dict[str, Tensor]:
    """The outputs of modules by their names."""
    found: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(path).register_forward_hook(lambda m, a, out, path=path: found.__setitem__(path, out))
        for path in paths
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


def test_the_generator_writes_everything(specifications: list[str]) -> None:
    text = " ".join(specifications).upper()
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
    assert sum("UPCONV" in spec.upper() for spec in specifications) > 40
    assert any(n % 2 for spec in specifications for n in table(spec).rows[0].output)
    assert len(set(specifications)) > 295
    deepest = [max(depth for _, depth, _ in resolve(spec).walk()) for spec in specifications]
    assert sum(depth >= 2 for depth in deepest) > 30


def test_shapes_parameters_and_work(specs: list[str]) -> None:
    torch.set_num_threads(1)
    for spec in specs:
        network, found = resolve(spec), table(spec)
        net = build(spec).eval()
        x = torch.randn(2, *network.input.torch_shape, generator=torch.Generator().manual_seed(0))
        with FlopCounterMode(display=False) as counter:
            outputs = record(net, [row.path for row in found.rows[1:]], x)
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


def phases(spec: str) -> int:
    """Positions after which the pattern of what transposed convolutions read repeats, at most."""
    found = re.findall(r"upconv(\d)-\d+(?: pad\d| groups\d)*(?: /(\d))?", spec, re.IGNORECASE)
    return prod(int(stride or size) for size, stride in found)


def enlarged(spec: str) -> str | None:
    """The same layers on an input so large that the middle of every volume sees no border.

    Rows and columns grow by multiples of the strides, so that sizes divide as they did.
    """
    match = re.match(r"input (\d+)x(\d+)x(\d+) \|", spec, re.IGNORECASE)
    if match is None:
        return None
    height, width, channels = map(int, match.groups())
    rows = [row for row in table(spec).rows if not row.whole and row.field]
    step = lcm(*(row.stride.numerator for row in rows if row.stride))
    need = max(row.field[0] for row in rows if row.field) + 2 * phases(spec) * step + 8
    grow = -(-need // step) * step
    return f"INPUT {height + grow}x{width + grow}x{channels} |{spec[match.end() :]}"


@pytest.mark.parametrize(
    ("most", "every"), [(3, 1), pytest.param(100_000, 3, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_receptive_fields_away_from_the_border(specs: list[str], most: int, every: int) -> None:
    """Of the last local layer and two others of each specification; in the slow form of all layers of every third."""
    torch.set_num_threads(1)
    for spec in specs[::every]:
        large = enlarged(spec)
        if large is None:
            continue
        network, found = resolve(large), table(large)
        pieces = {path: piece for path, _, piece in network.walk()}
        moving = [path for path in local_rows(network, found) if isinstance(pieces[path], Fork) or moves(pieces[path])]
        others = random.Random(0).sample(moving[:-1], min(most - 1, len(moving[:-1])))
        last = max((i for i, piece in enumerate(network.pieces) if piece.name in moving), default=-1)
        modules = dict(list(linear_stand_in(build(network)).named_children())[: last + 1])
        net = nn.Sequential()
        for name, module in modules.items():
            net.add_module(name, module)
        measure(net, network, {path: pieces[path] for path in [*others, *moving[-1:]] if path.split(".")[0] in modules})


def moves(step: Step) -> bool:
    return not isinstance(step.effect.reach, Point)


def measure(net: nn.Module, network: Network, pieces: dict[str, Piece]) -> None:
    """Compare the fields of these pieces with gradients of positions one after the other around the middle."""
    fields = {row.path: row.field for row in table(network).rows}
    spots = phases(str(network.spec))
    x = torch.rand(1, *network.input.torch_shape, dtype=torch.float64).expand(spots, -1, -1, -1).clone()
    outputs = record(net, list(pieces), x.requires_grad_())
    for path, piece in pieces.items():
        out = outputs[path]
        rows, columns = ([size // 2 + i - spots // 2 for i in range(spots)] for size in out.shape[2:])
        chosen = torch.stack([out[i, :, rows[i], columns[i]].sum() for i in range(spots)]).sum()
        (gradient,) = torch.autograd.grad(chosen, x, retain_graph=True)
        hulls = [found for i in range(spots) if (found := hull(gradient[i]))]
        assert len(hulls) == spots
        sizes = [[end - start + 1 for start, end in axes] for axes in hulls]
        assert (max(size[0] for size in sizes), max(size[1] for size in sizes)) == fields[path], (
            str(network.spec),
            path,
        )
        (only,) = piece.field.paths
        for axes, row, column in zip(hulls, rows, columns):  # and where they lie
            expected = tuple((only.first(position), only.last(position)) for position in (row, column))
            assert axes == expected, (str(network.spec), path, row, column)


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
        outputs = record(net, [row.path for row in found.rows[1:]], x)
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
