"""Random numbers that are functions of a key: the same alone or in a batch, in any process, whatever was drawn before.

A key stands for one example in one epoch. Everything that is drawn for it (augmentation, noise, coins) is a hash of the
key and a name, so nothing of any generator has to be stored to repeat or resume a run.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_MIX1, _MIX2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def derive(seed: int, *parts: int | str) -> int:
    """Return a seed of 63 bits for one purpose, a function of `seed` and the parts that name the purpose.

    Args:
        seed: The seed of the run.
        parts: What the seed is for, in words and numbers; `1` and `"1"` are different.

    Example:
        >>> derive(0, "dropout", 3, 1) == derive(0, "dropout", 3, 1)
        True
        >>> derive(0, "dropout", 3, 1) == derive(0, "dropout", 31)
        False

    Source:
        BLAKE2b, because Python's own `hash` of text differs from process to process.
    """
    return _word(seed, *parts) >> 1


@lru_cache(maxsize=4096)
def _word(*parts: int | str) -> int:
    """64 bits from words and numbers; each part carries its kind and its length, so parts cannot run together."""
    digest = blake2b(digest_size=8)
    for part in parts:
        text = str(part).encode()
        digest.update(f"{'s' if isinstance(part, str) else 'i'}{len(text)}:".encode() + text)
    return int.from_bytes(digest.digest(), "little")


def keys(seed: int, epoch: int, index: Int64[Tensor, " n"], stream: str) -> Int64[Tensor, " n"]:
    """Return the keys of some examples in one epoch.

    key = mix(start(seed, epoch, stream) + (index + 1) * golden ratio), the SplitMix64 sequence read at `index`;
    different indices have different keys.

    Args:
        seed: The seed of the run.
        epoch: The pass over the data.
        index: Indices of the examples, 0 or more.
        stream: What the keys are for.

    Returns:
        One key for each index.

    Example:
        >>> both = keys(0, 2, torch.tensor([7, 9]), "example")
        >>> bool(both[1] == keys(0, 2, torch.tensor([9]), "example")[0])
        True

    Source:
        Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
    """
    start = _word(seed, epoch, stream)
    return _mix(index.to(torch.int64) * _signed(_GOLDEN) + _signed(start + _GOLDEN))


def branch(key: Int64[Tensor, " n"], name: str) -> Int64[Tensor, " n"]:
    """Return keys for something that belongs to each example but draws for itself (the partner of a mixture, say).

    Example:
        >>> key = keys(0, 0, torch.arange(3), "example")
        >>> bool((branch(key, "partner") == key).any())
        False
    """
    return _mix(key + _signed(_word(name)))


def uniform(
    key: Int64[Tensor, " n"], name: str, shape: tuple[int, ...] = (), *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, " n *shape"]:
    """Return random numbers, evenly spread over [0, 1), for each key.

    Args:
        key: One key an example.
        name: What is drawn; another name gives independent numbers.
        shape: Shape of what is drawn for each example.
        dtype: float32 (multiples of 2^-24) or float64 (multiples of 2^-53).

    Example:
        >>> key = keys(0, 0, torch.arange(100), "example")
        >>> coins = uniform(key, "coin")
        >>> bool((coins[30:31] == uniform(key[30:31], "coin")).all()), coins.dtype
        (True, torch.float32)
    """
    bits = 53 if dtype == torch.float64 else 24
    return _bits(key, name, shape, bits).to(dtype).mul_(2.0**-bits)


def normal(
    key: Int64[Tensor, " n"], name: str, shape: tuple[int, ...] = (), *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, " n *shape"]:
    """Return random numbers from the standard normal distribution for each key.

    x = sqrt(2) erfinv(2 u - 1), with u in the middle of one of 2^23 (float64: 2^52) equal pieces of (0, 1); so |x| is
    at most 5.4 (8.3).

    Args:
        key: One key an example.
        name: What is drawn; another name gives independent numbers.
        shape: Shape of what is drawn for each example.
        dtype: float32 or float64.

    Example:
        >>> noise = normal(keys(0, 0, torch.arange(1000), "example"), "noise", (10,))
        >>> abs(float(noise.mean())) < 0.03, abs(float(noise.std()) - 1) < 0.03
        (True, True)
    """
    bits = 52 if dtype == torch.float64 else 23
    odd = _bits(key, name, shape, bits).mul_(2).add_(1 - 2**bits)  # symmetric about 0, and never 0, -1 or 1
    return torch.erfinv(odd.to(dtype).mul_(2.0**-bits)).mul_(math.sqrt(2.0))


def seed_torch(seed: int) -> None:
    """Seed torch's own generators, as `torch.manual_seed` does, for what draws from no keys (dropout).

    Without an accelerator only the CPU's is seeded: looking for the others takes 0.2 ms, a tenth of a small network's
    step.

    Args:
        seed: 0 to 2^63 - 1.

    Example:
        >>> seed_torch(3)
        >>> first = torch.rand(2)
        >>> _ = torch.manual_seed(3)
        >>> bool((first == torch.rand(2)).all())
        True
    """
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _bits(key: Tensor, name: str, shape: tuple[int, ...], bits: int) -> Tensor:
    """The upper `bits` bits of one hash for each number that is drawn."""
    start = branch(key, name).view(-1, *(1 for _ in shape))
    count = torch.arange(1, math.prod(shape) + 1, dtype=torch.int64, device=key.device).view(shape)
    return _shift(_mix(start + count * _signed(_GOLDEN)), 64 - bits)


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finalizer: a one-to-one map of 64-bit words in which every input bit stirs every output bit."""
    z = (z ^ _shift(z, 30)).mul_(_signed(_MIX1))
    z = (z ^ _shift(z, 27)).mul_(_signed(_MIX2))
    return z ^ _shift(z, 31)


def _shift(z: Tensor, by: int) -> Tensor:
    """Shift right and fill with zeros; torch's own shift of int64 repeats the sign."""
    return (z >> by).bitwise_and_((1 << (64 - by)) - 1)


def _signed(word: int) -> int:
    """The int64 with the same bits as an unsigned 64-bit word."""
    word &= 0xFFFFFFFFFFFFFFFF
    return word - (1 << 64) if word >= 1 << 63 else word
