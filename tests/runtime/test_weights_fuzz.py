"""Damaged and lying weights files are refused quickly, in little memory, with one kind of error."""

# ruff: noqa: E501 - tables of headers

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from chainrule.core.errors import WeightsError
from chainrule.runtime._pth import clean_archive
from chainrule.runtime.weights import from_bytes, read_weights, to_bytes

TENSORS = {
    "conv.weight": torch.randn(4, 3, 3, 3),
    "conv.bias": torch.zeros(4, dtype=torch.float64),
    "steps": torch.tensor(7),
    "mask": torch.tensor([True, False, True]),
    "half": torch.ones(3, dtype=torch.bfloat16),
}
GOOD = to_bytes(TENSORS, {"made": "by us"})


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: object, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def accepted(data: bytes) -> bool:
    """Whether we read it; what we read, the format's own library reads too, as the same tensors."""
    try:
        ours = from_bytes(data)
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return False
    theirs = safetensors.torch.load(data)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype
        assert torch.equal(tensor.view(-1).view(torch.uint8), theirs[name].reshape(-1).view(torch.uint8))
    return True


VALUES = [
    None,
    True,
    -1,
    0,
    1,
    1.5,
    2**31,
    2**63,
    2**64,
    -(2**70),
    "",
    "F32",
    "F8_E4M3",
    "C64",
    [],
    [0],
    [-1],
    [2**62, 4],
    [1] * 40,
    {},
    {"a": 1},
    float("nan"),
]


def mutated(rng: random.Random) -> bytes:
    header, body = split(GOOD)
    header = copy.deepcopy(header)
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(header))
        entry = header[name]
        act = rng.randrange(8)
        if act == 0:
            header[name] = rng.choice(VALUES)
        elif act == 1 and isinstance(entry, dict) and entry:
            entry[rng.choice(list(entry))] = rng.choice(VALUES)
        elif act == 2 and isinstance(entry, dict) and entry:
            del entry[rng.choice(list(entry))]
        elif act == 3 and isinstance(entry, dict):
            entry["more"] = rng.choice(VALUES)
        elif act == 4 and isinstance(entry, dict) and isinstance(entry.get("data_offsets"), list):
            entry["data_offsets"] = [
                n + rng.choice([-8, -1, 1, 4, 2**40]) if isinstance(n, int) else n for n in entry["data_offsets"]
            ]
        elif act == 5 and isinstance(entry, dict) and isinstance(entry.get("shape"), list):
            entry["shape"] = [rng.choice([0, 1, 2, 3, 4, 5, 2**40]) for _ in range(rng.randrange(5))]
        elif act == 6:
            header[rng.choice(["again", "", "\ud800", "x" * 2000, "__metadata__"])] = entry
        elif act == 7 and isinstance(entry, dict) and "dtype" in entry:
            entry["dtype"] = rng.choice(["F64", "F32", "F16", "U8", "I64", "f32", "F32 ", "BOOL"])
    return joined(header, body)


def test_three_thousand_changed_headers() -> None:
    rng = random.Random(11)
    counts = {True: 0, False: 0}
    for _ in range(3000):
        counts[accepted(mutated(rng))] += 1
    assert counts[False] > 2000
    assert accepted(GOOD)


def test_four_thousand_changed_bytes() -> None:
    """Damage to the numbers themselves cannot be seen in this format; damage to what says where they are must be."""
    rng = random.Random(12)
    length = int.from_bytes(GOOD[:8], "little")
    for _ in range(2000):
        data = bytearray(GOOD)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(8 + length)] = rng.choice(
                [0, 9, 32, 34, 44, 45, 48, 57, 58, 91, 93, 123, 125, 255, rng.randrange(256)]
            )
        accepted(bytes(data))
        cut, width = rng.randrange(len(GOOD)), rng.randrange(1, 40)
        inserted = GOOD[:cut] + rng.randbytes(width) + GOOD[cut:]
        assert not accepted(inserted if rng.random() < 0.5 else GOOD[:cut] + GOOD[cut + width :])


