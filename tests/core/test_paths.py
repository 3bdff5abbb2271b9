"""Whatever text comes from outside, the path is inside the folder or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chainrule.core.errors import UsageError
from chainrule.core.paths import safe_join, shown

PIECES = st.sampled_from(
    ["..", ".", "/", "\\", "a", "link", "loop", "inside", "~", "C:", "\\\\host\\x", "\0", "%2e%2e", "..;", " ", "etc"]
)
TEXT = st.text(max_size=20) | st.lists(PIECES, max_size=6).map("".join) | st.lists(PIECES, max_size=6).map("/".join)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_bytes(b"1")
    folder = tmp_path_factory.mktemp("parent") / "top"
    (folder / "a/inside").mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to("..")
    (folder / "a/loop").symlink_to("loop")
    (folder / "own").symlink_to("a")
    return folder


@settings(deadline=None, max_examples=1000, derandomize=True)
@given(st.lists(TEXT, max_size=4))
@example(["../x"])
@example(["a", "../../x"])
@example(["/etc/passwd"])
@example(["a/../b"])
@example(["link", "secret"])
@example(["\ud800"])
def test_inside_or_refused(root: Path, parts: list[str]) -> None:
    refusal = None
    try:
        path = safe_join(root, *parts)
    except UsageError as error:
        refusal = str(error)
    if refusal is not None:
        assert refusal.isprintable()
        return
    real = os.path.realpath(path)
    assert os.path.commonpath([real, os.path.realpath(root)]) == os.path.realpath(root)
    assert not os.path.exists(path / "secret")


HOSTILE = [
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "/etc/passwd",
    "//host/x",
    "\\\\host\\x",
    "\\x",
    "C:\\x",
    "c:x",
    "..\\x",
    "a\\..\\..\\x",
    "~/x",
    "~root",
    "link",
    "link/secret",
    "up",
    "up/x",
    "up/top/../x",
    "a\x00b",
    "\x00",
    "a/loop",
    "a/loop/x",
    "link/new/file",
    "x" * 256,
    "x" * 5000,
    "a/" * 3000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_ways_out(root: Path, text: str) -> None:
    with pytest.raises(UsageError, match="a name inside the folder"):
        safe_join(root, text)


@pytest.mark.parametrize(
    "parts",
    [
        ("a",),
        ("a", "inside"),
        ("a/inside",),
        ("new/file.txt",),
        (".",),
        ("",),
        (),
        ("own", "inside"),
        ("...",),
        ("a..b",),
        ("ü 猫",),
    ],
)
def test_ways_in(root: Path, parts: tuple[str, ...]) -> None:
    path = safe_join(root, *parts)
    assert path == Path(os.path.realpath(root.joinpath(*parts)))


@given(st.text())
@settings(deadline=None, max_examples=300, derandomize=True)
def test_a_path_is_shown_on_one_line(text: str) -> None:
    line = shown(text)
    assert line.isprintable()
    assert line[0] == line[-1] == '"'
    line.encode()
    assert shown(Path("a b")) == '"a b"'
    assert shown(b"a\xff") == '"a\\udcff"'
