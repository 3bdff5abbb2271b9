"""Classification of images: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError, RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.recipe import ImageRecipe
from chainrule.core.sections import CARD, OWN, ImageData
from chainrule.data import (
    DATA,
    Augment,
    FeatureExamples,
    Features,
    FeatureTable,
    ImageExamples,
    LabeledImages,
    Normalization,
    Shuffled,
    ShuffledWindows,
    bootstrap,
    split,
)
from chainrule.data._bad_examples import LeavingOut, Readable, Reading, replacing, strictly
from chainrule.data.normalize import Values
from chainrule.models import MODELS, Fitted
from chainrule.nn import whiten
from chainrule.tasks._model_card import heads_of
from chainrule.tasks.images._answer import class_probabilities, way_of
from chainrule.tasks.images._bad_examples import check_bad_examples
from chainrule.tasks.images._facts import evaluation_facts, write_data_facts, write_final_facts
from chainrule.tasks.images._features import check_features, features_of
from chainrule.tasks.images._given_weights import card_normalization, check_images, check_pretrained
from chainrule.tasks.images._processing import ImageProcessing
from chainrule.tasks.images._solve import check_solvable, is_solved, solve
from chainrule.tasks.job._given_weights import load_given_weights
from chainrule.tasks.job._job import Network
from chainrule.tasks.job._network import build_network
from chainrule.tasks.job._phase import phase, steps_in_all
from chainrule.tasks.job._scoring import Measure, classification_objective, heads_objective, per_example_loss
from chainrule.tasks.job._trial import first_of, require_scores, tried
from chainrule.tasks.tables import TABLES, options
from chainrule.training.task import Examples, Objective, Task

WHITEN_IMAGES = 5000
"""How many training images the first filters are made from."""


class Classification:
    """A recipe with its data at hand: what a run needs beside the task itself.

    Args:
        recipe: Its sections `data`, `augment`, `model`, `loss`, `penalty`, `optim`, `schedule`, `train`.
        network: For a model named "own": `(**options) -> module`.
        normalization: That of a stored run; measured on the training part when left out.
        features: Those of a stored run; the recipe's when left out.
        images: The data set, when it is not the one that the recipe names (arrays in Python).

    `chosen` is what was chosen while the first weights were made, as plain data: by a model that is fitted, or by a
    solver.

    Raises:
        RecipeError: Parts that do not go together.
        UsageError: The images are too small for a feature.
    """

    def __init__(
        self,
        recipe: ImageRecipe,
        *,
        network: Network | None = None,
        normalization: Normalization | None = None,
        features: Features | None = None,
        images: LabeledImages | None = None,
    ) -> None:
        check_features(recipe)
        check_bad_examples(recipe)
        check_pretrained(recipe)
        if is_solved(recipe):
            check_solvable(recipe)
        self.recipe = recipe
        self.network = network
        self.chosen: dict[str, Any] = {}
        self.images = images or DATA.resolve(recipe.data.name)(**options(TABLES["data"], recipe.data, "data"))
        check_images(recipe, self.images)
        self.parts = parts_of(recipe.data, recipe.train.seed, self.images)
        self._drawn_from = self.parts.get("train", torch.arange(0))
        if recipe.data.bootstrap and heads_of(recipe) is None:  # heads draw for themselves
            self.parts["train"] = self._drawn_from[bootstrap(len(self._drawn_from), recipe.train.seed)]
        self.features = features_of(recipe.data.features) if features is None else features
        self.input_shape = self.features.shape_of(self.images.shape)
        self._made: dict[str, Examples] = {}
        self._tables: dict[str, FeatureTable] = {}
        if normalization is not None:
            self.normalization = normalization

    @classmethod
    def begun(cls, recipe: ImageRecipe, *, network: Network | None = None, data: Any = None) -> Classification:
        """Return the job of a new run; `data` are images that stand for those which the recipe names."""
        return cls(recipe, network=network, images=data)

    @classmethod
    def reopened(
        cls, recipe: ImageRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> Classification:
        """Return the job of a stored run, with its normalization and features."""
        stored = ImageProcessing.read(processing)
        return cls(recipe, network=network, normalization=stored.normalization, features=stored.features)

    @classmethod
    def network_of(
        cls, recipe: ImageRecipe, processing: Mapping[str, Any], network: Network | None = None
    ) -> nn.Module:
        """Return the network of a stored run; it draws its weights from torch's generator."""
        stored = ImageProcessing.read(processing)
        return build_network(recipe, stored.input_shape, len(stored.classes), network)

    def processing(self) -> dict[str, Any]:
        """Return what is done to an image before the network sees it, and the names of the classes."""
        return {
            "shape": list(self.images.shape),
            "resize": self.images.resize,
            "classes": list(self.images.classes),
            "features": self.features.to_json(),
            "normalization": self.normalization.to_json(),
            "data": {"name": self.images.name, **dict(self.images.facts)},
        }

    def try_out(self, model: nn.Module) -> None:
        """Give the network two images: one of the wrong shape is found before anything is made.

        Raises:
            RecipeError: It fails, or does not give one score for each class.
        """
        what = "features" if self.features else "images"
        given = tried(model, self._whole(first_of(self.parts)), f"{what} of shape {self.input_shape}")
        expected = (min(2, len(self.parts[first_of(self.parts)])), len(self.images.classes))
        require_scores(given, expected, "one score for each class")

    def write_data_facts(self, folder: RunFolder) -> None:
        """Write what the images are."""
        write_data_facts(folder, self)

    def write_final_facts(self, folder: RunFolder, task: Task, model: nn.Module) -> dict[str, Any]:
        """Measure the best weights on validation and test part, and write all facts."""
        return write_final_facts(folder, self, task, model)

    def evaluate(self, model: nn.Module, part: str) -> dict[str, Any]:
        """Return loss, accuracy, confusion matrix and the worst mistakes of a part."""
        return evaluation_facts(self, model, part)

    @cached_property
    def normalization(self) -> Normalization:
        """Measured on the training part, unless it was given."""
        if self.recipe.data.normalize == CARD:
            return card_normalization(self.recipe)
        if self.recipe.data.normalize != "none" or self.features:
            self.require_training_part("its mean and deviation are measured")
        if self.features:
            if self.recipe.data.bootstrap:  # the statistics are those of all that is drawn from
                table = FeatureTable(self.features, self.images.pictures, self._drawn_from)
            else:
                table = self._table("train")
            return table.normalization(self.recipe.data.normalize)
        measured = _evenly(self._drawn_from, self.images.measured)
        return Normalization.measure(self._readable, measured, self.recipe.data.normalize)

    @property
    def _strict(self) -> bool:
        """Whether a picture that cannot be read is an error."""
        return self.recipe.data.bad_examples == "error"

    @property
    def _readable(self) -> Values:
        """The pictures; without those that cannot be read, where such are skipped."""
        return self.images.pictures if self._strict else Readable(self.images.pictures)

    def require_training_part(self, why: str) -> None:
        """Refuse a set that can only be measured on.

        Raises:
            DataError: It has no training part.
        """
        if "train" not in self.parts:
            raise DataError(
                f"{self.images.name} has no training part, on which {why}",
                expected="a set with one, or weights that are given and no step",
                got=f"{', '.join(self.parts)} alone",
                remedy="--model.name and --model.weights of published weights (docs/models.md) with --train.steps 0",
            )

    def _table(self, part: str) -> FeatureTable:
        """The features of a part, computed once."""
        if part not in self._tables:
            self._tables[part] = FeatureTable(self.features, self.images.pictures, self.parts[part])
        return self._tables[part]

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self._order.per_epoch

    @property
    def _order(self) -> Shuffled | ShuffledWindows:
        train, indices = self.recipe.train, self.parts["train"]
        if self.images.groups is None:
            return Shuffled(len(indices), train.batch, train.seed, train.parts)
        groups = self.images.groups[indices]
        return ShuffledWindows(groups, train.batch, train.seed, window=self.images.window, parts=train.parts)

    def steps(self) -> int:
        """Steps in all."""
        train = self.recipe.train
        if train.steps == 0:  # a set to measure on alone has no epochs
            return 0
        self.require_training_part("a network learns")
        return steps_in_all(train, self.per_epoch)

    def model(self) -> nn.Module:
        """Build the network; it draws its weights from torch's generator."""
        return build_network(self.recipe, self.input_shape, len(self.images.classes), self.network)

    def examples(self, part: str) -> Examples:
        """The examples of a part, made once; those of "train" are augmented."""
        if part not in self._made:
            self._made[part] = self._make_examples(part)
        return self._made[part]

    def _make_examples(self, part: str) -> Examples:
        if self.features:
            return FeatureExamples(self.images, self._table(part), self.normalization)
        augment = Augment(**self.recipe.augment.model_dump()) if part == "train" else None
        reading: Reading = strictly
        if not self._strict:
            reading = replacing if part == "train" else LeavingOut(self.recipe.data.bad_share)
        return ImageExamples(self.images, self.parts[part], self.normalization, augment, reading=reading)

    def _whole(self, part: str) -> Examples:
        """The examples of a part, of which as many are fetched as are asked for."""
        if self._strict or self.features:
            return self.examples(part)
        return ImageExamples(self.images, self.parts[part], self.normalization, reading=replacing)

    def inputs(self, part: str, index: Tensor) -> Tensor:
        """Some examples of a part, as the network is given them; without augmentation."""
        return self.normalization.apply(self.features(self._readable.read(self.parts[part][index])))

    def task(self) -> Task:
        """The task that the loop trains, or that is fitted before it would begin."""
        recipe = self.recipe
        if is_solved(recipe):
            return self._fitted_task(partial(_solve, self))
        if recipe.model.name != OWN and MODELS.entry(recipe.model.name).card.get("fitted"):
            return self._fitted_task(partial(_fit, self))
        if recipe.model.name != OWN and recipe.model.weights is None:
            self.require_training_part("a network learns")
        if self.steps() == 0 and "train" not in self.parts:
            return self._fitted_task(partial(_prepare, self))
        return Task(
            model=self.model,
            examples=_Parts(self),
            orders={"train": self._order},
            phases=[phase(recipe, self._objective())],
            measure=Measure(per_example_loss(recipe), way_of(recipe)),
            predict=class_probabilities(recipe),
            deploy=recipe.train.deployed,
            prepare=partial(_prepare, self),
        )

    def _objective(self) -> Objective:
        heads = heads_of(self.recipe)
        return classification_objective(self.recipe) if heads is None else heads_objective(self.recipe, heads)

    def _fitted_task(self, prepare: Callable[[nn.Module, Task], None]) -> Task:
        """For a model that takes all of its training set at once: no step is taken."""
        if self.steps() != 0:
            raise RecipeError(
                f"{self.recipe.model.name} takes its training set at once, without steps",
                expected="train.steps: 0",
                got=f"{self.steps()} steps",
                remedy="--train.steps 0",
            )
        return Task(
            model=self.model,
            examples=_Parts(self),
            orders={},
            phases=[],
            measure=Measure(per_example_loss(self.recipe), way_of(self.recipe)),
            predict=class_probabilities(self.recipe),
            prepare=prepare,
        )