def test_every_length_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for length in range(len(GOOD)):
        assert not accepted(GOOD[:length])
        path.write_bytes(GOOD[:length])
        with pytest.raises(WeightsError):
            read_weights(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', "occurs twice"),
        (b'{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}', "occurs twice"),
        (b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', '"b" begins at byte 1 of the data, not at 2'),
        (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', '"a" begins at byte 1 of the data, not at 0'),
        (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', "the tensors claim 1 bytes of data, and there are 2"),
        (b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}', "the tensors claim 3 bytes of data, and there are 2"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}}', r"claims the shape \[2\] of F32 in 2 bytes"),
        (b'{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}', "a shape that is none"),
        (b'{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}', "a shape that is none"),
        (b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,2]}}', "the number NaN"),
        (b'{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}', "claims the shape"),
        (b'{"a":{"dtype":"U8","shape":[9223372036854775808,0],"data_offsets":[0,0]}}', "too large"),
        (b'{"a":{"dtype":"O","shape":[2],"data_offsets":[0,2]}}', "unknown number type 'O'"),
        (b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}', "in -2 bytes"),
        (b'{"__metadata__":{"a":1}}', "no table of text"),
        (b'{"a":[]}', "does not state dtype"),
        (b"[1]", "no weights file|no header"),
        (b'{"a"', "the header is no JSON"),
        (b'{"a":"\xff"}', "the header is no JSON"),
    ],
)  # fmt: skip
def test_lies_are_named(tmp_path: Path, header: bytes, said: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(joined(header, b"12"))
    with pytest.raises(WeightsError, match=said) as caught:
        read_weights(path)
    assert f'"{path}"' in str(caught.value)


# ------------------------------------------------------------------------------------------------------------- archives


def saved() -> bytes:
    buffer = BytesIO()
    torch.save(TENSORS, buffer)
    return buffer.getvalue()


def test_a_clean_archive_has_the_same_members() -> None:
    data = saved()
    with (
        zipfile.ZipFile(BytesIO(clean_archive(BytesIO(data), len(data), "w"))) as found,
        zipfile.ZipFile(BytesIO(data)) as given,
    ):
        assert {n: found.read(n) for n in found.namelist()} == {n: given.read(n) for n in given.namelist()}


def test_two_thousand_damaged_archives() -> None:
    """Unlike `torch.load`, the reader checks each member's sum, so a changed number is seen here."""
    data = saved()
    good = clean_archive(BytesIO(data), len(data), "w")
    rng = random.Random(13)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = clean_archive(BytesIO(damaged), len(damaged), "w")
            except WeightsError:
                refused += 1
                continue
        assert found == good  # the bit was in padding, in a date, or in another field that nobody reads
    assert refused > 1000
    for length in range(0, len(data), 7):
        with pytest.raises(WeightsError):
            clean_archive(BytesIO(data[:length]), length, "w")


@pytest.mark.slow
def test_bombs_are_refused_at_once_and_in_little_memory(tmp_path: Path) -> None:
    script = Path(__file__).with_name("weights_bombs.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert len(found) >= 30
    for bomb in found:
        assert bomb["said"].startswith("WeightsError: "), bomb
        assert bomb["seconds"] < 5, bomb
        assert bomb["memory"] < bomb["size"] + (256 << 20), bomb
        assert bomb["children"] == 0, bomb


@pytest.mark.slow
def test_an_archive_that_takes_for_ever_is_given_up(tmp_path: Path) -> None:
    """A key of tuples in tuples, each twice in the next: 2^60 steps to hash, out of 300 bytes; the child's time ends it."""
    pickle = b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"K\x01s."
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle)
        file.writestr("archive/version", "3\n")
    with pytest.raises(WeightsError, match="took longer to read than 5"):
        read_weights(path)


@pytest.mark.parametrize(
    "state",
    [
        {"w": torch.zeros(1).expand(10**6, 10**6)},
        {f"w{i}": torch.zeros(1000).expand(10_000, 1000) for i in range(1000)},
        {"w": torch.zeros(1, dtype=torch.complex64)},
    ],
    ids=["one", "many", "complex"],
)
def test_small_archives_that_grow_are_stopped_by_the_child(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth\" cannot be read|w\.pth\" is refused"):
        read_weights(tmp_path / "w.pth")
