"""IDX files: read exactly, or refused with the file and the reason."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError
from chainrule.data.idx import read_idx

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def packed(values: np.ndarray) -> bytes:
    """The bytes of an IDX file, written from the description of the format."""
    code = CODES[values.dtype.str[1:]]
    return (
        bytes([0, 0, code, values.ndim])
        + struct.pack(f">{values.ndim}I", *values.shape)
        + values.astype(values.dtype.newbyteorder(">")).tobytes()
    )


def small() -> np.ndarray:
    return np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@given(
    st.sampled_from(sorted(CODES)),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_written_and_read_back(tmp_path_factory, kind, shape, zipped, seed) -> None:
    values = np.random.default_rng(seed).integers(-100, 100, shape).astype(kind)
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(gzip.compress(packed(values)) if zipped else packed(values))
    got = read_idx(path, dims=len(shape))
    assert got.dtype == values.dtype
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize("zipped", [False, True])
def test_every_truncation_is_noticed(tmp_path, zipped) -> None:
    whole = packed(small())
    whole = gzip.compress(whole) if zipped else whole
    path = tmp_path / "images"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError) as caught:
            read_idx(path, dims=3)
        assert "images" in str(caught.value)
    path.write_bytes(whole)
    np.testing.assert_array_equal(read_idx(path, dims=3), small())


def test_every_bit_of_the_header_counts(tmp_path) -> None:
    whole = packed(small())
    path = tmp_path / "images"
    for bit in range(16 * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        if bit // 8 == 2 and damaged[2] == 9:  # signed bytes: as long, and legal IDX
            assert read_idx(path, dims=3).dtype == np.int8
            continue
        with pytest.raises(DataError):
            read_idx(path, dims=3)


def test_every_bit_of_a_gzipped_file_counts(tmp_path) -> None:
    whole = gzip.compress(packed(small()), mtime=0)
    path = tmp_path / "images"
    tolerated = 0
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            got = read_idx(path, dims=3)
        except DataError:
            continue
        tolerated += 1
        np.testing.assert_array_equal(got, small())
    assert tolerated < 64  # time, level and system in gzip's own header, bits that fill the last byte


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("extra", [b"\0", b"x", b"\0" * 4096, packed(small())])
def test_bytes_after_the_end_are_noticed(tmp_path, zipped, extra) -> None:
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(packed(small()) + extra) if zipped else packed(small()) + extra)
    with pytest.raises(DataError, match="goes on after its last value"):
        read_idx(path, dims=3)


def test_bytes_after_a_gzip_stream_are_noticed(tmp_path) -> None:
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(packed(small())) + b"more")
    with pytest.raises(DataError, match="damaged"):
        read_idx(path, dims=3)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("header", "dims", "message"),
    [
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**14, 2**13, 2**13), 3, "claims more than is allowed"),  # 2^40
        (bytes([0, 0, 14, 3]) + struct.pack(">3I", *[2**32 - 1] * 3), 3, "claims more than is allowed"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 2**31), 1, "too short for what its header claims"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 5, 0, 4), 3, "is empty.*5 x 0 x 4"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 3), 3, "wrong number of dimensions: expected 3, got 1"),
        (bytes([0, 0, 8, 255]), 3, "wrong number of dimensions"),
        (bytes([0, 0, 7, 3]), 3, "no IDX file.*00 00 07 03"),
        (bytes([0, 8, 8, 3]), 3, "no IDX file"),
        (b"\x89PNG\r\n", 3, "no IDX file"),
        (b"", 3, "no IDX file.*nothing"),
        (bytes([0, 0, 8, 3, 0, 0]), 3, "cut short: expected 16 bytes of header, got 6"),
    ],
)
def test_what_the_header_claims_is_checked(tmp_path, zipped, header, dims, message) -> None:
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(header) if zipped else header)
    with pytest.raises(DataError, match=message):
        read_idx(path, dims=dims)


def test_a_cap_of_ones_own(tmp_path) -> None:
    path = tmp_path / "images"
    path.write_bytes(packed(small()))
    assert read_idx(path, dims=3, max_bytes=24).size == 24
    with pytest.raises(DataError, match="at most 23 bytes"):
        read_idx(path, dims=3, max_bytes=23)


def test_files_that_cannot_be_read_are_named(tmp_path) -> None:
    with pytest.raises(DataError, match='nowhere" is missing'):
        read_idx(tmp_path / "nowhere", dims=1)
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path, dims=1)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(loop, dims=1)


def test_the_name_does_not_decide(tmp_path) -> None:
    plain, zipped = tmp_path / "a.gz", tmp_path / "b"
    plain.write_bytes(packed(small()))
    zipped.write_bytes(gzip.compress(packed(small())))
    for path in (plain, zipped):
        np.testing.assert_array_equal(read_idx(Path(path), dims=3), small())
