"""Small files that claim to be large are refused before memory is taken for them."""

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHILD = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from chainrule.core.errors import DataError
from chainrule.data import open_image
from chainrule.data.idx import read_idx
import PIL.PngImagePlugin, PIL.JpegImagePlugin, PIL.WebPImagePlugin, PIL.GifImagePlugin, PIL.BmpImagePlugin
assert "torch" not in sys.modules
outcomes = {}
for path in sys.argv[1:]:
    kind = path.rsplit("/", 1)[1].split("-")[0]
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        if kind == "idx":
            read_idx(path, dims=3)
        else:
            open_image(path)
        outcome = "read"
    except DataError as error:
        outcome = str(error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    outcomes[path] = [outcome, grown, time.monotonic() - begin]
print(json.dumps(outcomes))
"""


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


def png_text(name: bytes, body: bytes) -> bytes:
    whole = png_header(8, 8)
    added = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return whole[:33] + added + whole[33:]


def saved(kind: str, **options) -> bytearray:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, kind, **options)
    return bytearray(buffer.getvalue())


def jpeg(width: int, height: int) -> bytes:
    data = saved("JPEG")
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif(width: int, height: int) -> bytes:
    """The frame is larger than the canvas that the header tells."""
    data = saved("GIF")
    place = data.index(b"\x2c", 13) + 5
    data[place : place + 4] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp(width: int, height: int) -> bytes:
    data = saved("BMP")
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp(kind: str, width: int, height: int) -> bytes:
    if kind == "lossy":
        data = saved("WEBP")
        data[26:30] = struct.pack("<HH", width, height)
    elif kind == "lossless":
        data = saved("WEBP", lossless=True)
        data[21:25] = struct.pack(
            "<I", (width - 1) | (height - 1) << 14 | int.from_bytes(data[21:25], "little") >> 28 << 28
        )
    else:
        buffer = io.BytesIO()
        Image.new("RGBA", (64, 48)).save(buffer, "WEBP", exif=b"Exif\0\0" + b"x" * 20)
        data = bytearray(buffer.getvalue())
        assert data[12:16] == b"VP8X"
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def bombs() -> dict[str, bytes]:
    sizes = {"1.01": (7106, 7107), "2": (10_000, 10_000), "2.01": (10_025, 10_025), "50": (50_000, 50_000)}
    files = {f"png-{name}": png_header(*size) for name, size in sizes.items()}
    for name, size in sizes.items():
        files[f"jpeg-{name}"], files[f"gif-{name}"], files[f"bmp-{name}"] = jpeg(*size), gif(*size), bmp(*size)
    for kind in ("lossy", "lossless", "extended"):
        for size in ((7106, 7107), (16_383, 16_383)):
            files[f"webp-{kind}-{size[0]}"] = webp(kind, *size)
    files["webp-extended-huge"] = webp("extended", 2**24, 2**24)
    files["png-sides"] = png_header(2**31 - 1, 2**31 - 1)
    zeros = zlib.compress(b"\0" * 300_000_000, 9)
    files["png-ztxt"] = png_text(b"zTXt", b"a\0\0" + zeros)
    files["png-itxt"] = png_text(b"iTXt", b"a\0\1\0\0\0" + zeros)
    files["png-iccp"] = png_text(b"iCCP", b"a\0\0" + zeros)
    claim = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**14, 2**13, 2**13)
    files["idx-claim"], files["idx-claim-gz"] = claim, gzip.compress(claim)
    files["idx-almost-gz"] = gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**11, 2**10, 2**10 - 1))
    files["idx-tail-gz"] = gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 1, 1, 1) + b"\0" * 300_000_000, 9)
    return files


def test_bombs_are_refused_before_memory_is_taken(tmp_path) -> None:
    paths = []
    for name, data in bombs().items():
        path = tmp_path / name
        path.write_bytes(data)
        assert len(data) < 2**20
        paths.append(str(path))
    child = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    outcomes = json.loads(child.stdout)
    assert len(outcomes) == len(paths)
    for path, (outcome, grown, seconds) in outcomes.items():
        name = Path(path).name
        assert "cannot be read" in outcome or name.startswith("idx"), (name, outcome)
        assert outcome != "read", name
        assert grown < 256, (name, grown)
        assert seconds < 2, (name, seconds)


def test_pictures_at_the_limit_are_read() -> None:
    from chainrule.data import open_image

    buffer = io.BytesIO()
    Image.new("1", (7000, 3571)).save(buffer, "PNG")  # half of the limit
    assert open_image(buffer.getvalue()).size == (7000, 3571)


def npz(path: Path, arrays: dict[str, np.ndarray | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            if isinstance(values, bytes):
                archive.writestr(f"{name}.npy", values)
            else:
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, values, version=(1, 0), allow_pickle=True)
                archive.writestr(f"{name}.npy", buffer.getvalue())
    return path


def header(shape: str, descr: str = "|u1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    "hostile",
    [
        header("(1099511627776,)"),
        header("(1099511627776, 1)") + b"\0" * 10,
        header("(5,)") + b"\0" * 4,
        header("(4,)") + b"\0" * 5,
        header("(1,)", "|O") + b"\0" * 8,
        header("__import__('os').getpid()"),
        header("(((((((((1,)))))))))"),
        b"\x93NUMPY\x03\x00\xff\xff\xff\xff",
        b"",
        np.array([{"a": 1}], dtype=object),
        np.zeros(300_000_000, np.uint8),
    ],
)
def test_arrays_that_claim_too_much_or_hold_objects_are_refused(tmp_path, hostile) -> None:
    from chainrule.core.errors import DataError
    from chainrule.data.cifar10_jpeg import read_parts

    whole = {"offsets": np.array([0, 1]), "labels": np.zeros(1, np.uint8), "split": np.zeros(1, np.uint8)}
    path = npz(tmp_path / "a.npz", {"jpeg": hostile, **whole})
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError, match=r"a\.npz"):
        read_parts(path)
