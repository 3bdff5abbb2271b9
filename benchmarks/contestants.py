"""Contestants in processes of their own: started one after the other, then asked to take their turns.

A contestant is a script that calls `take_turns` (`peers/turns.py`). It gets ready, waits, and computes only while it is
asked to, so that no pool of threads disturbs another's turn. Those that need packages which ours does without run in
the environment of `peers/README.md`, named by CHAINRULE_PEERS.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = HERE / "peers"
PAUSE = 0.5
"""Seconds between turns, in which the threads of the last one fall asleep."""


class Contestant:
    """A process that takes turns.

    Args:
        command: Script and words.
        threads: Of its computations.
        python: Interpreter; ours if left out.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        threads: int,
        *,
        python: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        pools = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        path = os.pathsep.join([str(PEERS), str(HERE.parent / "src")])
        self.process = subprocess.Popen(
            [str(python or sys.executable), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **pools, "PYTHONPATH": path, **(environment or {})},
        )
        self.facts = self._answer()

    def turn(self) -> dict[str, Any]:
        """What one turn gave; "seconds" is among it."""
        time.sleep(PAUSE)
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._answer()

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, *words: object) -> None:
        with self.process:  # closes its pipes and waits for it
            pass

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a contestant ended with status {self.process.wait()}: {self.process.args}")
        return json.loads(line)


def peers_python() -> Path | None:
    """The interpreter of the peers' environment; None, and a word about it, where there is none."""
    folder = Path(os.environ.get("CHAINRULE_PEERS", PEERS / ".venv"))
    python = folder / "bin" / "python"
    if python.is_file():
        return python
    print("no environment for peers (benchmarks/peers/README.md): they do not take part", file=sys.stderr)
    return None


def seconds_in_turns(
    makers: Mapping[str, Any], turns: int
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Start all contestants, let them take turns, end them; return what the turns gave, and their facts.

    Args:
        makers: Name -> function that starts the contestant.
        turns: Of each.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in makers}
    with ExitStack() as stack:
        running = {name: stack.enter_context(make()) for name, make in makers.items()}
        for _ in range(turns):
            for name, contestant in running.items():
                found[name].append(contestant.turn())
                print(f"{name}: {found[name][-1]['seconds']:.4f} s", file=sys.stderr, flush=True)
        return found, {name: contestant.facts for name, contestant in running.items()}


def median_seconds(turns: Mapping[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Median of each contestant's seconds."""
    return {name: round(statistics.median(turn["seconds"] for turn in taken), 5) for name, taken in turns.items()}
