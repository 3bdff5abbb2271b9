"""Ask the doctor about every program of the benchmark, and say how often it is right.

    python benchmarks/doctor/ask.py [--half judge] [--seeds 0,1,2] [--jobs 2] [--tool chainrule] [WORD ...]

Each program runs whole under observation, in a process of its own with one thread, as `chainrule doctor PROGRAM` runs
it; then every check is asked. `answers.json` says which labels name which kind of fault: it was written from the kinds
and the catalogue of labels, without any tool's answers. A fault counts as named where one of its labels is the first
finding, or among the first three; a note names nothing. A healthy program is quiet where nothing is above a note.
The result is `results/doctor.json` (of other tools `doctor-TOOL.json`); words restrict the run and write nothing.

Other tools: neuraldbg and torchdiag, from the folder that `CHAINRULE_PEERS` names (see `peers.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measure import begin, write

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
LIMIT = 180
"""Seconds after which a program is given up."""
Answer = dict[str, Any]
"""`findings` (label, level, sure, where), `seconds`, and what else a tool says."""
Tool = Callable[[Path, int], Answer]


def by_chainrule(path: Path, seed: int) -> Answer:
    """What `chainrule doctor PROGRAM --seed N` says."""
    from chainrule.core.program import read_script
    from chainrule.diagnosis.doctor._script import task
    from chainrule.diagnosis.doctor.limits import SECONDS

    begun = time.monotonic()
    found = task(read_script(path, ("--seed", str(seed))), {"seconds": SECONDS})["diagnosis"]
    return {
        "findings": [
            {"label": each["label"], "level": each["level"], "sure": round(each["sure"], 3), "where": each["where"]}
            for each in found["findings"]
        ],
        "broken": found["broken"],
        "skipped": sorted(found["skipped"]),
        "seconds": round(time.monotonic() - begun, 1),
    }


def asked(tool: Tool, path: Path, seed: int) -> Callable[[], Answer]:
    """Begin to ask in a child process; returns what waits for the answer."""
    folder = tempfile.mkdtemp()
    answer, output = Path(folder, "answer.json"), Path(folder, "output")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(LIMIT)
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            answer.write_text(json.dumps(tool(path, seed)))
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    def wait() -> Answer:
        _, status = os.waitpid(child, 0)
        if status:
            return {"findings": [], "failed": output.read_text(errors="replace")[-800:], "seconds": None}
        return json.loads(answer.read_text())  # type: ignore[no-any-return]

    return wait


def subjects(half: str, words: Iterable[str]) -> list[dict[str, Any]]:
    """The programs of a half: file, and the kind of its fault (None for a healthy one)."""
    plain = json.loads((HERE / "kinds.json").read_text())
    found = [
        {"file": program["file"], "kind": kind["name"], "half": kind["half"]}
        for kind in plain["kinds"]
        for program in kind["programs"]
    ]
    found += [{"file": each["file"], "kind": None, "half": each["half"]} for each in plain["healthy"]]
    found = [each for each in found if half in ("all", each["half"])]
    return [each for each in found if not words or any(word in each["file"] for word in words)]


def place(findings: list[Mapping[str, Any]], labels: Iterable[str]) -> int | None:
    """At which place, from 1, the fault is named; None where it is not."""
    wanted = set(labels)
    above = [each["label"] for each in findings if each["level"] != "note"]
    return next((i for i, label in enumerate(above, 1) if label in wanted), None)


def figures(results: list[dict[str, Any]], answers: Mapping[str, list[str]]) -> dict[str, Any]:
    """How often it was right: over programs and seeds, and over kinds."""
    faulty = [each for each in results if each["kind"] is not None]
    healthy = [each for each in results if each["kind"] is None]
    by_kind: dict[str, list[int | None]] = {}
    for each in faulty:
        each["place"] = place(each["findings"], answers.get(each["kind"], []))
        by_kind.setdefault(each["kind"], []).append(each["place"])
    loud = [each for each in healthy if any(one["level"] != "note" for one in each["findings"])]
    seconds = [each["seconds"] for each in results if each["seconds"] is not None]
    return {
        "kinds": len(by_kind),
        "faulty runs": len(faulty),
        "healthy runs": len(healthy),
        "first, of runs": _share([each["place"] == 1 for each in faulty]),
        "in three, of runs": _share([each["place"] in (1, 2, 3) for each in faulty]),
        "first, mean over kinds": _share([_share([p == 1 for p in places]) for places in by_kind.values()]),
        "in three, mean over kinds": _share([_share([p in (1, 2, 3) for p in places]) for places in by_kind.values()]),
        "something above a note, of faulty runs": _share(
            [any(one["level"] != "note" for one in each["findings"]) for each in faulty]
        ),
        "healthy and quiet": _share([each not in loud for each in healthy]),
        "seconds, median": statistics.median(seconds) if seconds else None,
        "seconds, most": max(seconds, default=None),
        "missed": {
            kind: [p if p is None else int(p) for p in places]
            for kind, places in sorted(by_kind.items())
            if any(p != 1 for p in places)
        },
        "accused": sorted({f"{each['file']}: {_first(each)}" for each in loud}),
        "failed": sorted({each["file"] for each in results if each.get("failed")}),
        "broken checks": sorted({name for each in results for name in each.get("broken", {})}),
    }


def _share(values: list[Any]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _first(each: Mapping[str, Any]) -> str:
    return ", ".join(one["label"] for one in each["findings"] if one["level"] != "note")


def run(tool: Tool, programs: list[dict[str, Any]], seeds: list[int], jobs: int) -> list[dict[str, Any]]:
    """Ask about all of them, `jobs` at a time."""
    waiting: list[tuple[dict[str, Any], Callable[[], Answer]]] = []
    results = []
    todo = [{**program, "seed": seed} for program in programs for seed in seeds]
    while todo or waiting:
        while todo and len(waiting) < jobs:
            each = todo.pop(0)
            waiting.append((each, asked(tool, PROGRAMS / each["file"], each["seed"])))
        each, wait = waiting.pop(0)
        results.append({**each, **wait()})
        print(f"{each['file']} seed {each['seed']}: {_first(results[-1]) or 'quiet'}", file=sys.stderr, flush=True)
    return results


def main() -> None:
    """Read the words, run, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--half", default="judge", choices=["judge", "tune", "third", "fourth", "all"])
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tool", default="chainrule", choices=["chainrule", "neuraldbg", "torchdiag"])
    args = parser.parse_args(begin())
    os.environ["OMP_NUM_THREADS"] = "1"
    import sklearn.datasets
    import sklearn.linear_model
    import sklearn.metrics
    import sklearn.model_selection  # noqa: F401
    import torch

    torch.set_num_threads(1)
    tool = by_chainrule
    if args.tool != "chainrule":
        import peers

        tool = peers.TOOLS[args.tool]
    seeds = [int(word) for word in args.seeds.split(",")]
    results = run(tool, subjects(args.half, args.words), seeds, args.jobs)
    answers = json.loads((HERE / "answers.json").read_text())
    found = figures(results, answers["labels" if args.tool == "chainrule" else args.tool])
    if args.words:
        print(json.dumps({**found, "runs": results}, indent=1))
        return
    name = {"chainrule": "doctor"}.get(args.tool, f"doctor-{args.tool}")
    suffix = "" if args.half == "judge" else f"-{args.half}"
    command = " ".join(["python benchmarks/doctor/ask.py", *(word for word in sys.argv[1:] if word != "--busy")])
    write(name + suffix, {"command": command, "half": args.half, "seeds": seeds, **found, "runs": results})


if __name__ == "__main__":
    main()
