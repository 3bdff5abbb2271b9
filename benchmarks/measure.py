"""What all benchmarks share: turns, medians, and a result file that says where and when."""

from __future__ import annotations

import datetime
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.runtime.environment import environment

RESULTS = Path(__file__).parent / "results"


def in_turns(contestants: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Call each contestant in turn, `turns` times; each returns its seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, contestant in contestants.items():
            seconds[name].append(contestant())
            print(f"{name}: {seconds[name][-1]:.3f} s", file=sys.stderr, flush=True)
    return seconds


def write(name: str, facts: Mapping[str, Any]) -> None:
    """Write `results/NAME.json` and print it."""
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = json.dumps({"date": date, "environment": environment(), **facts}, indent=1)
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    print(text)


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median of each contestant."""
    return {name: round(statistics.median(values), 5) for name, values in seconds.items()}
