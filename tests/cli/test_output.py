"""What is printed: text as it is, and one line stays one line where nobody looks at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def chainrule(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chainrule", *words]
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, env=env)


def test_brackets_in_a_name_are_no_markup_and_lines_are_not_wrapped(tmp_path: Path) -> None:
    name = "[red]x[bold] :smile: " + "long " * 20
    done = chainrule("train", "digits-softmax", "--train.steps", "2", "-o", name, cwd=tmp_path)
    assert done.returncode == 0
    assert f"report  {name}/report.html" in done.stdout.splitlines()
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name} step 2/2  loss ")
    assert line.endswith(" s")
    assert "\x1b" not in done.stdout + done.stderr


def test_the_list_of_recipes_has_one_line_for_each(tmp_path: Path) -> None:
    lines = chainrule("recipes", cwd=tmp_path).stdout.splitlines()
    assert lines[0].split() == ["recipe", "what", "measured"]
    (line,) = [line for line in lines if line.split()[0] == "digits-cnn"]
    assert "test accuracy" in line
