"""What an ensemble gains over the mean of its members, and what that does to calibration.

    python benchmarks/ensembles.py                       five members of fashion-cnn
    python benchmarks/ensembles.py digits-cnn --members 3

Run with CHAINRULE_DATA set where the data sets lie there. The members stand in `runs/measured/ensemble-RECIPE`, and
what is finished there is not trained again. The test part is read once, for all members. Writes by recipe, to
`results/ensembles.json`, the figures of the ensemble (mean probability), of the majority vote, the spread of the
members, the gain, and what the average of their weights reaches on the validation part.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from measure import RESULTS, write

from chainrule import api

RUNS = Path("runs", "measured")
NAME = "ensembles"


def measured(recipe: str, members: int) -> dict[str, Any]:
    """What an ensemble of a recipe reaches."""
    run = api.ensemble(recipe, members, out=RUNS / f"ensemble-{recipe}")
    result = run.result or {}
    average = run.combined("average").evaluate("valid")
    return {
        "command": f"chainrule train {recipe} --ensemble {members}",
        "members": members,
        "seconds": result["seconds"],
        **{part: result[part] for part in ("valid", "test")},
        "vote": result["vote"],
        "spread": result["members"],
        "gain": result["gain"],
        "average of weights, valid": {name: average[name] for name in ("accuracy", "nll", "ece")},
    }


def main() -> None:
    """Train, measure, and write what came of it beside what was measured of other recipes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipe", nargs="?", default="fashion-cnn")
    parser.add_argument("--members", type=int, default=5)
    args = parser.parse_args()
    file = RESULTS / f"{NAME}.json"
    known = json.loads(file.read_text())["recipes"] if file.exists() else {}
    found = measured(args.recipe, args.members)
    write(NAME, {"what": "what members reach apart and together", "recipes": {**known, args.recipe: found}})
    for part, gain in found["gain"].items():
        print(part, {name: round(value, 4) for name, value in gain.items()})


if __name__ == "__main__":
    main()
