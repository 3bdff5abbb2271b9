"""How long it takes to start: the command line, the import, and each public package above torch.

Run: `python benchmarks/start.py [--busy]`. Each figure is the median of five fresh processes, started in turn.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from measure import begin, in_turns, medians, write

import chainrule.cli

PACKAGES = [
    "data",
    "losses",
    "metrics",
    "models",
    "nn",
    "optim",
    "tasks",
    "training",
    "api",
    "analysis",
    "runtime.weights",
]


def process(*words: str) -> float:
    """Seconds of one fresh process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - begun


def everything(package: str) -> str:
    """Code that imports a package and all its public names after torch."""
    names = "[getattr(p, n) for n in getattr(p, '__all__', [])]"
    return f"import torch, importlib; p = importlib.import_module('chainrule.{package}'); {names}"


def main() -> None:
    """Measure and write."""
    design = "INPUT 224x224x3 | (CONV3-64 | RELU)*2 | POOL2 | (CONV3-128 | RELU)*2 | POOL2 | FC-4096 | RELU | FC-1000"
    contestants = {
        "python": lambda: process("-c", "pass"),
        "chainrule --help": lambda: process("-m", "chainrule", "--help"),
        "import chainrule": lambda: process("-c", "import chainrule"),
        "chainrule design": lambda: process("-m", "chainrule", "design", design),
        "import torch": lambda: process("-c", "import torch"),
        **{f"torch and {name}": (lambda name=name: process("-c", everything(name))) for name in PACKAGES},
    }
    seconds = in_turns(contestants, 5)
    found = medians(seconds)
    above = {
        name: round(found[f"torch and {name}"] - statistics.median(seconds["import torch"]), 3) for name in PACKAGES
    }
    write(
        "start", {"what": "median seconds of 5 fresh processes", "seconds": found, "seconds above import torch": above}
    )


if __name__ == "__main__":
    assert chainrule.cli.VERBS
    begin()
    main()
