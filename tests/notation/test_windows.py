"""Output sizes, and the rows that windows never read, against windows laid out one by one."""

from __future__ import annotations

import random

import pytest

from chainrule.core.errors import NotationError
from chainrule.notation import resolve, table
from chainrule.notation.field import Window
from chainrule.notation.windows import extent, never_read, outputs


def laid_out(size: int, window: Window, ceil: bool) -> list[set[int]]:
    """The pixels of each window, one after the other while they fit.

    With `ceil` one more stands over the end, if something is left there and it starts before the padding behind.
    """
    found, start, end = [], -window.padding, -window.padding - 1
    while True:
        taps = {start + tap * window.dilation for tap in range(window.size)}
        fits = max(taps) < size + window.padding
        if not fits and not (ceil and end < size + window.padding - 1 and start < size):
            return found
        found.append({tap for tap in taps if 0 <= tap < size})
        start, end = start + window.stride, max(taps)
        if not fits:
            return found


def random_windows(count: int) -> list[tuple[int, Window, bool]]:
    rng = random.Random(0)
    found = []
    for _ in range(count):
        window = Window(rng.randint(1, 6), rng.randint(1, 5), rng.randint(0, 3), rng.randint(1, 3))
        found.append((rng.randint(1, 24), window, rng.random() < 0.3))
    return found


def test_outputs_and_rows_never_read() -> None:
    compared = 0
    for size, window, ceil in random_windows(4000):
        if ceil and window.padding > extent(window) // 2:
            continue  # no pooling may be padded so
        room = size + 2 * window.padding - extent(window)
        if room < 0:
            assert ceil or outputs(size, window) < 1
            continue
        windows = laid_out(size, window, ceil)
        assert outputs(size, window, ceil=ceil) == len(windows), (size, window, ceil)
        unread = sorted(set(range(size)) - set().union(*windows))
        expected = unread if room % window.stride else []
        assert list(never_read(size, window, ceil=ceil)) == expected, (size, window, ceil)
        compared += bool(expected)
    assert compared > 300


def warnings(text: str) -> tuple[str, ...]:
    return table(text).warnings


def test_the_note_on_alexnet() -> None:
    (warning,) = warnings("INPUT 224x224x3 | CONV11-96 /4 pad0")
    assert "54.25" in warning
    assert "row and column 223" in warning
    assert "223 or 227 rows and columns divide" in warning
    assert "pad" not in warning.split("divide;")[-1].replace("pad0", "")
    assert warnings("INPUT 227x227x3 | CONV11-96 /4 pad0") == ()
    padded = table("INPUT 224x224x3 | CONV11-96 /4 pad2")  # 55 by flooring 55.25; only padding is left out
    assert padded.output == (55, 55, 96)
    assert padded.warnings == ()


def test_the_sizes_and_the_padding_that_are_suggested_do_divide() -> None:
    (warning,) = warnings("INPUT 30x30x3 | CONV5-8 /3 pad0")
    assert "never reads row and column 29 " in warning
    assert "29 or 32 rows and columns divide; so does pad1" in warning
    for better in (
        "INPUT 29x29x3 | CONV5-8 /3 pad0",
        "INPUT 32x32x3 | CONV5-8 /3 pad0",
        "INPUT 30x30x3 | CONV5-8 /3 pad1",
    ):
        assert warnings(better) == ()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "INPUT 7x7x3 | POOL2",
            "row and column 6 of its 7x7x3 input; 6 or 8 rows and columns divide; ceil reads the rest",
        ),
        ("INPUT 8x7x3 | POOL2", "never reads column 6 of its 8x7x3 input; 6 or 8 columns divide"),
        ("INPUT 9x7x3 | POOL4", "never reads row 8 and columns 4, 5 and 6"),
        ("INPUT 56x56x8 | CONV1-8 /2", "rows and columns 1, 3, 5, ..., 55 (28 of each)"),
        ("INPUT 8x8x3 | UPCONV2-4 /3", "nothing but the bias"),
    ],
)
def test_what_warnings_say(text: str, part: str) -> None:
    (warning,) = warnings(text)
    assert part in warning


@pytest.mark.parametrize(
    "text",
    [
        "INPUT 56x56x64 | CONV3-64 /2",  # ResNet's: only padding is left out
        "INPUT 7x7x3 | POOL2 ceil",
        "INPUT 56x56x64 | RES[CONV3-128 /2 ; CONV1-128 /2]",  # the body reads what the projection skips
        "INPUT 56x56x64 | CAT[BN | CONV1-8 /2 ; RES[POOL3 /2 pad1 ; CONV1-64 /2] | RELU]",
        "INPUT 57x57x3 | POOL3 /2 | POOL4",
        "INPUT 5x5x3 | GAP",
        "INPUT 5x5x3 | FC-10",
    ],
)
def test_no_warning_when_everything_is_read(text: str) -> None:
    assert warnings(text) == ()


def test_what_no_branch_reads_is_told() -> None:
    found = warnings("INPUT 56x56x8 | RES[CONV1-16 /2 ; CONV1-16 /2]")
    assert [line.split(":")[0] for line in found] == ["res1.body.conv1", "res1.shortcut.conv1"]
    inner = warnings("INPUT 57x57x8 | CAT[ ; CONV3-8 pad1 | POOL2 | UPCONV3-8 /2]")
    assert [line.split(":")[0] for line in inner] == ["cat1.branch2.pool1"]  # its own input, which nothing else reads


def test_strict_makes_it_an_error() -> None:
    with pytest.raises(NotationError, match=r"column 15: .*never reads row and column 6") as caught:
        table("INPUT 7x7x3 | POOL2 | FC-10", strict=True)
    assert "POOL2" in str(caught.value).split("\n")[1]
    assert table("INPUT 8x8x3 | POOL2 | FC-10", strict=True).warnings == ()


@pytest.mark.parametrize(
    "text",
    ["INPUT 3x3x3 | POOL4", "INPUT 8x3x3 | CONV5-8 pad0", "INPUT 2x1x2 | UPCONV2-1 /1 pad1"],
)
def test_an_output_below_one_is_always_an_error(text: str) -> None:
    with pytest.raises(NotationError, match=r"below 1|leaves nothing"):
        resolve(text)


def test_the_padding_suggested_for_a_filter_too_large_is_enough() -> None:
    with pytest.raises(NotationError, match="padding of at least 2"):
        resolve("INPUT 3x3x3 | CONV7-8 pad0")
    assert resolve("INPUT 3x3x3 | CONV7-8 pad2").output.sizes == (1, 1, 8)
