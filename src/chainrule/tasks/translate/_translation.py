"""Learning to translate: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.folder import RunFolder
from chainrule.core.recipe import TranslateRecipe
from chainrule.data import PAIRS
from chainrule.data.buckets import Buckets
from chainrule.data.pair_examples import PairExamples, Told
from chainrule.data.pairs import Pairs
from chainrule.metrics import require_sacrebleu
from chainrule.models import TRANSLATION_MODELS
from chainrule.tasks.job._given_weights import load_given_weights
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_text_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._trial import first_of
from chainrule.tasks.sequences._writer_trial import require_writer
from chainrule.tasks.tables import TABLES, options
from chainrule.tasks.translate._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.translate._scoring import TOLD, Measure, teaching_of, translation_objective, written
from chainrule.tasks.translate._tokens import Tokens
from chainrule.training.task import Task


class Translation:
    """A recipe of a translator with its pairs at hand.

    Args:
        recipe: Its sections.
        network: For a model named "own": `(source_vocabulary, target_vocabulary, **options) -> module`.
        tokens: The tokenizers of a stored run; made from the training part when left out.
        pairs: The pairs, when they are not those that the recipe names.

    Raises:
        RecipeError: Parts that do not go together.
        DataError: The pairs are missing, damaged or too few.
    """

    def __init__(
        self,
        recipe: TranslateRecipe,
        *,
        network: Network | None = None,
        tokens: Tokens | None = None,
        pairs: Pairs | None = None,
    ) -> None:
        self.recipe, self.network = recipe, network
        self.chosen: dict[str, Any] = {}
        data = recipe.data
        self.pairs = pairs or PAIRS.resolve(data.name)(**options(TABLES["data"], data, "data"))
        self.parts = self.pairs.split(
            validation=data.validation, test_share=data.test_share, seed=data.split_seed, limit=data.limit
        )
        self.tokens = tokens or Tokens.made(recipe, *self.texts("train"))
        self.cut: dict[str, int] = {}
        self._made: dict[str, PairExamples] = {}

    @classmethod
    def begun(cls, recipe: TranslateRecipe, *, network: Network | None = None, data: Any = None) -> Translation:
        """Return the job of a new run; `data` are pairs that stand for those which the recipe names.

        Raises:
            UsageError: Translations are to be measured by BLEU, and the package for it is not installed.
        """
        job = cls(recipe, network=network, pairs=data)
        if "bleu" in job.pairs.measures:
            require_sacrebleu()
        return job

    @classmethod
    def reopened(
        cls, recipe: TranslateRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> Translation:
        """Return the job of a stored run, with its tokenizers."""
        return cls(recipe, network=network, tokens=Tokens.stored(recipe, processing))

    @classmethod
    def network_of(
        cls, recipe: TranslateRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        return build_text_network(recipe, TRANSLATION_MODELS, network, *Tokens.stored(recipe, processing).sizes)

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._order.per_epoch

    def steps(self) -> int:
        """Steps in all."""
        return steps_in_all(self.recipe.train, self.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; it draws its weights from torch's generator."""
        return build_text_network(self.recipe, TRANSLATION_MODELS, self.network, *self.tokens.sizes)

    def texts(self, part: str) -> tuple[list[str], list[str]]:
        """Return the sentences of a part and their translations, as text."""
        indices = self.parts[part].tolist()
        return [self.pairs.source[i] for i in indices], [self.pairs.target[i] for i in indices]

    def examples(self, part: str) -> PairExamples:
        """Return the examples of a part, made once; those to measure on by length, so that little is padding."""
        if part not in self._made:
            sides = self.texts(part)
            if part != "train":
                order = sorted(range(len(sides[0])), key=lambda i: len(sides[0][i]) + len(sides[1][i]))
                sides = [sides[0][i] for i in order], [sides[1][i] for i in order]
            (source, read), (target, written) = self.tokens.sources(sides[0]), self.tokens.targets(sides[1])
            self.cut[part] = sum(count > self.tokens.length for count in (*read, *written))
            self._made[part] = PairExamples(source, target)
        return self._made[part]

    def task(self) -> Task:
        """Return the task that the loop trains."""
        told = TOLD[teaching_of(self.recipe, TRANSLATION_MODELS)]
        return Task(
            model=self.model,
            examples={part: self.examples(part) for part in self.parts},
            orders={"train": self._order},
            phases=[phase(self.recipe, translation_objective(self.recipe, told))],
            measure=Measure(self.recipe),
            prepare=lambda model, task: load_given_weights(self.recipe, model),
            predict=_probabilities,
            deploy=self.recipe.train.deployed,
        )

    def processing(self) -> dict[str, Any]:
        """Return the tokenizers, and where the pairs came from."""
        return {"tokenizers": self.tokens.to_data(), "data": {"name": self.pairs.name, **dict(self.pairs.facts)}}

    def try_out(self, model: nn.Module) -> None:
        """Let the network read two sentences and their translations.

        Raises:
            RecipeError: It fails, or does not give scores for every token and a state.
        """
        examples = self.examples(first_of(self.parts))
        require_writer(model, examples, "a sentence and its translation", self.tokens.sizes[1], written)

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the pairs are."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights, write translations and all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss, perplexity, accuracy, exact matches and BLEU of a part."""
        return evaluation_facts(self, self.task(), model, part)

    @property
    def _order(self) -> Buckets:
        train = self.recipe.train
        return Buckets(
            self.examples("train").lengths,
            batch=train.batch if train.tokens is None else None,
            tokens=train.tokens,
            seed=train.seed,
            parts=train.parts,
        )


def _probabilities(model: nn.Module, told: Told) -> Tensor:
    return torch.softmax(written(model, told)[0].float(), dim=2)
