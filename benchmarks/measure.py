"""What all benchmarks share: a look at the machine, turns, medians, and a result file that says where and when.

Two threads beside any other work are several times slower than alone, so `begin` refuses to measure on a busy machine.
With `--busy` among the words of the command line it measures all the same, and the result says `"quiet": false`.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.runtime.environment import environment

RESULTS = Path(__file__).parent / "results"
PROCESSORS = Path("/proc/stat")
QUIET = 0.15
"""How much of one core others may use on a quiet machine."""
LOOK = 2.0
"""Seconds of a look."""


class Load:
    """How many cores other processes keep busy; this one and its finished children do not count.

    Without /proc (not Linux), the system's mean of a minute stands for every look.
    """

    def __init__(self) -> None:
        self.before = self.look()
        self.mark = self._mark()

    def look(self) -> float:
        """Cores that others keep busy just now."""
        mark = self._mark()
        time.sleep(LOOK)
        return self._since(mark)

    def facts(self) -> dict[str, Any]:
        """Before, since then, and now, as plain data; quiet if all of them are."""
        during = self._since(self.mark)
        found = {"before": self.before, "during": during, "after": self.look()}
        return {"quiet": max(found.values()) < QUIET, "cores busy with other work": found}

    def _since(self, mark: tuple[float, float, float]) -> float:
        now = self._mark()
        if not PROCESSORS.exists():
            return round(os.getloadavg()[0], 2)
        seconds, busy, own = (new - old for new, old in zip(now, mark))
        return round(max(0.0, busy - own) / max(seconds, 1e-3), 2)

    def _mark(self) -> tuple[float, float, float]:
        """The time, and the processor seconds of all, and of this process and its finished children."""
        times = os.times()
        return time.monotonic(), busy_seconds(), times.user + times.system + times.children_user + times.children_system


def busy_seconds() -> float:
    """Processor seconds of all processes since the start of the machine; also those that a host took away."""
    if not PROCESSORS.exists():
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, PROCESSORS.read_text().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


_load: Load | None = None


def begin() -> list[str]:
    """Look at the machine, and return the words of the command line without `--busy`.

    On a busy machine it ends the process, unless `--busy` is there. Call it before anything is computed.
    """
    global _load
    words = [word for word in sys.argv[1:] if word != "--busy"]
    _load = Load()
    if _load.before >= QUIET and "--busy" not in sys.argv:
        sys.exit(
            f"this machine is busy: other processes use {_load.before:.2f} cores, expected less than {QUIET:g}. "
            'Remedy: wait for them, or measure all the same with --busy, which the result calls "quiet": false.'
        )
    return words


def in_turns(contestants: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Call each contestant in turn, `turns` times; each returns its seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, contestant in contestants.items():
            seconds[name].append(contestant())
            print(f"{name}: {seconds[name][-1]:.3f} s", file=sys.stderr, flush=True)
    return seconds


def write(name: str, facts: Mapping[str, Any]) -> None:
    """Write `results/NAME.json` and print it; after `begin` with the load of the machine."""
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    load = {} if _load is None else _load.facts()
    text = json.dumps({"date": date, "environment": environment(), **load, **facts}, indent=1)
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    print(text)


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median of each contestant."""
    return {name: round(statistics.median(values), 5) for name, values in seconds.items()}
