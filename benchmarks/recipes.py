"""What each recipe reaches, and how long it takes.

    python benchmarks/recipes.py [NAME ...]          the figures of its task (`figures.py`), over seeds (and splits,
                                                     where the split is drawn)
    python benchmarks/recipes.py --time [NAME ...]   wall time of one run; on a quiet machine (`measure.py`)

Run with CHAINRULE_DATA set where the data sets lie there. The runs stand in `runs/measured`, and what is finished there
is not trained again. Results go to `results/recipes/NAME.json`; `publish.py` writes them into the docs and recipes.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import TASKS
from measure import RESULTS, begin, write

from chainrule import api
from chainrule.recipes import recipe_names

RUNS = Path("runs", "measured")
PARTS = ("valid", "test")
SEEDS = {
    "digits": 10,
    "fashion-fast": 5,
    "fashion-fast-wide": 5,
    "cifar10-densenet": 1,
    "cifar10-vgg": 1,
    "imagenet-squeezenet": 1,
    "fashion-vit": 1,
    "multi30k-transformer": 1,
    "shakespeare-gru": 1,
    "shakespeare-lstm": 1,
    "shakespeare-rnn": 1,
    "shakespeare-transformer": 1,
}
"""How many seeds, by data set or recipe, 3 of the others; published weights need no seed, and of what takes more than
half an hour a run there is one."""
VARIANTS: dict[str, dict[str, Any]] = {
    "fashion-lenet-original": {"model.activation": "tanh", "model.pool": "average"},
    "fashion-softmax-newton": {"optim.name": "newton_cg", "train.steps": 0},
    "cifar10-features-pixels": {"data.features": [], "penalty.l2": 0.01},
    "shakespeare-lstm-names": {"data.validation": 0.005},
    "shakespeare-transformer-names": {"data.validation": 0.005},
}
"""Recipes with settings that are measured beside them: name -> settings; the recipe's name begins the variant's."""


def recipe_of(name: str) -> tuple[str, dict[str, Any]]:
    """The recipe and the settings of a measured name."""
    return (name.rsplit("-", 1)[0], VARIANTS[name]) if name in VARIANTS else (name, {})


def command(name: str, seeds: int) -> str:
    """The command that measures the same."""
    recipe, settings = recipe_of(name)
    words = ["chainrule", "train", recipe, *(w for k, v in settings.items() for w in (f"--{k}", str(v)))]
    return shlex.join([*words, "--repeats", str(seeds)] if seeds > 1 else words)


def alone(result: dict[str, float] | None) -> dict[str, Any]:
    """What one run reached, in the form of what several reach."""
    return {
        metric: {"mean": value, "deviation": 0.0, "minimum": value, "maximum": value, "values": [value]}
        for metric, value in (result or {}).items()
    }


def figures(name: str) -> None:
    """Train with several seeds and write what they reach."""
    recipe, settings = recipe_of(name)
    known = (name, recipe, recipe.split("-", maxsplit=1)[0])
    seeds = next((SEEDS[each] for each in known if each in SEEDS), 3)
    if seeds > 1:
        found = api.repeat(recipe, seeds, out=RUNS / name, settings=settings)
        one = api.Run.open(RUNS / name / "seed-0")
    else:
        out = RUNS / name
        one = api.resume(out) if out.is_dir() else api.train(recipe, out=out, settings=settings)
        found = {"seeds": [one.recipe.train.seed], **{part: alone((one.result or {}).get(part)) for part in PARTS}}
    data = one.folder.read_json(one.folder.facts / "data.json")
    facts = {
        "command": command(name, seeds),
        "task": one.recipe.task,
        "seeds": found["seeds"],
        **{part: found[part] for part in PARTS},  # empty where there is no such part
        "beside": TASKS[one.recipe.task].beside(one),
        "data": data["name"],
        "examples": data["parts"],
        "parameters": one.info["parameters"],
    }
    _update(name, facts)


def wall_time(name: str) -> None:
    """Train once and write the seconds, reading the data and measuring the test part included."""
    recipe, settings = recipe_of(name)
    with tempfile.TemporaryDirectory() as place:
        begun = time.perf_counter()
        api.train(recipe, out=Path(place, "run"), settings=settings)
        _update(name, {"seconds": round(time.perf_counter() - begun, 1)})


def _update(name: str, facts: dict[str, Any]) -> None:
    path = RESULTS / "recipes" / f"{name}.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    kept = {key: value for key, value in old.items() if key not in ("date", "environment")}
    write(f"recipes/{name}", {**kept, **facts})


if __name__ == "__main__":
    words = begin() if "--time" in sys.argv else sys.argv[1:]  # the figures are the same beside other work
    measured = [word for word in words if word != "--time"] or [*recipe_names(), *VARIANTS]
    for each in measured:
        (wall_time if "--time" in words else figures)(each)
