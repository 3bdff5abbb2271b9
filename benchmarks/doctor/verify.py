"""Run every program of the benchmark and each faulty one's mended form, and say what each fault does.

`python benchmarks/doctor/verify.py [--all] [--seed N] [WORD ...]` writes `benchmarks/results/doctor-programs.json`, and
into `kinds.json` the effect of each faulty program. One program at a time, one thread, lowered priority. A text that
was measured already is not run again, unless `--all` is given; words restrict the run to programs that have one of
them in their name. Exit status 1 if a program fails, or if a fault has no effect.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import os
import re
import resource
import runpy
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
KINDS = HERE / "kinds.json"
NAME = "doctor-programs"
RESULT = re.compile(r"^RESULT train_loss=(\S+) valid_metric=(\S+)$", re.M)
MARGIN = 0.02
"""The least change of the metric that counts."""
RATIO = 1.3
"""The least ratio of losses, seconds or memory that counts."""
PRELOADED = ["sklearn.datasets", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection", "torch.optim"]
"""Imported once for all programs, which then start in no time."""
LIMIT = 300
"""Seconds of processor time after which a program is stopped."""


def mended(text: str, mend: list[list[str]]) -> str:
    """The text with each old fragment, which must be there exactly once, replaced by its new one."""
    for old, new in mend:
        if text.count(old) != 1:
            raise ValueError(f"a fragment is there {text.count(old)} times, expected once: {old!r}")
        text = text.replace(old, new, 1)
    return text


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run(text: str, seed: int) -> dict[str, Any]:
    """Run a program in a child of this process, in which torch is imported already; its result, seconds and memory."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "program.py", Path(folder) / "output"
        path.write_text(text)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _play(path, out, seed)
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - began
        output = out.read_text(errors="replace")
    found = RESULT.search(output)
    facts: dict[str, Any] = {
        "train_loss": _number(found[1]) if found else None,
        "valid_metric": _number(found[2]) if found else None,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "wall_seconds": round(wall, 2),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }
    if status or not found:
        facts["failed"] = output[-600:]
    return facts


def _play(path: Path, out: Path, seed: int) -> None:
    """The child: everything it writes goes into a file; it never returns."""
    status = 1
    try:
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
        sys.argv = [str(path), "--seed", str(seed)]
        runpy.run_path(str(path), run_name="__main__")
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        os._exit(status)


def _number(text: str) -> float | str:
    """A float, or the word where it is none that JSON has."""
    value = float(text)
    return value if math.isfinite(value) else text


def effect(faulty: dict[str, Any], good: dict[str, Any], sees: str) -> tuple[str, bool]:
    """What the fault does, in words, and whether that is a clear effect of the sort that its kind has."""
    if faulty.get("failed") or good.get("failed"):
        return "a run failed", False
    metric, right = faulty["valid_metric"], good["valid_metric"]
    loss, right_loss = faulty["train_loss"], good["train_loss"]
    words = f"valid_metric {_short(metric)} (mended {_short(right)}), train_loss {_short(loss)} ({_short(right_loss)})"
    if sees == "slower":
        ratio = faulty["cpu_seconds"] / good["cpu_seconds"]
        return f"{ratio:.1f} times the processor time; {words}", ratio >= RATIO
    if sees == "memory":
        ratio = faulty["peak_mb"] / good["peak_mb"]
        return f"{ratio:.1f} times the memory; {words}", ratio >= RATIO
    if isinstance(metric, str) or isinstance(loss, str):
        return words, True
    change = metric - right
    if sees == "better":
        return f"looks better than it is: {words}", change >= MARGIN
    if sees == "different":
        return words, abs(change) >= MARGIN
    return words, change <= -MARGIN or (right_loss > 0 and loss >= RATIO * right_loss and change < MARGIN)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="run again what was measured already")
    parser.add_argument("words", nargs="*", help="only programs with one of these in their names")
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    os.nice(5)
    for name in PRELOADED:
        importlib.import_module(name)
    import torch

    sys.path[:0] = [str(HERE.parent)]
    import measure

    torch.set_num_threads(1)
    path = measure.RESULTS / f"{NAME}.json"
    known: dict[str, Any] = {} if args.all or not path.exists() else json.loads(path.read_text())["runs"]
    return _measure(args, known, path, measure.write)


def _measure(args: argparse.Namespace, known: dict[str, Any], path: Path, write: Any) -> int:
    table = json.loads(KINDS.read_text())
    runs: dict[str, Any] = {}
    trouble: list[str] = []

    def result(text: str, name: str) -> dict[str, Any]:
        key = digest(text)
        if key not in runs:
            runs[key] = known[key] if key in known else {"seed": args.seed} | run(text, args.seed)
            runs[key] = {"program": name} | {k: v for k, v in runs[key].items() if k != "program"}
            if key not in known:
                print(f"{name}: {json.dumps(runs[key])}", file=sys.stderr, flush=True)
                path.write_text(json.dumps({"runs": known | runs}))  # an interrupted run goes on from here
        if runs[key].get("failed"):
            trouble.append(f"{name} failed")
        return runs[key]

    def wanted(name: str) -> bool:
        return not args.words or any(word in name for word in args.words)

    for entry in table["healthy"]:
        if wanted(entry["file"]):
            result((PROGRAMS / entry["file"]).read_text(), entry["file"])
    rows = []
    for kind in table["kinds"]:
        for entry in kind["programs"]:
            if not wanted(entry["file"]):
                continue
            text = (PROGRAMS / entry["file"]).read_text()
            faulty = result(text, entry["file"])
            good = result(mended(text, entry["mend"]), entry["file"] + " mended")
            entry["effect"], clear = effect(faulty, good, kind["sees"])
            rows.append({"program": entry["file"], "kind": kind["name"], "effect": entry["effect"], "clear": clear})
            if not clear:
                trouble.append(f"{entry['file']} ({kind['name']}): {entry['effect']}")
    KINDS.write_text(json.dumps(table, indent=1) + "\n")
    facts = {
        "what": "each text once, one thread, by sha256; a mended program that equals a healthy one is run once",
        "programs": {"healthy": len(table["healthy"]), "faulty": len(rows), "kinds": len(table["kinds"])},
        "no clear effect": trouble,
        "effects": rows,
        "runs": known | runs if args.words else runs,
    }
    with open(os.devnull, "w") as nowhere:
        out, sys.stdout = sys.stdout, nowhere
        write(NAME, facts)
        sys.stdout = out
    print(f"{len(rows)} faulty programs, {len(trouble)} without a clear effect or failed", *trouble, sep="\n")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
