"""`--model FILE.py:NAME`: a network of the user's own, run because a person named it on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from chainrule.tasks import Run


def own_network(target: str | None) -> Any:
    """Load the file and return it as `OwnNetwork`; None without a target.

    Raises:
        UsageError: The file or the name is not there, or the file fails; its own traceback is shown.
    """
    if target is None:
        return None
    from chainrule.core.program import load_program, parse_target
    from chainrule.tasks import OwnNetwork

    program = load_program(target)
    facts = {
        "target": target,
        "file": program.path.name,
        "names": list(parse_target(target).names),
        "sha256": program.source_hash,
    }
    return OwnNetwork(build=program.objects[0], facts=facts, source=program.source)


def module_of(run: Run, target: str | None) -> nn.Module | None:
    """Return the named network as the run built it, with weights of its own; None without a target.

    Raises:
        RecipeError: It cannot be built.
        UsageError: The file or the name is not there, or the file fails.
    """
    own = own_network(target)
    return None if own is None else run.own_module(own.build)
