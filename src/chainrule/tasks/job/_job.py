"""What every kind of training is to the code that trains, opens and measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Any, Protocol, Self

from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.core.recipe import Recipe
from chainrule.core.registry import Entry, Registry
from chainrule.training.task import Examples, Task

Network = Callable[..., nn.Module]
"""What builds a network of one's own: `(**options) -> module`."""


class Job(Protocol):
    """A recipe with its data at hand.

    `parts` says what each part of the data holds, `chosen` what was chosen while the first weights were made.
    """

    @property
    def recipe(self) -> Recipe: ...
    @property
    def parts(self) -> Mapping[str, Sized]: ...
    @property
    def chosen(self) -> dict[str, Any]: ...

    @classmethod
    def begun(cls, recipe: Any, *, network: Network | None = None, data: Any = None) -> Self:
        """Return the job of a new run; `data` stands for what the recipe names."""

    @classmethod
    def reopened(cls, recipe: Any, processing: Mapping[str, Any], network: Network | None = None) -> Self:
        """Return the job of a stored run, whose inputs are prepared as they were."""

    @classmethod
    def network_of(cls, recipe: Any, processing: Mapping[str, Any], network: Network | None = None) -> nn.Module:
        """Return the network of a stored run with weights that mean nothing; no data are read."""

    def steps(self) -> int:
        """Steps in all."""

    def task(self) -> Task:
        """Return what the loop trains."""

    def examples(self, part: str) -> Examples:
        """Return the examples of a part, made once."""

    def processing(self) -> dict[str, Any]:
        """Return what a run must keep to prepare its inputs and to rebuild its network, as plain data."""

    def try_out(self, model: nn.Module) -> None:
        """Refuse a network that does not fit the data, before anything is made."""

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the data are, for the report."""

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights, write all facts, and return `{"valid": {...}, "test": {...}}`."""

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return the facts of a part, measured in full."""


JOBS = Registry(
    "task",
    [
        ("classify", Entry("chainrule.tasks.images:Classification", "images into classes")),
        ("language", Entry("chainrule.tasks.language:Language", "the next token of a text")),
        ("embed", Entry("chainrule.tasks.embed:Embedding", "vectors of words, from the words around them")),
        ("classify-text", Entry("chainrule.tasks.text:TextClassification", "texts into classes")),
        ("masked", Entry("chainrule.tasks.masked:MaskedWords", "hidden words of texts, from the words around them")),
        ("translate", Entry("chainrule.tasks.translate:Translation", "sentences into their translations")),
        ("caption", Entry("chainrule.tasks.caption:Captioning", "pictures into sentences about them")),
    ],
)


PREDICTORS = Registry(
    "task",
    [
        ("classify", Entry("chainrule.tasks.images:predict_pictures", "classes of pictures")),
        ("classify-text", Entry("chainrule.tasks.text:predict_texts", "classes of texts")),
        ("masked", Entry("chainrule.tasks.masked:fill_masks", "words at each [MASK] of texts")),
    ],
)
"""Task -> what answers to new inputs: `(run, sources, top=, module=, compile_it=) -> answers`."""


def job_type(recipe: Recipe) -> type[Job]:
    """Return the kind of job that a recipe's task is."""
    found: Any = JOBS.resolve(recipe.task)
    return found
