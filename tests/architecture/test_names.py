"""No public name equals a subpackage or a module of the package that exports it: Python would let the module win."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import chainrule

PACKAGES = ["chainrule", *(f"chainrule.{m.name}" for m in pkgutil.iter_modules(chainrule.__path__) if m.ispkg)]


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_no_modules_and_can_be_imported(name: str) -> None:
    package = importlib.import_module(name)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    public = set(getattr(package, "__all__", []))
    assert not public & modules
    for word in public:
        assert getattr(package, word) is not None


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    names = [module.name for module in pkgutil.walk_packages(chainrule.__path__, "chainrule.")]
    assert not [name for name in names if name.rpartition(".")[2].strip("_") in ("utils", "util", "common", "helpers")]
