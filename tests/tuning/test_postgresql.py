"""Several searches on one study in PostgreSQL, with its own server in a folder that vanishes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainrule.core.errors import StorageError
from chainrule.tuning._database import Database
from chainrule.tuning._plan import plan_search

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PLACES, reason="PostgreSQL is not installed (Debian: apt-get install postgresql)"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a new database, on a socket in a folder of its own; the server runs as no root would let it."""
    programs = PLACES[-1].parent
    user = ["runuser", "-u", "nobody", "--"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="search-", dir="/tmp"))  # a socket's path is short
    if user:
        shutil.chown(folder, "nobody")

    def do(program: str, *words: str) -> None:
        done = subprocess.run([*user, str(programs / program), *words], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr + done.stdout

    try:
        do("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "me", "-E", "UTF8", "--no-locale")
        options = f"-k {folder} -p 54321 -c listen_addresses="
        begin = ["-D", f"{folder}/data", "-w", "-o", options, "-l", f"{folder}/log", "start"]
        # what it leaves running would hold a pipe open
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*user, str(programs / "pg_ctl"), *begin], check=True, cwd=folder, **quiet)
        do("createdb", "-h", str(folder), "-p", "54321", "-U", "me", "study")
        yield f"postgresql://me@/study?host={folder}&port=54321"
    finally:
        subprocess.run([*user, str(programs / "pg_ctl"), "-D", f"{folder}/data", "-m", "immediate", "stop"],
                       capture_output=True, cwd=folder)  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


def test_two_searches_that_begin_at_once_share_the_trials(server: str, tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        command = ["search", "digits-softmax", "-n", "10", "--train.epochs", "8", "--threads", "1", "--storage", server]
        runs.append(
            subprocess.Popen(
                [sys.executable, "-m", "chainrule", *command, "-o", str(tmp_path / name)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    for run in runs:
        _, said = run.communicate(timeout=240)
        assert run.returncode == 0, said
    found = [json.loads((tmp_path / name / "facts" / "search.json").read_text()) for name in ("one", "two")]
    assert found[0]["trials"] == found[1]["trials"]
    assert [row["name"] for row in found[0]["trials"]] == [
        *(f"coarse-00{index}" for index in range(7)),
        *(f"fine-00{index}" for index in range(3)),
    ]
    mine, theirs = ({path.name for path in (tmp_path / name / "trials").iterdir()} for name in ("one", "two"))
    assert len(mine | theirs) == 10
    assert not mine & theirs  # none was trained twice


def test_a_server_that_is_gone_is_told(server: str) -> None:
    plan = plan_search("digits-softmax", space=None, settings={}, count=4, stages=["coarse"], share=0.5,
                       sampler="random", pruner="none", seed=0, name="gone")  # fmt: skip
    with pytest.raises(StorageError, match="does not answer"):
        Database(server.replace("54321", "54320"), plan)
