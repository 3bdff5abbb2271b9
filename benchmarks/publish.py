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
from speed_page import speed_page

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
RECIPES = ROOT / "src" / "chainrule" / "recipes"
HEAD = "# Measured: "
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

LECTURES = {
    "digits-knn": ("A2", "nearest_neighbors, majority_vote"),
    "digits-softmax": ("A3, A5, A6", "affine_forward, softmax_loss, l2_penalty"),
    "digits-svm": ("A3, A4, A6", "affine_forward, svm_loss, l2_penalty"),
    "digits-mlp": ("C4, C7, B7", "relu_forward, dropout_forward, adamw"),
    "digits-cnn": ("C6, D1, D2, B9", "conv_forward, batch_norm_train, max_pool_forward, cosine_rate"),
    "fashion-knn": ("A2", "nearest_neighbors, majority_vote"),
    "fashion-svm": ("A3, A4, A6", "affine_forward, svm_loss, l2_penalty"),
    "fashion-softmax": ("A5, A6, B6", "softmax_loss, l2_penalty, adam"),
    "fashion-softmax-newton": ("A5, A6, B8", "softmax_loss, l2_penalty"),
    "fashion-mlp": ("C4, C5, B7", "relu_forward, he_weights, adamw"),
    "fashion-lenet": ("D5", "conv_forward, max_pool_forward, relu_forward"),
    "fashion-lenet-original": ("D5", "conv_forward, average_pool_forward, tanh_forward"),
    "fashion-cnn": ("C6, B3, B9", "batch_norm_train, nesterov, linear_rate, warm_up_rate"),
    "fashion-resnet": ("C8, D5, B3", "conv_forward, batch_norm_train, muon, linear_rate"),
    "fashion-fast": ("B3, C5, A9", "whitening_filters, muon, smoothed_softmax_loss, linear_rate"),
    "fashion-fast-wide": ("B3, C5, A9", "whitening_filters, muon, smoothed_softmax_loss, linear_rate"),
    "cifar10-vgg": ("D5, C6, B3", "conv_forward, batch_norm_train, nesterov, linear_rate, warm_up_rate"),
    "cifar10-densenet": ("D6, C8, B3", "conv_forward, batch_norm_train, muon, linear_rate"),
    "cifar10-resnet20": ("C8, D5, B3", "conv_forward, batch_norm_train, muon, linear_rate"),
    "imagenet-squeezenet": ("D6, A1", "conv_forward, max_pool_forward, relu_forward"),
    "mnist-lenet": ("D5, B9", "conv_forward, max_pool_forward, cosine_rate"),
    "sentiment-bag": ("A3, A5, A9", "affine_forward, softmax_loss, adamw"),
    "sentiment-average": ("A9, G5", "affine_forward, softmax_loss, dropout_forward"),
    "sentiment-gru": ("G1, G3", "gru_step_forward, softmax_loss"),
    "sentiment-transformer": ("H3, H6-H9", "multi_head_attention_forward, layer_norm_forward"),
    "cifar10-features-pixels": ("A3, A5, B8", "affine_forward, softmax_loss"),
    "cifar10-features": ("A5, A9, B8", "oriented_gradients, joint_color_histogram, softmax_loss"),
    "cifar10-knn": ("A2, A9", "oriented_gradients, joint_color_histogram, nearest_neighbors"),
    "cifar10-mlp": ("A9, C4, C7", "oriented_gradients, joint_color_histogram, relu_forward"),
}
"""Measured name -> lecture items, and the formulas that define its parts."""


def read(path: str) -> dict[str, Any]:
    """A result file; empty where nothing was measured."""
    file = RESULTS / f"{path}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def spread(found: dict[str, Any]) -> str:
    test = found["test"]
    if len(found["seeds"]) == 1:
        return percent(test["mean"])
    return f"{percent(test['mean'])}, deviation {100 * test['deviation']:.2f} points, n = {len(found['seeds'])}"


