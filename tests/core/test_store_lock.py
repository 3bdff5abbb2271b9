"""Who is alive keeps its temporaries and its lock; what the dead left is taken over."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from chainrule.core import store
from chainrule.core.errors import StorageError
from chainrule.core.store import Lock, clean_stale, publish_folder, read_folder, write_file

# --------------------------------------------------------------------------------------------------------- temporaries


def test_temporaries_of_the_dead_go_and_those_of_the_living_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"f.tmp-{os.getpid()}-999").write_bytes(b"left by a process that had our number")
    (tmp_path / "step-2.tmp-1-0").mkdir()
    (tmp_path / "step-2.tmp-1-0/a").write_bytes(b"x")
    (tmp_path / "notes.tmp-old").write_bytes(b"not ours")
    seen = []
    real = os.fsync

    def clean_now(fd: int) -> None:
        real(fd)
        seen.append(clean_stale(tmp_path))

    monkeypatch.setattr(os, "fsync", clean_now)
    publish_folder(tmp_path / "step-3", {"a": b"1"}, {})
    write_file(tmp_path / "f", b"1")
    assert seen[0] == [f"f.tmp-{os.getpid()}-999", "step-2.tmp-1-0"]
    assert not any(seen[1:])
    assert sorted(os.listdir(tmp_path)) == ["f", "notes.tmp-old", "step-3"]
    assert read_folder(tmp_path / "step-3")[0] == {"a": b"1"}


def test_without_locks_only_old_temporaries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "flock", lambda fd: None)
    for name, age in (("a.tmp-1-0", 0), ("b.tmp-1-0", 2 * 24 * 3600)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert clean_stale(tmp_path) == ["b.tmp-1-0"]
    with Lock(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_cleaning_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(b"1")
    (tmp_path / "x.tmp-1-0").symlink_to("kept")
    clean_stale(tmp_path)
    assert (tmp_path / "kept/file").read_bytes() == b"1"


# ----------------------------------------------------------------------------------------------------------------- lock

HOLD = r"""
    import os, sys, time
    from chainrule.core.store import Lock
    with Lock(sys.argv[1]):
        if sys.argv[2] == "fork" and os.fork() == 0:
            os.write(1, b"child\n")
            time.sleep(60)
        os.write(1, b"%d\n" % os.getpid())
        time.sleep(60)
    """


def holder(folder: Path, how: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path, how: str) -> None:
    """With "fork" a child of the dead holder lives on, as a worker process does for some seconds."""
    with holder(tmp_path, how) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(2 if how == "fork" else 1)]
        (pid,) = [line for line in said if line != "child"]
        try:
            with (
                pytest.raises(StorageError, match=f"in use by another process: got process {pid}. Remedy"),
                Lock(tmp_path),
            ):
                pass
            process.kill()
            process.wait()
            with Lock(tmp_path):
                assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"
        finally:
            if how == "fork":
                os.killpg(process.pid, 9)


def test_a_lock_is_for_one_user_and_free_again_afterwards(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(StorageError, match=f"process {os.getpid()}"), Lock(tmp_path):
        pass
    with Lock(tmp_path):
        pass
    with pytest.raises(StorageError, match="the folder does not exist"), Lock(tmp_path / "missing"):
        pass


def test_two_processes_publish_one_name(tmp_path: Path) -> None:
    """Whoever comes second is refused; what is there is whole and of one of them."""
    code = """
        import sys
        from chainrule.core.errors import StorageError
        from chainrule.core.store import publish_folder
        wins = 0
        for n in range(60):
            try:
                who = sys.argv[2].encode()
                publish_folder(f"{sys.argv[1]}/step-{n}", {"a": who * 5000, "b": who}, {"who": sys.argv[2]})
                wins += 1
            except StorageError as error:
                assert "taken" in str(error) or "not empty" in str(error), error
        print(wins)
        """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), tmp_path, who],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for who in "xy"
    ]
    wins = [int(process.communicate(timeout=60)[0]) for process in pair]
    assert sum(wins) == 60
    for n in range(60):
        files, facts = read_folder(tmp_path / f"step-{n}")
        who = facts["who"].encode()
        assert files == {"a": who * 5000, "b": who}
    assert len(os.listdir(tmp_path)) == 60
