"""Keyed randomness: a function of the key alone, and random enough."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chainrule.runtime.rng import branch, derive, keys, normal, uniform

MASK = (1 << 64) - 1


def reference_splitmix(state: int) -> int:
    """SplitMix64's output for a state, in Python's integers."""
    z = state & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def reference_word(*parts: int | str) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        text = str(part).encode()
        digest.update(("s" if isinstance(part, str) else "i").encode() + str(len(text)).encode() + b":" + text)
    return int.from_bytes(digest.digest(), "little")


def unsigned(values: torch.Tensor) -> list[int]:
    return [value & MASK for value in values.tolist()]


def test_the_reference_gives_the_published_numbers() -> None:
    golden = 0x9E3779B97F4A7C15
    got = [reference_splitmix(1234567 + golden * k) for k in (1, 2, 3)]
    assert got == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.lists(st.integers(0, 2**40), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_keys_are_splitmix64_read_at_the_index(seed: int, epoch: int, index: list[int]) -> None:
    start = reference_word(seed, epoch, "example")
    expected = [reference_splitmix(start + 0x9E3779B97F4A7C15 * (i + 1)) for i in index]
    assert unsigned(keys(seed, epoch, torch.tensor(index), "example")) == expected


@given(st.integers(0, 2**63 - 1), st.text(max_size=8))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_uniform_is_the_upper_bits_of_a_hash_of_key_and_name(seed: int, name: str) -> None:
    key = keys(seed, 0, torch.arange(3), "x")
    got = uniform(key, name, (2,))
    for i, k in enumerate(unsigned(key)):
        start = reference_splitmix(k + reference_word(name))
        for j in range(2):
            assert float(got[i, j]) == (reference_splitmix(start + 0x9E3779B97F4A7C15 * (j + 1)) >> 40) / 2**24


def test_derive_tells_its_parts_apart_and_fits_into_63_bits() -> None:
    seeds = {
        derive(0, *parts) for parts in [(), ("a",), ("a", "b"), ("ab",), (1, 2), (12,), ("1", 2), ("1", "2"), (-1,)]
    }
    assert len(seeds) == 9
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(7, "dropout", 3, "train", 1) == reference_word(7, "dropout", 3, "train", 1) >> 1
    torch.Generator().manual_seed(derive(2**62, "weights"))  # what it is for


@pytest.mark.parametrize("draw", [uniform, normal])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (17,)])
def test_alone_or_in_a_batch_gives_the_same_bits(draw, dtype, shape) -> None:
    key = keys(3, 1, torch.arange(101), "example")
    together = draw(key, "name", shape, dtype=dtype)
    assert together.shape == (101, *shape)
    assert together.dtype == dtype
    for cut in (1, 7, 32):
        pieces = [draw(piece, "name", shape, dtype=dtype) for piece in key.split(cut)]
        assert torch.equal(torch.cat(pieces), together)
    turned = draw(key.flip(0), "name", shape, dtype=dtype)
    assert torch.equal(turned.flip(0), together)


def test_nothing_of_torchs_generator_is_used() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = normal(keys(0, 0, torch.arange(4), "x"), "a", (3,))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(normal(keys(0, 0, torch.arange(4), "x"), "a", (3,)), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_is_even_and_inside_its_bounds(dtype) -> None:
    draws = uniform(keys(5, 0, torch.arange(20_000), "x"), "even", (20,), dtype=dtype).flatten()
    assert float(draws.min()) >= 0
    assert float(draws.max()) < 1
    counts = torch.histc(draws, bins=200, min=0, max=1)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_is_normal(dtype) -> None:
    draws = normal(keys(6, 0, torch.arange(20_000), "x"), "noise", (10,), dtype=dtype).flatten().double()
    assert stats.kstest(draws.numpy(), "norm").pvalue > 1e-6
    assert bool(torch.isfinite(draws).all())
    assert abs(float(draws.mean())) < 0.01
    assert abs(float((draws**4).mean()) - 3) < 0.1  # tails as heavy as they should be


def test_extreme_bits_stay_finite_and_inside() -> None:
    from chainrule.runtime import rng

    for bits in (0, -1, 2**62, -(2**63)):
        key = torch.tensor([bits])
        assert bool(torch.isfinite(rng.normal(key, "a", (1000,))).all())
        assert float(rng.uniform(key, "a", (1000,)).max()) < 1


def test_names_epochs_streams_seeds_and_neighbors_are_unrelated() -> None:
    index = torch.arange(40_000)
    base = uniform(keys(0, 0, index, "example"), "a")
    others = [
        uniform(keys(0, 0, index, "example"), "b"),
        uniform(keys(0, 1, index, "example"), "a"),
        uniform(keys(1, 0, index, "example"), "a"),
        uniform(keys(0, 0, index, "other"), "a"),
        uniform(branch(keys(0, 0, index, "example"), "partner"), "a"),
        base.roll(1),
    ]
    for other in others:
        assert abs(float(torch.corrcoef(torch.stack([base, other]))[0, 1])) < 0.03
        assert float((base == other).float().mean()) < 0.001


def test_no_two_examples_share_a_key() -> None:
    many = torch.cat([keys(0, epoch, torch.arange(200_000), "example") for epoch in range(3)])
    assert len(torch.unique(many)) == 600_000


def test_many_draws_of_one_example_do_not_repeat() -> None:
    draws = uniform(keys(0, 0, torch.arange(4), "x"), "a", (50_000,), dtype=torch.float64)
    assert len(torch.unique(draws)) == draws.numel()


def test_no_examples_and_empty_shapes() -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert uniform(keys(0, 0, none, "x"), "a", (3,)).shape == (0, 3)
    assert normal(keys(0, 0, torch.arange(2), "x"), "a", (0, 3)).shape == (2, 0, 3)
