"""Figures in the docs, the README and the recipes come from `benchmarks/results`, none is typed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule import formulas
from chainrule.recipes import recipe_names

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from figures import reached  # noqa: E402

sys.path.remove(str(ROOT / "benchmarks"))
NOT_YET: set[str] = set()
"""Recipes that say at their top that they are not measured yet."""
ONE_SEED = {
    "imagenet-squeezenet",
    "cifar10-densenet",
    "cifar10-vgg",
    "fashion-vit",
    "multi30k-transformer",
    "shakespeare-gru",
    "shakespeare-lstm",
    "shakespeare-lstm-names",
    "shakespeare-rnn",
    "shakespeare-transformer",
}
"""Recipes that are measured with one seed: one trains nothing, the others take long."""
MEASURED = sorted((ROOT / "benchmarks" / "results" / "recipes").glob("*.json"))


def publish(*words: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "benchmarks" / "publish.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_pages_are_what_the_results_say() -> None:
    done = publish("--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("place", ["README.md", "docs/results.md", "src/chainrule/recipes/digits-softmax.yaml"])
def test_a_figure_that_was_typed_is_found_out(place: str, tmp_path: Path) -> None:
    for folder in ("benchmarks", "docs", "src/chainrule/recipes"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".json", ".md", ".yaml"):
                copy = tmp_path / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    (tmp_path / "README.md").write_bytes((ROOT / "README.md").read_bytes())
    assert publish("--check", root=tmp_path).returncode == 0
    page = tmp_path / place
    page.write_text(re.sub(r"\d\d\.\d\d %", "99.99 %", page.read_text(), count=1))
    done = publish("--check", root=tmp_path)
    assert done.returncode == 1
    assert place in done.stdout
    assert publish(root=tmp_path).returncode == 0
    assert page.read_text() == (ROOT / place).read_text()


def test_each_recipe_was_measured_with_its_command() -> None:
    measured = {path.stem for path in MEASURED}
    assert measured >= set(recipe_names()) - NOT_YET
    assert not measured & NOT_YET
    for path in MEASURED:
        found = json.loads(path.read_text())
        assert found["command"].startswith("chainrule train ")
        figures = reached(found)
        assert figures, path.stem
        for _, spread in figures:
            assert len(spread["values"]) == len(found["seeds"]) >= (1 if path.stem in ONE_SEED else 3)
            assert spread["mean"] == pytest.approx(sum(spread["values"]) / len(found["seeds"]))


def test_the_readme_names_formulas_that_exist() -> None:
    table = (ROOT / "README.md").read_text().partition("<!-- measured: begin -->")[2].partition("<!-- measured: end")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= len(MEASURED)
    for row in rows:
        names = re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])
        assert names
        for name in names:
            assert hasattr(formulas, name), name


def test_deeper_plain_networks_train_worse_and_shortcuts_take_nearly_all_of_it_away() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "depth.json").read_text())["members"]
    lost = {name: member["epochs"][-1]["train loss"] for name, member in found.items()}
    assert lost["plain-56"] > lost["plain-20"] + 0.3
    assert lost["residual-56"] < lost["residual-20"] + 0.1
    assert lost["dense-58"] < lost["dense-22"]
    for shallow, deep in (("plain-20", "plain-56"), ("residual-20", "residual-56"), ("dense-22", "dense-58")):
        sizes = {found[name]["parameters"] for name in found if name.endswith(deep[-2:]) or name == deep}
        assert max(sizes) < 1.02 * min(sizes)
        assert found[shallow]["parameters"] < found[deep]["parameters"]
