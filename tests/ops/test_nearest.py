"""Nearest neighbors are exactly those of the formula, whatever the numbers, and in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chainrule import formulas as f
from chainrule.core.errors import DataError, UsageError
from chainrule.ops import nearest
from chainrule.ops.neighbors import _bounds, _byte_sums, _candidates, _manhattan, _search
from chainrule.ops.neighbors._byte_sums import BytePoints
from chainrule.ops.neighbors._quantized import QuantizedPoints

SETTINGS = settings(deadline=None, max_examples=120, derandomize=True)


@pytest.fixture(params=["blocks", "one block"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks of queries and points, and few candidates, so that every seam is met."""
    if request.param == "blocks":
        monkeypatch.setattr(_search, "QUERIES", 3)
        monkeypatch.setattr(_search, "POINTS", 7)
        monkeypatch.setattr(_candidates, "KEPT", 5)
        monkeypatch.setattr(_candidates, "REFINE_BYTES", 600)


def wanted(queries: Tensor, points: Tensor, k: int, distance: str) -> tuple[np.ndarray, np.ndarray]:
    found = [f.nearest_neighbors(q, points.double().numpy(), k, distance) for q in queries.double().numpy()]
    return np.array([near for near, _ in found]), np.array([index for _, index in found])


def agrees(queries: Tensor, points: Tensor, k: int, distance: Any) -> None:
    near, index = nearest(queries, points, k, distance=distance)
    distances, order = wanted(queries, points, k, distance)
    np.testing.assert_allclose(near.numpy(), distances, rtol=1e-12, atol=0)
    assert index.tolist() == order.tolist()


KINDS = {
    "8 bits": lambda g, *s: torch.randint(0, 256, s, generator=g).to(torch.uint8),
    "few values": lambda g, *s: torch.randint(0, 3, s, generator=g).to(torch.uint8),
    "float32": lambda g, *s: torch.randn(s, generator=g),
    "float64": lambda g, *s: torch.randn(s, generator=g, dtype=torch.float64),
    "float16": lambda g, *s: torch.randn(s, generator=g).half(),
    "huge": lambda g, *s: torch.randn(s, generator=g) * 1e30,
    "tiny": lambda g, *s: torch.randn(s, generator=g, dtype=torch.float64) * 1e-100,
    "whole": lambda g, *s: torch.randint(-2, 3, s, generator=g).float(),
    "equal but for little": lambda g, *s: 1 + 1e-9 * torch.randn(s, generator=g, dtype=torch.float64),
}


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("blocks")
def test_every_kind_of_number(kind: str, distance: str) -> None:
    generator = torch.Generator().manual_seed(len(kind))
    for q, n, d, k in ((5, 40, 6, 3), (1, 1, 1, 1), (4, 20, 1, 20), (7, 33, 17, 9), (2, 50, 64, 1)):
        agrees(KINDS[kind](generator, q, d), KINDS[kind](generator, n, d), k, distance)


