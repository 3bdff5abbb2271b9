"""Learning vectors of words: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError, RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import EmbedRecipe
from chainrule.data import Shuffled
from chainrule.data.texts import Text
from chainrule.data.tokenizers import Tokenizer
from chainrule.data.word_pairs import WordPairs
from chainrule.models import WORD_MODELS
from chainrule.tasks.embed._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.embed._scoring import Measure, pair_objective
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_text_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._trial import first_of, require_scores, tried
from chainrule.tasks.sequences._running_text import bounds_of, read_text, tokenizer_of_text
from chainrule.tasks.sequences._tokenizer import stored_tokenizer
from chainrule.tasks.sequences._vectors import load_vectors
from chainrule.training.task import Examples, Task


class Embedding:
    """A recipe of word vectors with its text at hand.

    Args:
        recipe: Its sections.
        network: For a model named "own": `(vocabulary, **options) -> module`.
        tokenizer: That of a stored run; made from the training part when left out.
        text: The text, when it is not the one that the recipe names.

    Raises:
        RecipeError: Parts that do not go together.
        DataError: The text is missing, damaged or too short.
    """

    def __init__(
        self,
        recipe: EmbedRecipe,
        *,
        network: Network | None = None,
        tokenizer: Tokenizer | None = None,
        text: Text | None = None,
    ) -> None:
        _check(recipe)
        self.recipe, self.network = recipe, network
        self.chosen: dict[str, Any] = {}
        self.text = text or read_text(recipe.data)
        self.characters = bounds_of(self.text, recipe.data)
        self.tokenizer = tokenizer or tokenizer_of_text(recipe.data.tokenizer, self.text, self.characters)
        self.parts: dict[str, Tensor] = {}
        self._lines: dict[str, Tensor | None] = {}
        for part, (begin, end) in self.characters.items():
            self.parts[part], self._lines[part] = self._tokens(self.text.text[begin:end])
        self.counts = torch.bincount(self.parts["train"], minlength=len(self.tokenizer.vocabulary))
        self._made: dict[str, Examples] = {}

    @classmethod
    def begun(cls, recipe: EmbedRecipe, *, network: Network | None = None, data: Any = None) -> Embedding:
        """Return the job of a new run; `data` is a text that stands for the one which the recipe names."""
        return cls(recipe, network=network, text=data)

    @classmethod
    def reopened(cls, recipe: EmbedRecipe, processing: Mapping[str, Any], network: Network | None = None) -> Embedding:
        """Return the job of a stored run, with its tokenizer."""
        return cls(recipe, network=network, tokenizer=stored_tokenizer(processing))

    @classmethod
    def network_of(
        cls, recipe: EmbedRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        return build_text_network(recipe, WORD_MODELS, network, len(stored_tokenizer(processing).vocabulary))

    def steps(self) -> int:
        """Steps in all."""
        return steps_in_all(self.recipe.train, self._order.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; it draws its weights from torch's generator."""
        return build_text_network(self.recipe, WORD_MODELS, self.network, len(self.tokenizer.vocabulary))

    def examples(self, part: str) -> Examples:
        """Return the examples of a part, made once: its words, each of which gives pairs."""
        if part not in self._made:
            data = self.recipe.data
            made = WordPairs(
                self.parts[part],
                self.counts,
                kind=data.pairs,
                window=data.window,
                negatives=data.negatives,
                subsample=data.subsample,
                segment=self._lines[part],
            )
            self._require_pairs(made, part)
            self._made[part] = made
        return self._made[part]

    def task(self) -> Task:
        """Return the task that the loop trains."""
        return Task(
            model=self.model,
            examples={part: self.examples(part) for part in self.parts},
            orders={"train": self._order},
            phases=[phase(self.recipe, pair_objective(self.recipe))],
            measure=Measure(self.recipe),
            prepare=self._prepare,
            predict=lambda model, pairs: torch.sigmoid(model(pairs).float()),
            deploy=self.recipe.train.deployed,
        )

    def processing(self) -> dict[str, Any]:
        """Return the tokenizer, and where the text came from."""
        return {"tokenizer": self.tokenizer.to_json(), "data": {"name": self.text.name, **dict(self.text.facts)}}

    def try_out(self, model: nn.Module) -> None:
        """Give the network the pairs of two words.

        Raises:
            RecipeError: It fails, or does not give a score for each candidate.
        """
        examples = self.examples(first_of(self.parts))
        scores = tried(model, examples, "pairs of words")
        index = torch.arange(min(2, len(examples)))
        expected = tuple(examples.fetch(index, index).inputs.candidates.shape)
        require_scores(scores, expected, "a score for each candidate")

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the text is."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights, write which words are near each other, and all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss and accuracy of the pairs of a part."""
        return evaluation_facts(self, self.task(), model, part)

    @property
    def _order(self) -> Shuffled:
        train = self.recipe.train
        return Shuffled(len(self.parts["train"]), train.batch, train.seed, train.parts)

    def _require_pairs(self, examples: WordPairs, part: str) -> None:
        """Refuse a part of which nothing is left to measure: a mean of no pairs is no number."""
        group = self.recipe.train.evaluate_batch
        for begin in range(0, len(examples), group):
            index = torch.arange(begin, min(begin + group, len(examples)))
            if len(examples.fetch(index, index).targets):
                return
        raise DataError(
            f"the part {part} has no pairs of words",
            expected="words that are not all left out as frequent, with neighbors",
            got=f"{len(examples)} tokens",
            remedy="a longer text, or --data.subsample 0",
        )

    def _prepare(self, model: nn.Module, task: Task) -> None:
        self.chosen = load_vectors(self.recipe.model, model, self.tokenizer.vocabulary)

    def _tokens(self, text: str) -> tuple[Tensor, Tensor | None]:
        """The tokens of a text, and the number of the line of each, where windows end with their line."""
        if self.recipe.data.across_lines:
            return self.tokenizer.encode(text), None
        lines = [self.tokenizer.encode(line) for line in text.split("\n")]
        numbers = torch.arange(len(lines)).repeat_interleave(torch.tensor([len(line) for line in lines]))
        return torch.cat(lines), numbers


def _check(recipe: EmbedRecipe) -> None:
    """Refuse what says how other networks begin."""
    what = None
    if recipe.model.weights is not None:
        what = "model.weights are those of networks with layers"
    elif (recipe.init.scheme, recipe.init.first) != ("own", "as the others"):
        what = "init draws the weights of layers, and there are none"
    if what is not None:
        raise RecipeError(what, remedy="words take their first vectors from a text file: --model.vectors FILE")
