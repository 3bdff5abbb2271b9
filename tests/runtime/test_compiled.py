"""The compiler: where it works its program equals the network, and where it does not that is said and nothing fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from shutil import which

import pytest
import torch
from torch import nn

from chainrule.runtime import compiled as compiler


@pytest.fixture(autouse=True)
def looked_for_again() -> Iterator[None]:
    """What was found out about this machine is forgotten before and after each test."""
    forget = compiler.missing_compiler.cache_clear
    forget()
    yield
    forget()


SCRIPT = """
import sys, torch
from torch import nn
from chainrule.runtime.compiled import compiled, missing_compiler
torch.manual_seed(0)
torch.set_num_threads(1)
model, x = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval(), torch.randn(2, 1, 8, 8)
with torch.inference_mode():
    run = compiled(model, x)
    if run is not None:
        for given in (x, torch.randn(2, 1, 8, 8)):
            torch.testing.assert_close(run(given), model(given), rtol=1e-4, atol=1e-5)
print(missing_compiler() or "equal")
"""


@pytest.mark.slow
def test_a_program_equals_its_network_or_there_is_none() -> None:
    """Whether there is a C++ compiler is up to the machine; either answer is checked against what can be found."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    there = any(which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))
    assert (done.stdout.strip() == "equal") == there, done.stdout + done.stderr


@pytest.mark.slow
def test_without_a_compiler_there_is_no_program() -> None:
    environment = {**os.environ, "CXX": "/nonexistent/g++"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "there is no C++ compiler (g++ or clang++)"
    assert "not compiled: there is no C++ compiler" in done.stderr


def test_what_the_compiler_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*words: object, **options: object) -> object:
        def fail(x: object) -> object:
            raise RuntimeError("a compiler of tomorrow")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    assert compiler.missing_compiler() == "torch's compiler does not work here (RuntimeError)"
    compiler.missing_compiler.cache_clear()
    monkeypatch.setattr(compiler, "missing_compiler", lambda: None)
    assert compiler.compiled(nn.Linear(2, 2), torch.zeros(1, 2)) is None
    assert "fails on Linear (RuntimeError)" in caplog.text
