"""Code of users runs only as the file that was named, and fails as theirs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import UsageError
from chainrule.core.program import ProgramError, load_program, load_target, parse_target, source_hash


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "path", "names"),
    [
        ("net.py:Net", "net.py", ("Net",)),
        ("a/b c.py:Net,data", "a/b c.py", ("Net", "data")),
        ("net.py", "net.py", ()),
        ("C:\\x\\net.py:Net", "C:\\x\\net.py", ("Net",)),
        ("a:b.py:Net", "a:b.py", ("Net",)),
        ("net.py: Net , x", "net.py", ("Net", "x")),
        ("a:b.py", "a:b.py", ()),
    ],
)
def test_targets(text: str, path: str, names: tuple[str, ...]) -> None:
    assert parse_target(text) == (Path(path), names)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "net.py:",
        "net:Net",
        "Net",
        "net.py:Net,",
        "net.py:a.b",
        "net.py:f()",
        "net.py:1a",
        "os:system",
        "a\0.py:N",
        "n.py:a b",
        "n.py:A,A",
    ],
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


@given(st.text(max_size=30))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_any_text_is_a_target_or_refused(text: str) -> None:
    for spelled in (text, text + ".py", "n.py:" + text):
        try:
            path, names = parse_target(spelled)
        except UsageError:
            continue
        assert path.suffix == ".py" or str(path).endswith(".py")
        assert all(name.isidentifier() for name in names)


def test_objects_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", "a = 1\ndef b(): return a + 1\nclass C: pass\n")
    c, b, a = load_target(f"{path}:C,b,a")
    assert (a, b(), c.__name__) == (1, 2, "C")
    assert load_target(parse_target(f"{path}:a")) == [1]


def test_the_hash_is_of_the_bytes_that_ran(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", "a = 1  # ü\n")
    program = load_program(f"{path}:a")
    assert (
        program.source_hash
        == source_hash(path)
        == hashlib.sha256(program.source).hexdigest()
        == hashlib.sha256(path.read_bytes()).hexdigest()
    )


def test_a_file_that_changed_runs_anew_even_in_the_same_second(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    for value in range(5):
        write(path, f"a = {value}\n")
        os.utime(path, (1e9, 1e9))
        assert load_target(f"{path}:a") == [value]
    assert os.listdir(tmp_path) == ["net.py"]


def test_its_folder_is_searched_while_it_runs_and_not_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "neighbor_of_net", raising=False)
    write(tmp_path / "own/neighbor_of_net.py", "value = 7\n")
    path = write(
        tmp_path / "own/net.py",
        "import neighbor_of_net, sys\na = neighbor_of_net.value\nfirst = sys.path[0]\nname = __name__\nf = __file__\n",
    )
    before, compiled = list(sys.path), sys.dont_write_bytecode
    monkeypatch.chdir(tmp_path)
    a, first, name, f = load_target("own/net.py:a,first,name,f")
    assert (a, first, f) == (7, str(tmp_path / "own"), "own/net.py")
    assert name != "__main__"
    assert (sys.path, sys.dont_write_bytecode) == (before, compiled)
    assert sorted(os.listdir(tmp_path / "own")) == ["neighbor_of_net.py", "net.py"]
    assert path.exists()


def test_a_file_called_like_an_installed_module_does_not_replace_it(tmp_path: Path) -> None:
    path = write(tmp_path / "json.py", "import json\na = json\n")
    known = sys.modules["json"]
    load_target(f"{path}:a")
    assert sys.modules["json"] is known


def test_classes_know_their_module(tmp_path: Path) -> None:
    head = "from __future__ import annotations\nimport dataclasses\n"
    text = head + "@dataclasses.dataclass\nclass D:\n    x: int = 1\n    y: dataclasses.InitVar[int] = 2\n"
    (d,) = load_target(f"{write(tmp_path / 'net.py', text)}:D")
    assert dataclasses.asdict(d(3)) == {"x": 3}
    assert getattr(sys.modules[d.__module__], "D") is d  # noqa: B009


def test_a_missing_name_is_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", "import os\n_hidden = 1\nclass Network: pass\n")
    with pytest.raises(UsageError, match=r'has no "Netwrk".*did you mean "Network"\? The names are: Network') as caught:
        load_target(f"{path}:Netwrk")
    assert not isinstance(caught.value, ProgramError)
    with pytest.raises(UsageError, match="says not what to use of it"):
        load_target(f"{path}")


def test_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UsageError, match="there is no such file"):
        load_target(f"{tmp_path / 'none.py'}:Net")
    with pytest.raises(UsageError, match="cannot read the code"):
        load_target(f"{tmp_path / 'folder.py'}:Net")


FAILING = {
    "1 / 0\n": ("at line 1: ZeroDivisionError: division by zero", "1 / 0"),
    "def f():\n    raise KeyError('a\\nb')\nf()\n": ("at line 3: KeyError", "in f"),
    "import no_such_module_anywhere\n": ("at line 1: ModuleNotFoundError", "no_such_module_anywhere"),
    "x = (\n": ("at line 1: SyntaxError", "x = ("),
    "import sys\nsys.exit(3)\n": ("at line 2: SystemExit: 3", "sys.exit(3)"),
    "def f(): f()\nf()\n": ("RecursionError", "f()"),
    "raise BaseException\n": ("at line 1: BaseException", "raise"),
    "a = '\0'\n": ("SyntaxError", "null"),
    b"\xff\xfe": ("SyntaxError", ""),
}


@pytest.mark.parametrize("text", FAILING)
def test_a_failure_is_shown_as_theirs(tmp_path: Path, text: str | bytes) -> None:
    path = write(tmp_path / "net.py", text)
    before, known = list(sys.path), set(sys.modules)
    with pytest.raises(ProgramError) as caught:
        load_target(f"{path}:Net")
    said, kept = str(caught.value), caught.value.user_traceback
    assert f'your file "{path}" failed' in said
    assert FAILING[text][0] in said
    assert "\n" not in said
    assert FAILING[text][1] in kept
    assert "core/program.py" not in kept
    assert caught.value.exit_status == 2
    assert sys.path == before
    assert not [name for name in set(sys.modules) - known if name.startswith("user_program_")]


def test_ctrl_c_is_not_their_failure(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_target(f"{path}:Net")
