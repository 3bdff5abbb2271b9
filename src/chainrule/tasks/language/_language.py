"""Learning the next token of a text: from a recipe to the task that the loop trains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import LanguageRecipe
from chainrule.data import Shuffled
from chainrule.data.lanes import Lanes
from chainrule.data.texts import Text
from chainrule.data.tokenizers import Tokenizer
from chainrule.data.windows import Scored, Windows
from chainrule.models import LANGUAGE_MODELS
from chainrule.tasks.job._given_weights import load_given_weights
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_text_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._trial import first_of, tried
from chainrule.tasks.language._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.language._scoring import Measure, next_token_objective
from chainrule.tasks.sequences._matching_run import check_given_run
from chainrule.tasks.sequences._running_text import bounds_of, read_text, tokenizer_of_text
from chainrule.tasks.sequences._tokenizer import stored_tokenizer
from chainrule.tasks.sequences._vectors import load_vectors
from chainrule.tasks.sequences._writer_trial import require_scores_and_state
from chainrule.training.task import Examples, Order, Task


class Language:
    """A recipe of a language model with its text at hand.

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
        recipe: LanguageRecipe,
        *,
        network: Network | None = None,
        tokenizer: Tokenizer | None = None,
        text: Text | None = None,
    ) -> None:
        self.recipe, self.network = recipe, network
        self.chosen: dict[str, Any] = {}
        self.text = text or read_text(recipe.data)
        self.characters = bounds_of(self.text, recipe.data)
        self.tokenizer = tokenizer or tokenizer_of_text(recipe.data.tokenizer, self.text, self.characters)
        self.tokens, self.parts = self._tokenized()
        self._made: dict[str, Examples] = {}

    @classmethod
    def begun(cls, recipe: LanguageRecipe, *, network: Network | None = None, data: Any = None) -> Language:
        """Return the job of a new run; `data` is a text that stands for the one which the recipe names."""
        job = cls(recipe, network=network, text=data)
        check_given_run(recipe, job.tokenizer)
        return job

    @classmethod
    def reopened(
        cls, recipe: LanguageRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> Language:
        """Return the job of a stored run, with its tokenizer."""
        return cls(recipe, network=network, tokenizer=stored_tokenizer(processing))

    @classmethod
    def network_of(
        cls, recipe: LanguageRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        return build_text_network(recipe, LANGUAGE_MODELS, network, len(stored_tokenizer(processing).vocabulary))

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._order.per_epoch

    @property
    def carries(self) -> bool:
        """Whether the network carries its state from step to step."""
        return self.recipe.data.order == "lanes"

    def steps(self) -> int:
        """Steps in all."""
        return steps_in_all(self.recipe.train, self.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; it draws its weights from torch's generator."""
        return build_text_network(self.recipe, LANGUAGE_MODELS, self.network, len(self.tokenizer.vocabulary))

    def examples(self, part: str) -> Examples:
        """Return the examples of a part, made once."""
        if part not in self._made:
            self._made[part] = self._make_examples(part)
        return self._made[part]

    def task(self) -> Task:
        """Return the task that the loop trains."""
        return Task(
            model=self.model,
            examples={part: self.examples(part) for part in self.parts},
            orders={"train": self._order},
            phases=[phase(self.recipe, next_token_objective(self.recipe, self._lanes))],
            measure=self.measure("valid"),
            prepare=self._prepare,
            predict=lambda model, tokens: torch.softmax(model(tokens)[0].float(), dim=2),
            deploy=self.recipe.train.deployed,
        )

    def measure(self, part: str) -> Measure:
        """Return what is measured of a part."""
        begin, end = self.characters[part]
        share = len(self.parts[part]) / (end - begin)
        return Measure(self.recipe, vocabulary=len(self.tokenizer.vocabulary), tokens_a_character=share)

    def processing(self) -> dict[str, Any]:
        """Return the tokenizer, and where the text came from."""
        return {
            "tokenizer": self.tokenizer.to_json(),
            "data": {"name": self.text.name, **dict(self.text.facts)},
        }

    def try_out(self, model: nn.Module) -> None:
        """Give the network two pieces of text.

        Raises:
            RecipeError: It fails, does not give scores for every token and a state, or has no state to carry on.
        """
        examples = self.examples(first_of(self.parts))
        what = f"tokens of shape (N, {self.recipe.data.length}) and a state"
        given = tried(model, examples, what, call=lambda network, tokens: network(tokens, None))
        index = torch.arange(min(2, len(examples)))
        expected = (*examples.fetch(index, index).inputs.shape, len(self.tokenizer.vocabulary))
        state = require_scores_and_state(given, expected)
        if self.carries and not state:
            raise RecipeError(
                "data.order lanes: the network gives no state that goes on from piece to piece",
                expected="(scores, state), the state a mapping of tensors",
                got=f"(scores, {state!r})",
                remedy="use data.order windows",
            )

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the text is."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights, write samples and all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss, bits a character, perplexity and accuracy of a part."""
        return evaluation_facts(self, self.task(), model, part)

    @property
    def _order(self) -> Order:
        examples, train = self.examples("train"), self.recipe.train
        if isinstance(examples, Lanes):
            return examples
        return Shuffled(len(examples), train.batch, train.seed, train.parts)

    @property
    def _lanes(self) -> Lanes | None:
        examples = self.examples("train")
        return examples if isinstance(examples, Lanes) else None

    def _prepare(self, model: nn.Module, task: Task) -> None:
        load_given_weights(self.recipe, model)
        self.chosen = load_vectors(self.recipe.model, model, self.tokenizer.vocabulary)

    def _tokenized(self) -> tuple[Tensor, dict[str, range]]:
        """All tokens in a row, and which of them belong to which part."""
        pieces, parts, count = [], {}, 0
        for part, (begin, end) in self.characters.items():
            pieces.append(self.tokenizer.encode(self.text.text[begin:end]))
            parts[part] = range(count, count + len(pieces[-1]))
            count += len(pieces[-1])
        return torch.cat(pieces), parts

    def _make_examples(self, part: str) -> Examples:
        data, train, place = self.recipe.data, self.recipe.train, self.parts[part]
        if part != "train":
            length = data.counted
            if self.carries:  # few long pieces, each read in one go with the state
                length = max(1, math.ceil(len(place) / train.evaluate_batch))
            return Scored(self.tokens, place.start, place.stop, length=length, context=data.before)
        tokens = self.tokens[place.start : place.stop]
        if self.carries:
            return Lanes(tokens, train.batch, data.length, train.parts)
        return Windows(tokens, data.length)
