"""`chainrule backprop EXPRESSION`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.cli import main

SIGMOID = ["1/(1+exp(-(w0*x0+w1*x1+w2)))", "--at", "w0=2,x0=-1,w1=-3", "--at", "x1=-2,w2=-3"]


def test_the_lectures_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backprop", *SIGMOID]) == 0
    out = capsys.readouterr().out
    for words in ("Forward", "Backward, from df/df = 1", "Gradients", "σ*(1 - σ)*x0", "Checked: all 5 gradients agree"):
        assert words in out


def test_json_is_whole_for_answers_and_for_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backprop", *SIGMOID, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["format"], data["verb"], data["status"]) == (1, "backprop", 0)
    assert data["result"]["gradients"]["x1"] == pytest.approx(-0.5898, abs=1e-4)
    assert main(["backprop", "2^x", "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["remedy"] == "write ** for a power"
    assert told.err.splitlines()[1:] == ["    2^x", "     ^"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["x*y", "--at", "z=1"], 'the expression has no "z"'),
        (["x*y", "--at", "x=a"], "needs a finite number"),
        (["log(x)", "--at", "x=-1"], "log has no finite value at -1"),
        (["x*y", "-o", "graph.png"], "a name that ends in .html or .svg"),
        (["x*y", "--ties", "last"], "--ties"),
        ([""], "no argument"),
        (["x*y", "--step", "--tree"], "not allowed with"),
    ],
)
def test_mistakes_are_explained(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backprop", *words]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert "Traceback" not in told.err


def test_other_forms(capsys: pytest.CaptureFixture[str]) -> None:
    pool = ["v1 = max(z1, z2, 0); v2 = max(z2, z3, 0)", "--upstream", "v1=d1", "--upstream", "v2=d2", "--wrt", "z2"]
    assert main(["backprop", *pool, "-q"]) == 0
    quiet = capsys.readouterr().out
    assert "Forward" not in quiet
    assert "if z2 = max(z1, z2, 0) and z2 = max(z2, z3, 0)" in quiet
    assert main(["backprop", *pool, "--latex"]) == 0
    assert r"\begin{cases} d_{1} + d_{2} &" in capsys.readouterr().out
    assert main(["backprop", *SIGMOID, "--tree"]) == 0
    assert "└─ w2   value -3, gradient 0.1966" in capsys.readouterr().out
    assert main(["backprop", *SIGMOID, "--step"]) == 0
    steps = capsys.readouterr().out
    assert steps.index("g1 = w0*x0 = -2") < steps.index("g1 -> w0: upstream 0.1966") < steps.index("Gradients")


def test_files_are_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, start in (("page.html", "<!doctype html>"), ("graph.svg", "<svg")):
        assert main(["backprop", *SIGMOID, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
        assert str(tmp_path / name) in capsys.readouterr().out
    assert main(["backprop", *SIGMOID, "-o", str(tmp_path / "none" / "a.svg")]) == 5


def test_no_torch_and_no_sympy_where_it_is_not_needed() -> None:
    code = (
        "import sys\nfrom chainrule.cli import main\n"
        "assert main(['backprop', '2^x']) == 2\nassert 'sympy' not in sys.modules\n"
        f"assert main(['backprop', *{SIGMOID!r}, '-q']) == 0\n"
        "print([name for name in ('torch', 'pydantic', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
