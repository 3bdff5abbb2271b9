"""`docs/estimators.md`: its programs run, and what it counts is so."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import sklearn
from sklearn.utils.estimator_checks import estimator_checks_generator

from chainrule.tasks import estimators

PAGE = (Path(__file__).parents[3] / "docs" / "estimators.md").read_text(encoding="utf-8")


def test_its_programs_run() -> None:
    names: dict[str, Any] = {}
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        exec(compile(program, "docs/estimators.md", "exec"), names)
    assert names["picture"].startswith(b"\x89PNG")


def test_the_signatures_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)\((.*?)\)` \|", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for name, arguments in rows:
        defaults = {key: p.default for key, p in inspect.signature(getattr(estimators, name)).parameters.items()}
        for key, value in eval(f"dict({arguments})").items():
            assert defaults[key] == value, (name, key)


def test_the_checks_are_counted() -> None:
    path = Path(__file__).with_name("test_estimators.py")
    spec = importlib.util.spec_from_file_location("estimators_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert re.findall(r"^\| `(check_\w+)` \|", PAGE, re.MULTILINE) == list(module.ELSEWHERE)
    assert len(module.ESTIMATORS) == 10
    version, count = re.search(r"version ([\d.]+): (\d+) for each", PAGE).groups()  # type: ignore[union-attr]
    if version == sklearn.__version__:
        for estimator in module.ESTIMATORS:
            assert len(list(estimator_checks_generator(estimator))) == int(count)
