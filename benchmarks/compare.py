"""How often `check --as` names the slip: planted slips in students' solutions, and right solutions of many styles.

Run: `python benchmarks/compare.py`. The solutions are in `assignments/`; they are no copies of the book. A slip is
named right when exactly the labels that `assignments/expected.py` states are found. `wrong_first.py` was written before
the table of slips had a label, so that it says how well the table meets what people write; `wrong_second.py` with the
table in view. What they showed to be wrong was corrected; `wrong_third.py` came last, and nothing was adjusted to it:
its figure is the one that says how well others' slips are named.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from assignments.expected import RIGHT, WRONG_FIRST, WRONG_SECOND, WRONG_THIRD
from measure import begin, write

from chainrule.analysis.compare import compare_with_formula
from chainrule.core.program import load_target

ASSIGNMENTS = Path(__file__).parent / "assignments"
PLANTED = {"wrong_first.py": WRONG_FIRST, "wrong_second.py": WRONG_SECOND, "wrong_third.py": WRONG_THIRD}


def judged(file: str, names: str, formula: str) -> dict[str, Any]:
    """What the comparison says of one solution."""
    forward, *rest = load_target(f"{ASSIGNMENTS / file}:{names}")
    return compare_with_formula(formula, forward, rest[0] if rest else None)


def named(file: str, planted: list[tuple[str, str, str]]) -> tuple[int, list[dict[str, Any]]]:
    """How many slips are named right, and what was said of the others."""
    missed = []
    for names, formula, labels in planted:
        found = judged(file, names, formula)
        said = sorted(f["label"] for f in found["findings"] if f["kind"] == "slip")
        if said != sorted(labels.split()) or found["verdict"] != "wrong" or found["unexplained"]:
            missed.append({"solution": names, "formula": formula, "expected": labels, "found": said,
                           "verdict": found["verdict"], "unexplained": found["unexplained"]})  # fmt: skip
    return len(planted) - len(missed), missed


def main() -> None:
    """Judge all solutions and write `results/compare.json`."""
    begun = time.perf_counter()
    judgements = {file: named(file, planted) for file, planted in PLANTED.items()}
    accused = []
    for file, names, formula in RIGHT:
        found = judged(file, names, formula)
        if found["verdict"] == "wrong":
            accused.append({"solution": names, "formula": formula, "found": [f["label"] for f in found["findings"]],
                            "problems": found["problems"][:2]})  # fmt: skip
    planted, right = sum(map(len, PLANTED.values())), sum(count for count, _ in judgements.values())
    facts = {
        "what": "slips planted in students' solutions, and right solutions, judged by `chainrule check --as`",
        "command": "python benchmarks/compare.py",
        "planted": planted,
        "formulas with a planted slip": len({formula for some in PLANTED.values() for _, formula, _ in some}),
        "named right": right,
        "share named right": round(right / planted, 4),
        "files": {
            file: {"planted": len(PLANTED[file]), "named right": count} for file, (count, _) in judgements.items()
        },
        "missed": [miss for _, missed in judgements.values() for miss in missed],
        "right solutions": len(RIGHT),
        "accused": accused,
        "seconds": round(time.perf_counter() - begun, 1),
    }
    write("compare", facts)
    sys.exit(0 if facts["share named right"] >= 0.9 and not accused else 1)


if __name__ == "__main__":
    sys.argv.append("--busy")  # nothing is timed that a busy machine could spoil
    begin()
    main()
