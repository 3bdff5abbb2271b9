"""The largest of each row: those that torch finds."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.decoding._top import top


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 4),
    columns=st.one_of(st.integers(1, 400), st.integers(2500, 6000)),
    count=st.integers(1, 12),
    kinds=st.sampled_from([0, 3, 50]),
    ruled_out=st.floats(0, 1),
)
def test_it_is_torchs(seed: int, rows: int, columns: int, count: int, kinds: int, ruled_out: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator)
    if kinds:
        x = (x * kinds).round()  # many equal ones
    x[torch.rand(x.shape, generator=generator) < ruled_out] = -torch.inf
    count = min(count, columns)
    found, wanted = top(x, count), torch.topk(x, count)
    assert torch.equal(found.values, wanted.values)
    assert torch.equal(x.gather(1, found.indices), found.values)
    assert all(len(set(row)) == count for row in found.indices.tolist())
    if not kinds and ruled_out == 0:
        assert torch.equal(found.indices, wanted.indices)