def duration(found: dict[str, Any]) -> str:
    seconds = found.get("seconds")
    return "not timed" if seconds is None else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def machine(found: dict[str, Any]) -> str:
    facts = found["environment"]
    return f"{facts['cores']} cores of an {facts['cpu']} ({facts['capability']}), torch {facts['torch']}"


def recipe_rows() -> dict[str, dict[str, Any]]:
    """Measured name -> its result, in the order of `LECTURES`."""
    return {name: found for name in LECTURES if (found := read(f"recipes/{name}"))}


def head(name: str) -> str:
    """The lines at the top of a recipe."""
    found = read(f"recipes/{name}")
    if not found:
        depth = read("depth") if name == "cifar10-depth" else {}
        return depth_head(depth, machine) if depth else f"{HEAD}not yet.\n"
    lines = [
        f"{HEAD}test accuracy {spread(found)}{' seeds' if len(found['seeds']) > 1 else ''}; "
        f"{duration(found)} for one run,",
        f"# on {machine(found)}, {found['date'][:10]}:",
        f"#     {found['command']}",
    ]
    return "\n".join(lines) + "\n"


def with_head(name: str, text: str) -> str:
    """The text of a recipe with its head renewed."""
    lines = text.splitlines(keepends=True)
    body = "".join(lines[next(i for i, line in enumerate(lines) if not line.startswith("#")) :])
    return head(name) + body


def results_page() -> str:
    """`docs/results.md`."""
    rows = recipe_rows()
    lines = [
        "# Results",
        "",
        "This page is written by `python benchmarks/publish.py` from the files in `benchmarks/results`, which the",
        "commands beside each figure produce.",
        "",
        "## Recipes",
        "",
        "Weights are chosen on validation data; the test part is read once, at the end of each run. For the digits",
        "and the sentences each seed also draws its own split; the other data sets have an official test part. Time:",
        "one run, with reading the data, evaluation and report.",
        "",
        "| measured | data, test examples | test accuracy | lowest, highest | time | command |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in rows.items():
        test = found["test"]
        lines.append(
            f"| {name} | {found['data']}, {found['images']['test']:,} | {spread(found)} "
            f"| {percent(test['minimum'])}, {percent(test['maximum'])} | {duration(found)} | `{found['command']}` |"
        )
    if rows:
        lines += ["", f"Machine: {machine(next(iter(rows.values())))}."]
    lines += depth_section(read("depth"), machine) + _loop(read("loop")) + _start(read("start"))
    return "\n".join(lines) + "\n"


def _loop(found: dict[str, Any]) -> list[str]:
    if not found:
        return []
    cost, kept = found["loop over bare loop"] - 1, found["checkpoints every 200 steps over none"] - 1
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
        f"The loop costs {100 * cost:+.1f} % over a bare PyTorch loop; checkpoints each 200 steps {100 * kept:+.1f} %.",
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


def readme_table() -> str:
    """The README's table of lecture sections."""
    lines = ["| lecture | command | measured test accuracy | formulas |", "| --- | --- | --- | --- |"]
    for name, found in recipe_rows().items():
        items, formulas = LECTURES[name]
        quoted = ", ".join(f"`{word}`" for word in formulas.split(", "))
        lines.append(f"| {items} | `{found['command']}` | {spread(found)} | {quoted} |")
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """All files that hold measured figures, with the text that they should have."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    found = {
        ROOT / "docs" / "results.md": results_page(),
        ROOT / "docs" / "attention.md": speed_page(
            (ROOT / "docs" / "attention.md").read_text(encoding="utf-8"), read, machine
        ),
        ROOT / "docs" / "speed.md": speed_page((ROOT / "docs" / "speed.md").read_text(encoding="utf-8"), read, machine),
        ROOT / "docs" / "doctor.md": doctor_page(
            (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8"), read, machine
        ),
        ROOT / "README.md": f"{before}{BEGIN}\n{readme_table()}\n{END}{after}",
    }
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
