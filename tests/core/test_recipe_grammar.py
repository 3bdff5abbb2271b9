"""Recipes of every wrong shape: refused in one line that names the key or line, before anything is made or imported."""

from __future__ import annotations

import difflib
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chainrule.cli import main
from chainrule.core.errors import ChainruleError, RecipeError
from chainrule.core.strict_yaml import format_yaml
from chainrule.recipes import recipe_file, recipe_names
from chainrule.tasks.tables import check_options, open_recipe, recipe_keys

TEXTS = {name: recipe_file(name).read_text(encoding="utf-8") for name in recipe_names()}
BASE = yaml.safe_load(TEXTS["digits-cnn"])
MODULES = ["antigravity", "this", "idlelib", "turtle", "lib2to3", "tkinter"]
"""Of the standard library, and imported by nothing of ours."""


def read(path: Path, data: bytes | str | dict[str, Any]) -> str | None:
    """The message with which a recipe file is refused, or None."""
    text = format_yaml(data) if isinstance(data, dict) else data
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        check_options(open_recipe(str(path)))
    except ChainruleError as refused:
        error = refused
    else:
        return None
    message = str(error)
    assert error.exit_status == 2, message
    assert "\n" not in message
    assert len(message) < 1500 + len(str(path)), message
    return message


def changed(place: str, value: Any) -> dict[str, Any]:
    section, _, key = place.partition(".")
    inside = BASE.get(section, {}) if key == "name" or section in BASE else {}
    return {**BASE, section: {**(inside if isinstance(inside, dict) else {}), key: value}}


def own_keys() -> list[str]:
    """Keys that every recipe has, whatever parts it names."""
    return sorted({row["key"] for row in recipe_keys() if not row["part"] and row["task"] in ("", "classify")})


def typos(word: str) -> Iterator[str]:
    """One letter left out, doubled or exchanged: what fingers do."""
    middle = max(1, len(word) // 2)
    yield word[:middle] + word[middle + 1 :]
    yield word[:middle] + word[middle - 1] + word[middle:]
    yield word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]


def test_every_misspelled_key_is_named_with_what_was_meant(tmp_path: Path) -> None:
    count = 0
    for place in own_keys():
        section, _, key = place.partition(".")
        known = [name for name in own_keys() if name.startswith(f"{section}.")]
        for typo in set(typos(key)) - {name.partition(".")[2] for name in known}:
            message = read(tmp_path / "a.yaml", changed(f"{section}.{typo}", 1))
            assert message is not None
            assert f'"{typo}"' in message
            words = [name.partition(".")[2] for name in known]
            if len(key) > 3 and difflib.get_close_matches(typo, words, n=1) == [key]:
                assert f'did you mean "{key}"' in message, message
            count += 1
    assert count >= 90


WRONG = ["no such word", [], [1, "a"], {}, {"a": {"b": 1}}, -1, -0.5, float("nan"), float("inf"), True, 10**30, None]


def test_every_value_of_a_wrong_type_or_range_is_refused_with_its_key(tmp_path: Path) -> None:
    refused = 0
    for place in own_keys():
        section, _, key = place.partition(".")
        for value in WRONG:
            message = read(tmp_path / "a.yaml", changed(place, value))
            if message is not None:
                refused += 1
                assert key in message or section in message, (place, value, message)
    assert refused >= 300


@pytest.mark.parametrize("value", ["no such word", {"a": 1}, [[1]], float("nan")])
def test_options_of_parts_are_as_strict(tmp_path: Path, value: Any) -> None:
    for row in recipe_keys():
        if row["part"]:
            section, _, key = row["key"].partition(".")
            data = {**BASE, section: {"name": row["part"], key: value}}
            message = read(tmp_path / "a.yaml", data)
            assert message is None or section in message or key in message, (row, message)


def test_names_are_names_and_nothing_is_imported_or_evaluated(tmp_path: Path) -> None:
    before = set(sys.modules)
    for section in ("data", "model", "loss", "optim", "schedule"):
        for name in [
            *MODULES,
            "os.system",
            "os:system",
            "../x",
            "/etc/passwd",
            "{{7*7}}",
            "${HOME}",
            "a\x00b",
            "",
            " ",
        ]:
            message = read(tmp_path / "a.yaml", changed(f"{section}.name", name))
            assert message is not None
            assert "49" not in message.replace(str(tmp_path), "")
            assert f"{section}.name" in message or section in message, message
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {*MODULES, "pip", "setuptools"}


def test_text_that_looks_like_a_program_stays_text(tmp_path: Path) -> None:
    for text in (
        "{{7*7}}",
        "${HOME}",
        "$(id)",
        "`id`",
        "%(a)s",
        "<script>alert(1)</script>",
        "!!python/name:os.system",
    ):
        path = tmp_path / "a.yaml"
        assert read(path, {**BASE, "about": text}) is None
        assert open_recipe(str(path)).about == text


TAGS = ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/module:antigravity", "!include", "!env"]


