"""Classification of texts: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import TextClassesRecipe
from chainrule.data import LABELED_TEXTS, bootstrap
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.ragged import Ragged
from chainrule.data.text_examples import TextExamples
from chainrule.models import TEXT_MODELS, Prepared
from chainrule.tasks.job._given_weights import load_given_weights
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_text_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._scoring import Measure, classification_objective, per_example_loss
from chainrule.tasks.job._trial import require_scores, tried
from chainrule.tasks.sequences._matching_run import check_given_run, check_unread
from chainrule.tasks.sequences._text_order import check_text_order, text_order
from chainrule.tasks.sequences._tokenizer import made_tokenizer
from chainrule.tasks.tables import TABLES, options
from chainrule.tasks.text._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.text._processing import TextProcessing
from chainrule.training.task import Examples, Order, Task


class TextClassification:
    """A recipe that classifies texts, with its texts at hand.

    Args:
        recipe: Its sections.
        network: For a model named "own": `(vocabulary, classes, **options) -> module`.
        processing: That of a stored run; made from the training part when left out.
        texts: The texts, when they are not those that the recipe names.

    Raises:
        RecipeError: Parts that do not go together.
        DataError: The texts are missing or damaged, or a part lacks a class.
    """

    def __init__(
        self,
        recipe: TextClassesRecipe,
        *,
        network: Network | None = None,
        processing: TextProcessing | None = None,
        texts: LabeledTexts | None = None,
    ) -> None:
        check_text_order(recipe.data, recipe.train)
        self.recipe, self.network = recipe, network
        self.chosen: dict[str, Any] = {}
        data = recipe.data
        self.texts = texts or LABELED_TEXTS.resolve(data.name)(**options(TABLES["data"], data, "data"))
        seed = recipe.train.seed if data.split_seed is None else data.split_seed
        self.parts = self.texts.parts(
            validation=data.validation, test_share=data.test_share, seed=seed, limit=data.limit
        )
        _require_training_part(self.texts.name, self.parts)
        self.prepared = processing or TextProcessing(self._tokenizer(), self.texts.classes, data.length)
        if data.bootstrap:
            self.parts["train"] = self.parts["train"][bootstrap(len(self.parts["train"]), recipe.train.seed)]
        found = [self.prepared.tokens(text) for text in self.texts.texts]
        self.tokens, self.whole = Ragged(tokens for tokens, _ in found), torch.tensor([count for _, count in found])
        for part, index in self.parts.items():  # texts of like length are measured together: little padding
            self.parts[part] = index[torch.argsort(self.tokens.lengths[index], stable=True)]
        self._made: dict[str, TextExamples] = {}

    @classmethod
    def begun(
        cls, recipe: TextClassesRecipe, *, network: Network | None = None, data: Any = None
    ) -> TextClassification:
        """Return the job of a new run; `data` are texts that stand for those which the recipe names."""
        job = cls(recipe, network=network, texts=data)
        check_given_run(recipe, job.prepared.tokenizer)
        measured = {part: index.tolist() for part, index in job.parts.items() if part != "train"}
        check_unread(recipe, job.texts, measured)
        return job

    @classmethod
    def reopened(
        cls, recipe: TextClassesRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> TextClassification:
        """Return the job of a stored run, with its tokenizer."""
        return cls(recipe, network=network, processing=TextProcessing.read(processing))

    @classmethod
    def network_of(
        cls, recipe: TextClassesRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        stored = TextProcessing.read(processing)
        return build_text_network(recipe, TEXT_MODELS, network, len(stored.tokenizer.vocabulary), len(stored.classes))

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self.order.per_epoch

    @property
    def order(self) -> Order:
        """Which texts a step takes."""
        return text_order(self.recipe.data, self.recipe.train, self.examples("train").lengths)

    def steps(self) -> int:
        """Steps in all."""
        return steps_in_all(self.recipe.train, self.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; it draws its weights from torch's generator."""
        vocabulary = len(self.prepared.tokenizer.vocabulary)
        return build_text_network(self.recipe, TEXT_MODELS, self.network, vocabulary, len(self.prepared.classes))

    def examples(self, part: str) -> TextExamples:
        """Return the examples of a part, made once."""
        if part not in self._made:
            self._made[part] = TextExamples(self.tokens, self.texts.labels, self.parts[part])
        return self._made[part]

    def task(self) -> Task:
        """Return the task that the loop trains."""
        examples: dict[str, Examples] = {part: self.examples(part) for part in self.parts}
        return Task(
            model=self.model,
            examples=examples,
            orders={"train": self.order},
            phases=[phase(self.recipe, classification_objective(self.recipe))],
            measure=Measure(per_example_loss(self.recipe)),
            predict=lambda model, tokens: torch.softmax(model(tokens).float(), dim=1),
            deploy=self.recipe.train.deployed,
            prepare=partial(_prepare, self),
        )

    def processing(self) -> dict[str, Any]:
        """Return the tokenizer, the names of the classes, and where the texts came from."""
        return {**self.prepared.to_json(), "data": {"name": self.texts.name, **dict(self.texts.facts)}}

    def try_out(self, model: nn.Module) -> None:
        """Give the network the two longest texts.

        Raises:
            RecipeError: It fails, or does not give one score for each class.
        """
        every = torch.cat(list(self.parts.values()))
        longest = every[torch.argsort(self.tokens.lengths[every], descending=True, stable=True)[:2]]
        examples = TextExamples(self.tokens, self.texts.labels, longest)
        given = tried(model, examples, f"texts of up to {int(self.tokens.lengths[longest].max())} tokens")
        expected = (len(longest), len(self.prepared.classes))
        require_scores(given, expected, "one score for each class")

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the texts are."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights on validation and test part, and write all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss, accuracy, confusion matrix and the worst mistakes of a part."""
        return evaluation_facts(self, self.task(), model, part)

    def _tokenizer(self) -> Any:
        texts = (self.texts.texts[number] for number in self.parts["train"].tolist())
        return made_tokenizer(self.recipe.data.tokenizer, texts)


def _prepare(job: TextClassification, model: nn.Module, task: Task) -> None:
    """Let a network look at the training part, where it wants to, and give it the weights that it begins with."""
    if isinstance(model, Prepared):
        model.prepare(job.tokens[number] for number in job.parts["train"].tolist())
    load_given_weights(job.recipe, model)


def _require_training_part(name: str, parts: Mapping[str, Tensor]) -> None:
    if "train" not in parts or not len(parts["train"]):
        raise DataError(
            f"{name} has no training part, from which the network learns", got=f"{', '.join(parts) or 'nothing'} alone"
        )
