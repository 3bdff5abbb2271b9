"""What can do without torch does not import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "pydantic", "tyro", "matplotlib", "sklearn", "scipy")


def loaded_after(code: str, *names: str) -> list[str]:
    script = f"import sys\n{code}\nprint(' '.join(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    "code",
    [
        "import chainrule; chainrule.__version__; dir(chainrule)",
        "import chainrule.core.recipe, chainrule.core.store, chainrule.core.folder",
        "import chainrule.notation; chainrule.notation.table",
        "import chainrule.draw; chainrule.draw.report_html",
        "import chainrule.data, chainrule.models, chainrule.losses, chainrule.optim, chainrule.metrics, chainrule.nn",
        "import chainrule.training, chainrule.tasks, chainrule.analysis, chainrule.recipes, chainrule.runtime",
        "import chainrule.diagnosis; dir(chainrule.diagnosis)",
        "import chainrule.exporting; chainrule.exporting.EXPORTS.names()",
    ],
)
def test_the_start_knows_no_torch(code: str) -> None:
    assert loaded_after(code, "torch") == []


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["nothing"]])
def test_the_overview_loads_nothing_heavy(words: list[str]) -> None:
    code = f"from chainrule.cli import main; main({words!r})"
    assert loaded_after(code, *HEAVY) == []


def test_help_of_each_verb_knows_no_torch() -> None:
    from chainrule.cli import VERBS

    code = "\n".join(["from chainrule.cli import main", *(f"assert main([{v!r}, '--help']) == 0" for v in VERBS)])
    assert loaded_after(code, "torch") == []


def test_design_knows_neither_torch_nor_pydantic() -> None:
    code = "from chainrule.cli import main; assert main(['design', 'INPUT 8x8x1 | CONV3-4 | FC-10', '--json']) == 0"
    assert loaded_after(code, "torch", "pydantic", "tyro") == []
