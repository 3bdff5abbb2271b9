"""Learning hidden words from the words around them: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chainrule.core.folder import RunFolder
from chainrule.core.recipe import MaskedRecipe
from chainrule.data.masked_texts import MaskedTexts, Masking
from chainrule.data.sentences import Sentences
from chainrule.data.tokenizers import Tokenizer
from chainrule.models import MASKED_MODELS
from chainrule.tasks.job._given_weights import load_given_weights
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_text_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._trial import require_scores, tried
from chainrule.tasks.masked._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.masked._scoring import Measure, masked_objective
from chainrule.tasks.masked._texts import cut_into_pieces, read_sentences
from chainrule.tasks.sequences._matching_run import check_given_run
from chainrule.tasks.sequences._text_order import check_text_order, text_order
from chainrule.tasks.sequences._tokenizer import made_tokenizer, stored_tokenizer
from chainrule.training.task import Examples, Order, Task


class MaskedWords:
    """A recipe that learns hidden words, with its texts at hand.

    Args:
        recipe: Its sections.
        network: For a model named "own": `(vocabulary, **options) -> module`.
        tokenizer: That of a stored run; made from the training part when left out.
        texts: The texts, when they are not those that the recipe names.

    Raises:
        RecipeError: Parts that do not go together.
        DataError: The texts are missing or damaged, or a part has no known word.

    Source:
        LECTURES H9 (encoder only, the BERT form).
    """

    def __init__(
        self,
        recipe: MaskedRecipe,
        *,
        network: Network | None = None,
        tokenizer: Tokenizer | None = None,
        texts: Sentences | None = None,
    ) -> None:
        check_text_order(recipe.data, recipe.train)
        self.recipe, self.network = recipe, network
        self.chosen: dict[str, Any] = {}
        self.texts = texts or read_sentences(recipe)
        self.tokenizer = tokenizer or self._made_tokenizer()
        data = recipe.data
        self.pieces, self.parts, self.passed_over = cut_into_pieces(self.texts, self.tokenizer, data.length)
        self.masking = Masking(self.tokenizer.vocabulary, share=data.hidden, masked=data.masked, random=data.random)
        self._made: dict[str, MaskedTexts] = {}

    @classmethod
    def begun(cls, recipe: MaskedRecipe, *, network: Network | None = None, data: Any = None) -> MaskedWords:
        """Return the job of a new run; `data` are texts that stand for those which the recipe names."""
        job = cls(recipe, network=network, texts=data)
        check_given_run(recipe, job.tokenizer)
        return job

    @classmethod
    def reopened(
        cls, recipe: MaskedRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> MaskedWords:
        """Return the job of a stored run, with its tokenizer."""
        return cls(recipe, network=network, tokenizer=stored_tokenizer(processing))

    @classmethod
    def network_of(
        cls, recipe: MaskedRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        return build_text_network(recipe, MASKED_MODELS, network, len(stored_tokenizer(processing).vocabulary))

    @property
    def order(self) -> Order:
        """Which pieces a step takes."""
        return text_order(self.recipe.data, self.recipe.train, self.examples("train").lengths)

    def steps(self) -> int:
        """Steps in all."""
        return steps_in_all(self.recipe.train, self.order.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; it draws its weights from torch's generator."""
        return build_text_network(self.recipe, MASKED_MODELS, self.network, len(self.tokenizer.vocabulary))

    def examples(self, part: str) -> MaskedTexts:
        """Return the examples of a part, made once."""
        if part not in self._made:
            self._made[part] = MaskedTexts(self.pieces, self.parts[part], self.masking)
        return self._made[part]

    def task(self) -> Task:
        """Return the task that the loop trains."""
        examples: dict[str, Examples] = {part: self.examples(part) for part in self.parts}
        return Task(
            model=self.model,
            examples=examples,
            orders={"train": self.order},
            phases=[phase(self.recipe, masked_objective(self.recipe))],
            measure=Measure(self.recipe),
            prepare=lambda model, task: load_given_weights(self.recipe, model),
            predict=lambda model, blanks: torch.softmax(model(blanks).float(), dim=1),
            deploy=self.recipe.train.deployed,
        )

    def processing(self) -> dict[str, Any]:
        """Return the tokenizer, the length of a piece, and where the texts came from."""
        return {
            "tokenizer": self.tokenizer.to_json(),
            "length": self.recipe.data.length,
            "data": {"name": self.texts.name, **dict(self.texts.facts)},
        }

    def try_out(self, model: nn.Module) -> None:
        """Give the network the two longest pieces.

        Raises:
            RecipeError: It fails, or does not give a score of each word for each place that is asked for.
        """
        lengths = self.pieces.lengths
        longest = torch.argsort(lengths, descending=True, stable=True)[:2]
        examples = MaskedTexts(self.pieces, longest, self.masking)
        given = tried(model, examples, f"texts of up to {int(lengths[longest].max())} tokens")
        index = torch.arange(len(longest))
        expected = (len(examples.fetch(index, index).targets), len(self.tokenizer.vocabulary))
        require_scores(given, expected, "a score of each word for each place that is asked for")

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the texts are."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights, write what the network fills in, and all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss, perplexity and accuracy of the hidden words of a part."""
        return evaluation_facts(self, self.task(), model, part)

    def _made_tokenizer(self) -> Tokenizer:
        texts = (self.texts.texts[number] for number in self.texts.parts["train"].tolist())
        return made_tokenizer(self.recipe.data.tokenizer, texts).with_mask()