class _Parts(Mapping[str, Examples]):
    """The examples of all parts of a job, each made when it is first asked for."""

    def __init__(self, job: Classification) -> None:
        self.job = job

    def __getitem__(self, part: str) -> Examples:
        if part not in self.job.parts:
            raise KeyError(part)
        return self.job.examples(part)

    def __iter__(self) -> Iterator[str]:
        return iter(self.job.parts)

    def __len__(self) -> int:
        return len(self.job.parts)


def _evenly(indices: Tensor, most: int | None) -> Tensor:
    """So many of the indices, evenly spread over all."""
    if most is None or len(indices) <= most:
        return indices
    return indices[torch.arange(most) * len(indices) // most]


def _prepare(job: Classification, model: nn.Module, task: Task) -> None:
    """Give a network the weights that it begins with, where they are not those that it drew."""
    load_given_weights(job.recipe, model)
    if job.recipe.init.first == "whiten":
        _whiten_first(job, model)


def _whiten_first(job: Classification, model: nn.Module) -> None:
    """Give the first convolution filters from training images."""
    job.require_training_part("the first filters are made")
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise RecipeError("init.first whitens a convolution", expected="a network that has one", remedy="leave it out")
    count = min(WHITEN_IMAGES, len(job.parts["train"]))
    whiten(convolutions[0], job.inputs("train", torch.arange(count)))


def _solve(job: Classification, model: nn.Module, task: Task) -> None:
    """Give a linear classifier the weights that a solver finds."""
    job.require_training_part("the classifier is fitted")
    job.chosen = solve(job.recipe, model, task)


def _fit(job: Classification, model: nn.Module, task: Task) -> None:
    """Give a model its training set."""
    assert isinstance(model, Fitted)
    job.require_training_part("the model is fitted")
    parts = []
    for part in ("train", "valid"):
        index = torch.arange(len(task.examples[part]))
        batch = task.examples[part].fetch(index, index)
        parts.append((batch.inputs, batch.targets))
    model.fit(parts[0], parts[1])
    job.chosen = dict(model.chosen)


def parts_of(data: ImageData, seed: int, images: LabeledImages) -> dict[str, Tensor]:
    """Return the images of each part as the recipe splits them.

    Raises:
        DataError: A class has too few images for every part.
    """
    return split(
        images.labels,
        train=images.train,
        test=images.test,
        valid=images.valid,
        classes=images.classes,
        validation=data.validation,
        test_share=data.test_share,
        seed=seed if data.split_seed is None else data.split_seed,
        limit=data.limit,
    )
