"""The door for pictures: whole and upright, or refused with the file and the reason."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from chainrule.core.errors import DataError
from chainrule.data import open_image

FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "GIF"]


def pattern(height: int = 12, width: int = 16) -> np.ndarray:
    """A picture without symmetry."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 20, columns * 15, (rows + 2 * columns) * 5], 2).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    if kind == "WEBP":
        options.setdefault("lossless", True)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seeds() -> dict[str, bytes]:
    image = Image.fromarray(pattern())
    return {kind: encoded(image, kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("as_file", [False, True])
def test_five_formats_whatever_the_file_is_called(tmp_path, kind, as_file) -> None:
    data = seeds()[kind]
    path = tmp_path / "picture.txt"
    path.write_bytes(data)
    image = open_image(path if as_file else data)
    assert (image.mode, image.size) == ("RGB", (16, 12))
    tolerance = {"JPEG": 40, "GIF": 0}.get(kind, 0)
    difference = np.abs(np.asarray(image).astype(int) - pattern())
    assert difference.max() <= tolerance


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO", "TGA", "PDF", "EPS", "PCX", "SGI", "JPEG2000"])
def test_other_formats_are_refused(kind) -> None:
    with pytest.raises(DataError, match="another format"):
        open_image(encoded(Image.fromarray(pattern()), kind))


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "an empty file"),
        (b"hello", "another format"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"RIFF1234WEBP", ""),
        (b"GIF89a", ""),
    ],
)
def test_what_is_no_picture_is_refused(data, cause) -> None:
    with pytest.raises(DataError, match=f"the picture cannot be read.*{cause}"):
        open_image(data)


def test_files_that_cannot_be_read_are_named(tmp_path) -> None:
    for path, cause in ((tmp_path / "no.png", "no such file"), (tmp_path, "a folder"), ("a\0b", "no usable file name")):
        with pytest.raises(DataError, match=cause):
            open_image(path)
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    with pytest.raises(DataError, match=r'loop\.png" cannot be read'):
        open_image(loop)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_cut_short_is_never_half_a_picture(kind) -> None:
    whole = seeds()[kind]
    expected = np.asarray(open_image(whole))
    refused = 0
    for length in range(len(whole)):
        try:
            image = open_image(whole[:length])
        except DataError:
            refused += 1
            continue
        np.testing.assert_array_equal(np.asarray(image), expected)  # only bytes after the last pixel may be missing
    assert refused >= len(whole) - 20  # a PNG ends with 20 bytes of checksums and marks


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_the_rotation_that_a_camera_noted_is_applied(orientation, kind) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = pattern()
    plain = np.asarray(open_image(encoded(Image.fromarray(stored), kind)))
    image = open_image(encoded(Image.fromarray(stored), kind, exif=exif))
    np.testing.assert_array_equal(np.asarray(image), UPRIGHT[orientation](plain))


