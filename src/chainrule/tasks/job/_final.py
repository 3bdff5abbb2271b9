"""What a run measures when it ends, whatever its task."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chainrule.core.errors import StorageError
from chainrule.core.log import warn
from chainrule.core.recipe import Recipe


def parts_to_measure(recipe: Recipe, parts: Container[str]) -> list[str]:
    """Return the parts that are measured with the best weights: validation, and test if the recipe says so."""
    wanted = ("valid", "test") if recipe.train.test else ("valid",)
    return [part for part in wanted if part in parts]


def brief(evaluation: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return what the result of a run tells of each part: the named figures, as far as they were measured.

    Example:
        >>> brief({"valid": {"loss": 0.5, "count": 9}}, ("loss", "accuracy"))
        {'valid': {'loss': 0.5}, 'test': None}
    """
    short = {part: {name: facts[name] for name in names if name in facts} for part, facts in evaluation.items()}
    return {"valid": None, "test": None, **short}


@contextmanager
def left_out(what: str) -> Iterator[None]:
    """Let a network that fails where it was not trained cost a section of the report, not the run."""
    try:
        yield
    except (MemoryError, StorageError):
        raise
    except Exception as error:  # a network of one's own can fail in any way
        said = (str(error).splitlines() or [""])[0]
        warn(f"the report has no {what}: the network fails outside its data: {type(error).__name__}: {said}")