@pytest.mark.slow
def test_tags_anchors_and_includes_are_refused_with_their_line(tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        lines = text.splitlines()
        for number, line in enumerate(lines):
            head, colon, value = line.partition(": ")
            if line.startswith("#") or not colon or value.startswith(">"):
                continue
            for tag in (*TAGS, "&a", "*a"):
                bad = [*lines[:number], f"{head}: {tag} {value if tag != '*a' else ''}", *lines[number + 1 :]]
                message = read(tmp_path / "a.yaml", "\n".join(bad))
                assert message is not None, (name, bad[number])
                found = re.search(r"line (\d+)", message)
                assert found, message
                assert abs(int(found[1]) - number - 1) <= 1, (message, number + 1)


def test_a_key_that_stands_twice_is_named(tmp_path: Path) -> None:
    for text in TEXTS.values():
        for line in text.splitlines():
            if line.startswith(("#", " ")):
                continue
            key = line.partition(":")[0]
            message = read(tmp_path / "a.yaml", f"{text}\n{key}: 1\n")
            assert message is not None
            assert f'"{key}"' in message
            assert "line" in message


ODD: dict[str, bytes] = {
    "empty": b"",
    "space": b" \n\t\n",
    "comment": b"# nothing\n",
    "marks": b"---\n...\n",
    "number": b"7",
    "list": b"- a\n- b\n",
    "text": b"a recipe",
    "binary": bytes(range(256)) * 40,
    "zeros": b"\0" * 4096,
    "utf-16": "data: {name: digits}".encode("utf-16"),
    "latin-1": "about: r\u00e9seau".encode("latin-1"),
    "bom": b"\xef\xbb\xbf\xef\xbb\xbfdata: {name: digits}",
    "large": b"about: " + b"a" * 10_000_000,
    "deep": b"[" * 200_000,
    "deep keys": b"a:\n" + b"".join(b" " * i + b"a:\n" for i in range(1, 400)),
    "json": b'{"data": {"name": "digits"}, "data": {"name": "mnist"}}',
    "aliases": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
    "merge": b"base: &b {name: digits}\ndata:\n  <<: *b\n",
    "two": b"data: {name: digits}\n---\ndata: {name: mnist}\n",
    "long key": b"k" * 100_000 + b": 1",
    "escape": b'about: "\\x1b[31m\\n"\ndata: {nme: digits}',
    "crlf": b"data: {nme: digits}\r\ntrain: {epochs: 1}\r\n",
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_what_is_no_recipe_ends_the_command_in_one_line_and_makes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_bytes(ODD[name])
    assert main(["train", "a.yaml", "-o", "run"]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1), err
    assert "a.yaml" in err
    assert "Traceback" not in err
    assert "a bug" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml"]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"epochs": 1, "steps": 5}}, "either epochs or steps"),
        ({"train": {}}, "either epochs or steps"),
        ({"init": {"bias": 1.0}}, "a bias needs a scheme"),
        ({"format": 2}, "format: 1"),
        ({"task": "detect"}, "classify"),
        ({"data": {"name": "digits", "validation": 0.0}}, "validation"),
        ({"data": {"name": "digits", "validation": 1.0}}, "validation"),
        ({"data": {"name": "digits", "path": "../../etc"}}, "path"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    said = read(tmp_path / "a.yaml", {**BASE, **sections})
    assert said is not None
    assert message in said


VALUES = [
    "",
    "~",
    "null",
    "true",
    "yes",
    "-1",
    "0",
    "1e400",
    "0x10",
    "1_000",
    "[]",
    "{}",
    "[1, [2]]",
    "{a: 1}",
    "'",
    '"',
    "|",
]
VALUES += [
    ">-",
    "- a",
    "? a",
    ": b",
    "%TAG",
    "@",
    "`",
    "!!str 1",
    "&a 1",
    "*a",
    "\u2028",
    "\ufeff",
    "\x07",
    "é" * 40,
    "a: b: c",
]
VALUES += ["{{7*7}}", "../../x", "!!python/object:os.system", "1.0.0", "nan", ".nan", ".inf", "2001-01-01", "\t", "#"]


def mutated(rng: random.Random) -> str:
    lines = rng.choice(list(TEXTS.values())).splitlines()
    for _ in range(rng.randint(1, 4)):
        number = rng.randrange(len(lines))
        line = lines[number]
        match rng.randrange(9):
            case 0:
                del lines[number]
            case 1:
                lines.insert(rng.randrange(len(lines) + 1), line)
            case 2:
                lines[number] = " " * rng.randint(0, 9) + line
            case 3:
                head, colon, _ = line.partition(":")
                lines[number] = f"{head}{colon} {rng.choice(VALUES)}"
            case 4:
                place = rng.randrange(len(line) + 1)
                lines[number] = line[:place] + rng.choice(VALUES) + line[place:]
            case 5:
                place = rng.randrange(len(line) + 1)
                lines[number] = line[:place] + line[place + rng.randint(1, 9) :]
            case 6:
                words = re.findall(r"[a-z_]{3,}", line) or ["about"]
                word = rng.choice(words)
                lines[number] = line.replace(word, rng.choice(list(typos(word))), 1)
            case 7:
                lines[number] = re.sub(r"\d+(\.\d+)?", lambda found: rng.choice(VALUES), line, count=1)
            case _:
                lines[number] = line + "\n" + rng.choice(lines)
        if not lines:
            break
    return "\n".join(lines)


@pytest.mark.slow
def test_three_thousand_changed_recipes_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(6)
    before = set(sys.modules)
    refused = 0
    for _ in range(3000):
        refused += read(tmp_path / "a.yaml", mutated(rng)) is not None
    assert 1000 < refused < 2990
    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & set(MODULES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml"]


def test_a_file_that_never_ends_is_not_read(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path):
        if path.exists():
            with pytest.raises(RecipeError):
                open_recipe(str(path))
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(2**40)  # a hole: it takes no room
    with pytest.raises(RecipeError, match="too large"):
        open_recipe(str(large))
