"""The only door through which picture files come in."""

from __future__ import annotations

import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from chainrule.core.errors import DataError
from chainrule.core.paths import shown

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 50_000_000

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


class _Unusable(Exception):
    """Why a picture cannot be used."""


def open_image(source: str | os.PathLike[str] | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return a picture as 8-bit grey (mode "L") or color (mode "RGB"), upright, with nothing but its pixels.

    PNG, JPEG, WebP, BMP and GIF are read, whatever the file is called; of animations the first frame. The rotation that
    a camera noted (EXIF) is applied, then all metadata are dropped. Transparent pixels are laid on white; palettes,
    CMYK and the like become RGB; 16 bits of grey become 8.

    Args:
        source: A file, or the bytes of one.
        max_pixels: Larger pictures are refused from their header, before memory is taken for them.

    Raises:
        DataError: The file is missing, damaged, cut short, too large, or of another format.

    Example:
        >>> buffer = io.BytesIO()
        >>> Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(buffer, "PNG")
        >>> picture = open_image(buffer.getvalue())
        >>> picture.mode, picture.size, picture.getpixel((0, 0))
        ('RGB', (4, 2), (255, 255, 255))
    """
    where = "the picture" if isinstance(source, bytes) else f"the picture {shown(source)}"
    try:
        data = source if isinstance(source, bytes) else _read(Path(source), 4 * max_pixels + 2**26)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(data, max_pixels)
    except _Unusable as error:
        cause = str(error)
    except Image.DecompressionBombWarning:
        cause = f"more than {Image.MAX_IMAGE_PIXELS} pixels"
    except Exception as error:  # whatever a decoder does on hostile bytes: it never got as far as a picture
        cause = _cause(error)
    raise DataError(f"{where} cannot be read", expected="a whole PNG, JPEG, WebP, BMP or GIF file", got=cause)


def _read(path: Path, most: int) -> bytes:
    try:
        if path.is_dir():
            raise _Unusable("a folder")
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                raise _Unusable(f"more than {most} bytes")
            return file.read(most)
    except FileNotFoundError:
        raise _Unusable("no such file") from None
    except (OSError, ValueError) as error:
        raise _Unusable(getattr(error, "strerror", None) or "no usable file name") from None


def _decode(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise _Unusable("an empty file")
    _refuse_large(_webp_size(data), max_pixels)  # Pillow takes memory for a WebP before it tells the size
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _Unusable("another format, or a damaged header") from None
    with image:
        _refuse_large(image.size, max_pixels)
        image.load()
        turn = _TURNS.get(_orientation(image))
        plain = _plain(image)
        if turn is not None:
            plain = plain.transpose(turn)
    return Image.fromarray(np.asarray(plain))  # new memory: pixels and nothing else


def _refuse_large(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _Unusable(f"{width}x{height} pixels, more than {max_pixels}")


def _plain(image: Image.Image) -> Image.Image:
    """8-bit grey or RGB of any mode that the formats have."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        return Image.fromarray(
            ((np.asarray(image).astype(np.int64).clip(0, 65535) * 255 + 32767) // 65535).astype(np.uint8)
        )
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer)
    return image.convert("L" if gray else "RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # metadata that make no sense say nothing about the pixels
        return 1


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP header claims; (0, 0) for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _cause(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "more than fits in memory"
    if isinstance(error, Image.DecompressionBombError):
        return "far too many pixels"
    text = " ".join(str(error).split())
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "a file that is cut short"
    return f"a damaged file ({text[:120] or type(error).__name__})"