@SETTINGS
@given(data=st.data())
def test_any_sizes(data: st.DataObject) -> None:
    q, n, d = (data.draw(st.integers(1, most)) for most in (6, 25, 9))
    numbers = st.integers(0, data.draw(st.sampled_from([1, 3, 255])))
    queries, points = (
        torch.tensor(data.draw(st.lists(numbers, min_size=count * d, max_size=count * d))).reshape(count, d)
        for count in (q, n)
    )
    kind = data.draw(st.sampled_from([torch.uint8, torch.float32, torch.float64]))
    agrees(queries.to(kind), points.to(kind), data.draw(st.integers(1, n)), data.draw(st.sampled_from(["l1", "l2"])))


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_a_far_point_and_equal_points_do_no_harm(distance: str) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 12, generator=generator)
    points[17] = 1e9
    points[100:150] = points[3]
    agrees(points[[3, 17, 120, 199]], points, 20, distance)


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_mixed_types_strides_and_nothing(kind: torch.dtype, distance: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.randint(0, 9, (30, 14), generator=generator)
    queries = torch.randint(0, 9, (14, 5), generator=generator).t()
    agrees(queries.to(kind), points.double(), 4, distance)
    agrees(queries.to(kind)[:, ::2], points.to(kind)[::2, ::2], 4, distance)
    near, index = nearest(queries[:0].to(kind), points.to(kind), 3, distance=distance)
    assert (near.shape, index.shape) == ((0, 3), (0, 3))


LONG = {
    "pixels": lambda g, *s: torch.randint(0, 256, s, generator=g).float() / 255,
    "float32": lambda g, *s: torch.randn(s, generator=g),
    "whole": lambda g, *s: torch.randint(-2, 3, s, generator=g).float(),
    "alike": lambda g, *s: torch.ones(s) + 1e-6 * torch.randn(s, generator=g),
    "one value a row": lambda g, *s: torch.randn(s[0], 1, generator=g).expand(s).clone(),
    "mostly zero": lambda g, *s: torch.randn(s, generator=g).relu() * (torch.rand(s, generator=g) < 0.02),
    "small": lambda g, *s: torch.randn(s, generator=g) * 1e-11,
}
"""Rows for 8-bit products; structure and grids are what errors of rounding could follow."""


@pytest.fixture
def eight_bits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """8-bit products on any processor, and how many queries they were asked for; 8-bit sums of all float32."""
    asked: list[int] = []

    def pays(queries: Tensor, points: Tensor) -> bool:
        asked.append(len(queries))
        return True

    monkeypatch.setattr(_search, "quantization_pays", pays)
    monkeypatch.setattr(_byte_sums, "FEWEST", 1)
    return asked


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("kind", LONG)
@pytest.mark.usefixtures("blocks")
def test_8_bit_numbers_find_the_same(kind: str, distance: str, eight_bits: list[int]) -> None:
    generator = torch.Generator().manual_seed(len(kind))
    for q, n, d, k in ((5, 40, 130, 3), (1, 1, 128, 1), (1, 30, 300, 4), (7, 33, 129, 33), (4, 300, 784, 5)):
        points, queries = LONG[kind](generator, n, d), LONG[kind](generator, q, d)
        queries[0] = points[n // 2]
        agrees(queries, points, k, distance)
    assert bool(eight_bits) == (distance == "l2")


@pytest.mark.parametrize("kind", LONG)
def test_bounds_of_8_bit_products_hold_and_are_near(kind: str) -> None:
    """The true value lies between them; where numbers spread, they are near enough to tell most points apart."""
    generator = torch.Generator().manual_seed(3)
    queries, points = LONG[kind](generator, 50, 512), LONG[kind](generator, 400, 512)
    quantized = QuantizedPoints(points)
    low, high, _ = quantized.score(queries)(0, points)
    row, column = torch.ones_like(low, dtype=torch.bool).nonzero(as_tuple=True)
    upper = high(low[row, column], column).reshape(low.shape)
    x, y = (numbers.double() - quantized.center.double() for numbers in (queries, points))
    true = y.square().sum(1) - 2 * x @ y.t()
    assert (low.double() <= true).all()
    assert (true <= upper.double()).all()
    if kind in ("pixels", "float32", "whole"):
        assert float((upper - low).max()) < 0.25 * float(torch.cdist(x, y).square().mean())


@pytest.mark.parametrize("kind", LONG)
def test_bounds_of_8_bit_sums_hold_and_are_near(kind: str) -> None:
    """As above; queries may lie outside of what the points reach."""
    generator = torch.Generator().manual_seed(6)
    queries, points = LONG[kind](generator, 50, 512) * 1.3, LONG[kind](generator, 400, 512)
    low, high, _ = BytePoints(points).score(queries)(0, points)
    row, column = torch.ones_like(low, dtype=torch.bool).nonzero(as_tuple=True)
    upper = high(low[row, column], column).reshape(low.shape)
    true = (queries.double()[:, None] - points.double()[None]).abs().sum(2)
    assert (low.double() <= true).all()
    assert (true <= upper.double()).all()
    inside = BytePoints(points).score(points[:9])(0, points)
    if kind in ("pixels", "float32", "whole"):
        assert float((inside[1](inside[0][0], torch.arange(400)) - inside[0][0]).max()) < 0.1 * float(true.mean())


@pytest.mark.usefixtures("eight_bits")
def test_sums_that_8_bits_cannot_tell_apart_are_taken_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    sums, asked = _search.float_sums, []
    monkeypatch.setattr(_search, "float_sums", lambda *given: asked.append(given) or sums(*given))
    generator = torch.Generator().manual_seed(7)
    points = torch.randn(6000, 40, generator=generator)
    agrees(points[[2, 16]], points, 5, "l1")
    assert len(asked) == 0
    points[0, 7] = 1e5
    agrees(points[[2, 16]], points, 5, "l1")
    assert len(asked) == 1


@pytest.mark.usefixtures("eight_bits")
def test_rows_that_8_bits_cannot_tell_apart_are_searched_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number a thousand times as large as the others leaves too many points in doubt."""
    products, asked = _search.float_products, []
    monkeypatch.setattr(_search, "float_products", lambda *given: asked.append(given) or products(*given))
    generator = torch.Generator().manual_seed(4)
    points = torch.randn(6000, 200, generator=generator)
    points[:, 7] *= 3000
    points[::2, 7] = points[0, 7]
    agrees(points[[2, 16]], points, 5, "l2")
    assert len(asked) == 1
    agrees(points[:2, :128] * 0 + 1, torch.randn(300, 128, generator=generator), 5, "l2")
    assert len(asked) == 1  # such are told apart


def test_points_are_quantized_once(eight_bits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.randn(90, 128, generator=torch.Generator().manual_seed(5))
    for kept, blocks in ((2**28, 1), (100, 0)):
        monkeypatch.setattr(_bounds, "KEPT", kept)
        found = _search.Points(points)
        first, second = found.nearest(points[:9], 3), found.nearest(points[:9], 3)
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
        assert len(found.quantized._blocks.found) == blocks
    assert len(eight_bits) == 4


def test_without_numba_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_manhattan, "has_fast", lambda: False)
    generator = torch.Generator().manual_seed(2)
    agrees(torch.randn(6, 30, generator=generator), torch.randn(70, 30, generator=generator), 5, "l1")


@pytest.mark.parametrize("sizes", [(1, 1, 1), (4, 4, 3), (5, 9, 33), (8, 3, 2), (3, 8, 100), (0, 4, 3), (4, 0, 3)])
def test_sums_of_differences(sizes: tuple[int, int, int]) -> None:
    q, n, d = sizes
    a, b = torch.randn(q, d), torch.randn(n, d)
    expected = (a[:, None].double() - b[None].double()).abs().sum(2)
    torch.testing.assert_close(_manhattan.manhattan(a, b).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: nearest(p, p, 0), UsageError, "expected 1 to 4, got 0"),
        (lambda p: nearest(p, p, 5), UsageError, "expected 1 to 4, got 5"),
        (lambda p: nearest(p, p[:, :2], 1), UsageError, "do not fit together"),
        (lambda p: nearest(p, p, 1, distance="l3"), UsageError, "expected l1 or l2, got l3"),
        (lambda p: nearest(p.int(), p, 1), UsageError, "expected two axes, uint8 or floating"),
        (lambda p: nearest(p * torch.nan, p, 1), DataError, "not finite"),
        (lambda p: nearest(p, p + torch.inf, 1), DataError, "not finite"),
    ],
)
@pytest.mark.usefixtures("own_checks")
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.ones(4, 3))
