"""Learning to write captions: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import WeightsError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import CaptionRecipe
from chainrule.data import CAPTIONS
from chainrule.data.buckets import Buckets
from chainrule.data.caption_examples import CaptionExamples
from chainrule.data.captioned_images import CaptionedImages
from chainrule.data.pair_examples import Told
from chainrule.metrics import require_sacrebleu
from chainrule.models import CAPTION_MODELS, Captioner
from chainrule.tasks.caption._encoder import bare_encoder, encoder_normalization, ready_encoder, region_shape
from chainrule.tasks.caption._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.caption._processing import CaptionProcessing
from chainrule.tasks.caption._regions import seen_regions
from chainrule.tasks.job._given_weights import load_given_weights
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_text_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._trial import first_of
from chainrule.tasks.sequences._tokenizer import made_tokenizer
from chainrule.tasks.sequences._writer_trial import require_writer
from chainrule.tasks.tables import TABLES, options
from chainrule.tasks.translate._scoring import TOLD, Measure, teaching_of, translation_objective, written
from chainrule.training.task import Task

FROZEN = "encoder.*"
"""Parameters that are never trained: regions are computed once."""

MEASURED = 4096
"""Pictures of the training part from which the mean and deviation of regions are taken."""


class Captioning:
    """A recipe of a network that writes captions, with its pictures at hand.

    Args:
        recipe: Its sections.
        network: For a model named "own": `(vocabulary, features, **options) -> module`.
        prepared: How a stored run prepares its inputs; made from the training part when left out.
        images: The pictures, when they are not those that the recipe names.

    Raises:
        RecipeError: Parts that do not go together.
        DataError: The pictures are missing, damaged or too few.
        WeightsError: Those of the encoder are missing or do not fit.
    """

    def __init__(
        self,
        recipe: CaptionRecipe,
        *,
        network: Network | None = None,
        prepared: CaptionProcessing | None = None,
        images: CaptionedImages | None = None,
    ) -> None:
        self.recipe, self.network = recipe, network
        self.chosen: dict[str, Any] = {}
        data, encoder = recipe.data, recipe.encoder
        self.images = images or CAPTIONS.resolve(data.name)(**options(TABLES["data"], data, "data"))
        self.parts = self.images.split(
            validation=data.validation, test_share=data.test_share, seed=data.split_seed, limit=data.limit
        )
        self.pictures = self.images.pictures(encoder.size, resize=encoder.resize)
        self.processing_of_inputs = prepared or self._made()
        self.cut: dict[str, int] = {}
        self._examples: dict[str, CaptionExamples] = {}

    @classmethod
    def begun(cls, recipe: CaptionRecipe, *, network: Network | None = None, data: Any = None) -> Captioning:
        """Return the job of a new run; `data` are pictures that stand for those which the recipe names.

        Raises:
            UsageError: Captions are measured by BLEU, and the package for it is not installed.
        """
        require_sacrebleu()
        return cls(recipe, network=network, images=data)

    @classmethod
    def reopened(
        cls, recipe: CaptionRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> Captioning:
        """Return the job of a stored run, whose inputs are prepared as they were."""
        return cls(recipe, network=network, prepared=CaptionProcessing.read(processing))

    @classmethod
    def network_of(
        cls, recipe: CaptionRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        prepared = CaptionProcessing.read(processing)
        return _captioner(recipe, bare_encoder(recipe), prepared, network)

    @cached_property
    def encoder(self) -> nn.Module:
        """What sees the pictures, with the weights that the recipe gives."""
        return ready_encoder(self.recipe)

    @cached_property
    def regions(self) -> Tensor:
        """What the encoder sees of each picture, (N, R, E)."""
        prepared = self.processing_of_inputs
        return seen_regions(
            self.pictures, prepared.normalization, self.encoder, prepared.regions, grid=self.recipe.encoder.grid
        )

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._order.per_epoch

    def steps(self) -> int:
        """Steps in all."""
        return steps_in_all(self.recipe.train, self.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; what writes draws its weights from torch's generator."""
        model = _captioner(self.recipe, deepcopy(self.encoder), self.processing_of_inputs, self.network)
        model.measure(self.regions[self.parts["train"][:MEASURED]])
        return model

    def captions(self, part: str) -> tuple[list[str], list[int]]:
        """Return all captions of a part, and which picture each is about."""
        pictures = self.parts[part].tolist()
        both = [(text, number) for number in pictures for text in self.images.captions[number]]
        return [text for text, _ in both], [number for _, number in both]

    def examples(self, part: str) -> CaptionExamples:
        """Return the examples of a part, made once; those to measure on by length, so that little is padding."""
        if part not in self._examples:
            texts, pictures = self.captions(part)
            if part != "train":
                order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
                texts, pictures = [texts[i] for i in order], [pictures[i] for i in order]
            tokens, self.cut[part] = self.processing_of_inputs.captions(texts)
            self._examples[part] = CaptionExamples(self.regions, tokens, torch.tensor(pictures))
        return self._examples[part]

    def task(self) -> Task:
        """Return the task that the loop trains."""
        frozen = self.recipe.train.model_copy(update={"freeze": [*self.recipe.train.freeze, FROZEN]})
        recipe = self.recipe.model_copy(update={"train": frozen})
        told = TOLD[teaching_of(recipe, CAPTION_MODELS)]
        return Task(
            model=self.model,
            examples={part: self.examples(part) for part in self.parts},
            orders={"train": self._order},
            phases=[phase(recipe, translation_objective(recipe, told))],
            measure=Measure(recipe),
            prepare=self._prepare,
            predict=_probabilities,
            deploy=recipe.train.deployed,
        )

    def processing(self) -> dict[str, Any]:
        """Return how pictures and captions are prepared, and where they came from."""
        return {**self.processing_of_inputs.to_data(), "data": {"name": self.images.name, **dict(self.images.facts)}}

    def try_out(self, model: nn.Module) -> None:
        """Let the network see two pictures and read their captions.

        Raises:
            RecipeError: It fails, or does not give scores for every token and a state.
        """
        examples = self.examples(first_of(self.parts))
        count = len(self.processing_of_inputs.tokenizer.vocabulary)
        require_writer(model, examples, "the regions of a picture and its caption", count, written)

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the pictures and captions are."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights, write captions and all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss, perplexity, accuracy, exact matches and BLEU of a part."""
        if isinstance(model, Captioner):
            self.encoder = model.encoder.eval()  # the run's own: its weights need not be fetched again
        return evaluation_facts(self, self.task(), model, part)

    def _made(self) -> CaptionProcessing:
        """How inputs are prepared, from the training part."""
        encoder, data = self.recipe.encoder, self.recipe.data
        return CaptionProcessing(
            encoder.size,
            encoder.resize,
            encoder_normalization(self.recipe, self.pictures, self.parts["train"]),
            region_shape(self.recipe, self.encoder),
            made_tokenizer(data.tokenizer, self.captions("train")[0]),
            data.length,
        )

    def _prepare(self, model: nn.Module, task: Task) -> None:
        """Load the weights that the recipe gives for the whole network; they must hold the recipe's encoder."""
        load_given_weights(self.recipe, model)
        known = self.encoder.state_dict()
        if isinstance(model, Captioner):
            found = model.encoder.state_dict()
            if any(not torch.equal(value, found[name]) for name, value in known.items()):
                raise WeightsError(
                    "model.weights hold another encoder than the recipe",
                    expected="the weights of encoder.name as encoder.weights give them, or as the seed draws them",
                    remedy="begin with the weights of a run of the same encoder",
                )

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


def _captioner(
    recipe: CaptionRecipe, encoder: nn.Module, prepared: CaptionProcessing, network: Network | None
) -> Captioner:
    count, features = len(prepared.tokenizer.vocabulary), prepared.regions[0]
    writer = build_text_network(recipe, CAPTION_MODELS, network, count, features)
    return Captioner(encoder, writer, features=features, grid=recipe.encoder.grid)


def _probabilities(model: nn.Module, told: Told) -> Tensor:
    return torch.softmax(written(model, told)[0].float(), dim=2)