@pytest.mark.parametrize(
    "exif", [b"junk", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_metadata_that_make_no_sense_do_not_matter(exif) -> None:
    image = open_image(encoded(Image.fromarray(pattern()), "JPEG", exif=exif))
    assert image.size == (16, 12)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_rotation_is_none(orientation) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = open_image(encoded(Image.fromarray(pattern()), "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(image), pattern())


def test_all_metadata_are_dropped() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    data = encoded(Image.fromarray(pattern()), "JPEG", exif=exif, icc_profile=b"junk" * 50, comment=b"a secret")
    image = open_image(data)
    assert image.info == {}
    assert not image.getexif()
    assert b"secret" not in encoded(image, "PNG")


def test_grey_stays_grey_and_16_bits_become_8() -> None:
    grey = pattern()[:, :, 0]
    assert open_image(encoded(Image.fromarray(grey), "PNG")).mode == "L"
    deep = np.linspace(0, 65535, 192).reshape(12, 16).round().astype(np.uint16)
    image = open_image(encoded(Image.fromarray(deep), "PNG"))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), np.floor(deep / 257 + 0.5))
    one_bit = open_image(encoded(Image.fromarray(grey > 100), "PNG"))
    np.testing.assert_array_equal(np.asarray(one_bit), (grey > 100) * 255)


def test_16_bits_of_color_become_8() -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", 0, 32896, 65535, 65535, 0, 128) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    image = open_image(png(header, zlib.compress(rows)))
    assert image.mode == "RGB"
    assert [image.getpixel((x, 1)) for x in range(2)] == [(0, 128, 255), (255, 0, 0)]


def png(header: bytes, data: bytes, *others: tuple[bytes, bytes]) -> bytes:
    chunks = [(b"IHDR", header), *others, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def test_transparency_is_laid_on_white() -> None:
    color = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
    color.putpixel((1, 0), (255, 0, 0, 0))
    color.putpixel((2, 0), (0, 0, 0, 128))
    for kind in ("PNG", "WEBP"):
        image = open_image(encoded(color, kind, **({"exact": True} if kind == "WEBP" else {})))
        assert [image.getpixel((x, 0)) for x in range(3)] == [(255, 0, 0), (255, 255, 255), (127, 127, 127)]
    grey = Image.new("LA", (2, 1), (10, 255))
    grey.putpixel((1, 0), (10, 0))
    image = open_image(encoded(grey, "PNG"))
    assert image.mode == "L"
    assert [image.getpixel((x, 0)) for x in range(2)] == [10, 255]


def test_palettes_with_and_without_transparency() -> None:
    indexed = Image.new("P", (3, 1))
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for x in range(3):
        indexed.putpixel((x, 0), x)
    for kind in ("PNG", "GIF", "BMP"):
        image = open_image(encoded(indexed, kind))
        assert [image.getpixel((x, 0)) for x in range(3)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for kind in ("PNG", "GIF"):
        image = open_image(encoded(indexed, kind, transparency=1))
        assert [image.getpixel((x, 0)) for x in range(3)] == [(255, 0, 0), (255, 255, 255), (0, 0, 255)]


def test_one_color_of_a_grey_picture_may_be_transparent() -> None:
    grey = Image.fromarray(np.array([[0, 100, 200]], np.uint8))
    assert np.asarray(open_image(encoded(grey, "PNG", transparency=100))).tolist() == [[0, 255, 200]]


def test_cmyk_becomes_rgb() -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red
    image = open_image(encoded(ink, "JPEG"))
    assert image.mode == "RGB"
    red, green, blue = image.getpixel((8, 8))
    assert red > 200
    assert max(green, blue) < 40


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind) -> None:
    frames = [Image.new("RGB", (6, 4), color) for color in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    image = open_image(data)
    assert image.size == (6, 4)
    assert image.getpixel((3, 2)) == (255, 0, 0)


def test_a_camera_file_with_several_pictures_gives_the_first() -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("white", "black")]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert open_image(data).getpixel((8, 8)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0), (2**31, 1)])
def test_impossible_sizes_are_refused(size) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    with pytest.raises(DataError):
        open_image(png(header, zlib.compress(b"\0" * 100)))


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0" + b"x" * 20}])
def test_a_large_webp_is_refused_before_pillow_takes_memory_for_it(monkeypatch, options) -> None:
    data = encoded(Image.fromarray(pattern()), "WEBP", **options)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(DataError, match="16x12 pixels, more than 191"):
        open_image(data, max_pixels=191)


def test_the_limit_is_exact() -> None:
    data = seeds()["PNG"]
    assert open_image(data, max_pixels=12 * 16).size == (16, 12)
    with pytest.raises(DataError, match="16x12 pixels, more than 191"):
        open_image(data, max_pixels=191)


def test_a_limit_above_pillows_own_still_refuses_bombs(monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="more than 100 pixels"):
        open_image(seeds()["PNG"])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="far too many pixels"):
        open_image(seeds()["PNG"])


def mutated(rng: np.random.Generator, data: bytes) -> bytes:
    """One of five kinds of damage."""
    values = bytearray(data)
    place = int(rng.integers(len(values)))
    kind = int(rng.integers(5))
    if kind == 0:
        return bytes(values[:place])
    if kind == 1:
        for _ in range(int(rng.integers(1, 6))):
            values[int(rng.integers(len(values)))] = int(rng.integers(256))
    elif kind == 2:
        values[place:place] = rng.bytes(int(rng.integers(1, 40)))
    elif kind == 3:
        del values[place : place + int(rng.integers(1, 40))]
    else:
        values[int(rng.integers(min(64, len(values))))] ^= 1 << int(rng.integers(8))
    return bytes(values)


def test_twenty_thousand_damaged_pictures_are_decoded_or_refused_in_silence(capfd) -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(pattern())
    starts = [*seeds().values(), encoded(image, "JPEG", exif=exif, icc_profile=b"x" * 64, progressive=True)]
    starts += [
        encoded(image.convert("P"), "GIF"),
        encoded(image.convert("LA"), "PNG"),
        encoded(image, "WEBP", lossless=False),
    ]
    outcomes, messages = {"decoded": 0, "refused": 0}, set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(20_000):
            data = mutated(rng, starts[number % len(starts)])
            try:
                got = open_image(data, max_pixels=10_000)
            except DataError as error:
                outcomes["refused"] += 1
                messages.add(str(error))
                continue
            outcomes["decoded"] += 1
            assert got.mode in ("L", "RGB")
            assert got.width * got.height <= 10_000
    assert min(outcomes.values()) > 2000
    assert all(text.startswith("the picture cannot be read") and "\n" not in text for text in messages)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")
