"""Write what was measured (`results/`) into the docs, the README and the head of each recipe.

python benchmarks/publish.py            writes
python benchmarks/publish.py --check    says what would change, and fails if anything would
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from depth_page import depth_head, depth_section
from doctor_page import doctor_page
from marked import with_parts
from recipes_page import readme_table, recipe_head, recipe_rows, recipe_sections, recipe_tasks
from runs_page import RUNS, regularizers_head
from speed_page import SPEED
from survival_page import SURVIVAL

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
RECIPES = ROOT / "src" / "chainrule" / "recipes"
HEAD = "# Measured: "
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

PAGES = ("attention", "ensembles", "export", "long-trainings", "reliability", "speed")
"""Pages of which parts between marks are measured."""
PARTS = {**SPEED, **RUNS, **SURVIVAL}
STUDIES = {"cifar10-depth": ("depth", depth_head), "digits-regularizers": ("regularizers", regularizers_head)}
"""Study -> the file of its result, and what its head says of it."""


def read(path: str) -> dict[str, Any]:
    """A result file; empty where nothing was measured."""
    file = RESULTS / f"{path}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def machine(found: dict[str, Any]) -> str:
    facts = found["environment"]
    return f"{facts['cores']} cores of an {facts['cpu']} ({facts['capability']}), torch {facts['torch']}"


def head(name: str) -> str:
    """The lines at the top of a recipe."""
    result, told = STUDIES.get(name, (f"recipes/{name}", recipe_head))
    found = read(result)
    return told(found, machine) if found else f"{HEAD}not yet.\n"


def with_head(name: str, text: str) -> str:
    """The text of a recipe with its head renewed."""
    lines = text.splitlines(keepends=True)
    body = "".join(lines[next(i for i, line in enumerate(lines) if not line.startswith("#")) :])
    return head(name) + body


def results_page() -> str:
    """`docs/results.md`."""
    lines = [
        "# Results",
        "",
        "This page is written by `python benchmarks/publish.py` from the files in `benchmarks/results`, which the",
        "commands beside each figure produce.",
        "",
        *recipe_sections(recipe_rows(read), recipe_tasks(RECIPES), machine),
    ]
    lines += depth_section(read("depth"), machine) + _loop(read("loop")) + _start(read("start"))
    return "\n".join(lines) + "\n"


def _loop(found: dict[str, Any]) -> list[str]:
    if not found:
        return []
    cost, kept = found["loop over bare loop"] - 1, found["checkpoints every 200 steps, share of the time"]
    each, longest = found["seconds of a checkpoint, median and longest"]
    return [
        "",
        "## The cost of the loop",
        "",
        f"`python benchmarks/loop.py`, {found['date'][:10]}, {machine(found)}: {found['what']}, in turns.",
        "",
        "| | seconds | |",
        "| --- | --- | --- |",
        *(f"| {name} | {seconds:.2f} | |" for name, seconds in found["seconds"].items()),
        "",
        f"The loop costs {100 * cost:+.1f} % over a bare PyTorch loop. A checkpoint takes {1000 * each:.0f} ms",
        f"(the longest {1000 * longest:.0f} ms): every 200 steps that is {100 * kept:.2f} % of the time.",
    ]


def _start(found: dict[str, Any]) -> list[str]:
    if not found:
        return []
    return [
        "",
        "## Starting",
        "",
        f"`python benchmarks/start.py`, {found['date'][:10]}, {machine(found)}: {found['what']}.",
        "",
        "| process | seconds | above `import torch` |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {seconds:.2f} | {_above(found, name)} |"
            for name, seconds in found["seconds"].items()
        ),
    ]  # fmt: skip


def _above(found: dict[str, Any], name: str) -> str:
    above = found["seconds above import torch"].get(name.removeprefix("torch and "))
    return "" if above is None else f"{above:.2f}"


def pages() -> dict[Path, str]:
    """All files that hold measured figures, with the text that they should have."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    found = {
        ROOT / "docs" / "results.md": results_page(),
        ROOT / "docs" / "doctor.md": doctor_page(
            (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8"), read, machine
        ),
        ROOT / "README.md": f"{before}{BEGIN}\n{readme_table(recipe_rows(read))}\n{END}{after}",
    }
    for name in PAGES:
        path = ROOT / "docs" / f"{name}.md"
        found[path] = with_parts(path.read_text(encoding="utf-8"), PARTS, read, machine)
    for path in sorted(RECIPES.glob("*.yaml")):
        found[path] = with_head(path.stem, path.read_text(encoding="utf-8"))
    return found


def main(check: bool) -> int:
    """Write the pages, or say which of them are out of date."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(("out of date: " if check else "written: ") + str(path.relative_to(ROOT)))
        if not check:
            path.write_text(pages()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
