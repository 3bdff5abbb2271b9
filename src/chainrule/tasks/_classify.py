"""Classification of images: from a recipe to the task that the loop trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError, RecipeError
from chainrule.core.recipe import CARD, OWN, Data, Recipe
from chainrule.data import (
    DATA,
    Augment,
    Batch,
    FeatureExamples,
    Features,
    FeatureTable,
    ImageExamples,
    LabeledImages,
    Mixed,
    Normalization,
    Shuffled,
    split,
)
from chainrule.losses import LOSSES, penalty
from chainrule.metrics import Mean, Tally, shares_right
from chainrule.models import MODELS, Fitted, Heads
from chainrule.nn import initialize, whiten
from chainrule.optim import OPTIMIZERS, SCHEDULES, At, Group, clip_gradients, ema_decay, is_weight
from chainrule.tasks._card import with_size_of_card
from chainrule.tasks._features import check_features, features_of
from chainrule.tasks._pretrained import card_normalization, check_images, check_pretrained, load_given_weights
from chainrule.tasks._solve import check_solvable, is_solved, solve
from chainrule.tasks.tables import TABLES, options
from chainrule.training.objective import Separable
from chainrule.training.task import Average, Carry, Examples, Phase, Task

Network = Callable[..., nn.Module]
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
        recipe: Recipe,
        *,
        network: Network | None = None,
        normalization: Normalization | None = None,
        features: Features | None = None,
        images: LabeledImages | None = None,
    ) -> None:
        check_features(recipe)
        check_pretrained(recipe)
        if is_solved(recipe):
            check_solvable(recipe)
        self.recipe = recipe
        self.network = network
        self.chosen: dict[str, Any] = {}
        self.images = images or DATA.resolve(recipe.data.name)(**options(TABLES["data"], recipe.data, "data"))
        check_images(recipe, self.images)
        self.parts = parts_of(recipe.data, recipe.train.seed, self.images)
        self.features = features_of(recipe.data.features) if features is None else features
        self.input_shape = self.features.shape_of(self.images.shape)
        self._made: dict[str, Examples] = {}
        self._tables: dict[str, FeatureTable] = {}
        if normalization is not None:
            self.normalization = normalization

    @cached_property
    def normalization(self) -> Normalization:
        """Measured on the training part, unless it was given."""
        if self.recipe.data.normalize == CARD:
            return card_normalization(self.recipe)
        if self.recipe.data.normalize != "none" or self.features:
            self.require_training_part("its mean and deviation are measured")
        if self.features:
            return self._table("train").normalization(self.recipe.data.normalize)
        measured = self.parts.get("train", torch.arange(0))
        return Normalization.measure(self.images.pictures, measured, self.recipe.data.normalize)

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
    def _order(self) -> Shuffled:
        train = self.recipe.train
        return Shuffled(len(self.parts["train"]), train.batch, train.seed, train.parts)

    def steps(self) -> int:
        """Steps in all."""
        train = self.recipe.train
        if train.steps != 0:
            self.require_training_part("a network learns")
        return train.steps if train.steps is not None else max(1, round(float(train.epochs or 0) * self.per_epoch))

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
        return ImageExamples(self.images, self.parts[part], self.normalization, augment)

    def inputs(self, part: str, index: Tensor) -> Tensor:
        """Some examples of a part, as the network is given them; without augmentation."""
        return self.normalization.apply(self.features(self.images.pictures.read(self.parts[part][index])))

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
        ema = recipe.train.ema
        return Task(
            model=self.model,
            examples=_Parts(self),
            orders={"train": self._order},
            phases=[_phase(recipe)],
            measure=Measure(recipe),
            predict=class_probabilities(recipe),
            deploy="model" if ema is None else "ema",
            prepare=partial(_prepare, self),
        )

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
            measure=Measure(self.recipe),
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


def build_network(recipe: Recipe, shape: tuple[int, ...], classes: int, network: Network | None = None) -> nn.Module:
    """Build the network of a recipe, with its convolutions in the layout that they compute fastest in.

    Raises:
        RecipeError: The model's name is "own" and no network is given.
    """
    if recipe.model.name == OWN:
        if network is None:
            raise RecipeError("this recipe trains a network of one's own", remedy="give it: --model FILE.py:NAME")
        try:
            model = network(**recipe.model.options)
        except Exception as error:  # a person's own code can fail in any way
            raise RecipeError(f"the network of one's own cannot be built: {type(error).__name__}: {error}") from error
        if not isinstance(model, nn.Module):
            raise RecipeError(
                "what builds the network gives none", expected="a torch.nn.Module", got=type(model).__name__
            )
    else:
        build, chosen = MODELS.resolve(recipe.model.name), options(TABLES["model"], recipe.model, "model")
        try:
            model = build(shape, classes, **chosen)
        except RecipeError as error:
            raise with_size_of_card(error, recipe, shape) from error
    if recipe.init.scheme != "own":
        initialize(model, recipe.init.scheme, bias=recipe.init.bias)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def per_example_loss(recipe: Recipe) -> Callable[[Tensor, Any], Tensor]:
    """Return `(scores, targets) -> one loss an example`; mixed targets take both classes in their shares."""
    function = LOSSES.resolve(recipe.loss.name)
    chosen = options(TABLES["loss"], recipe.loss, "loss")

    def loss(scores: Tensor, targets: Any) -> Tensor:
        if isinstance(targets, Mixed):
            share = targets.share.to(scores.dtype)
            first, second = (function(scores, part, **chosen) for part in (targets.first, targets.second))
            return share * first + (1 - share) * second
        return function(scores, targets, **chosen)

    return loss


class Measure:
    """`(model, batch) -> tallies` of the loss and the accuracy."""

    def __init__(self, recipe: Recipe) -> None:
        self.loss, self.scores = per_example_loss(recipe), answer(recipe)

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tally]:
        scores = self.scores(model, batch.inputs)
        return {
            "loss": Mean.of(self.loss(scores, batch.targets)),
            **shares_right(scores, batch.targets),
        }


def answer(recipe: Recipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> scores (N, K)`, with the recipe's test-time augmentation."""
    return _mirrored_scores if recipe.predict.flip else _scores


def _scores(model: nn.Module, inputs: Tensor) -> Tensor:
    scores: Tensor = model(inputs)
    return scores


def _mirrored_scores(model: nn.Module, inputs: Tensor) -> Tensor:
    scores: Tensor = (model(inputs) + model(inputs.flip(3))) / 2
    return scores


def class_probabilities(recipe: Recipe) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `(network in evaluation mode, inputs) -> softmax of the scores (N, K)`."""
    scores = answer(recipe)
    return lambda model, inputs: torch.softmax(scores(model, inputs).float(), dim=1)


def parts_of(data: Data, seed: int, images: LabeledImages) -> dict[str, Tensor]:
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


def _phase(recipe: Recipe) -> Phase:
    optimizer = OPTIMIZERS.resolve(recipe.optim.name)
    chosen = options(TABLES["optim"], recipe.optim, "optim")
    base = chosen.pop("lr", None)
    if base is None:
        import inspect

        base = inspect.signature(optimizer).parameters["lr"].default
    decay = chosen.pop("weight_decay", None)
    schedule = SCHEDULES.resolve(recipe.schedule.name)
    shape = options(TABLES["schedule"], recipe.schedule, "schedule")

    def rate(at: At) -> float:
        return base * schedule(at.step, at.steps, **shape)

    moves, penalized = _moves(recipe), _penalized(recipe)
    groups = [
        Group(
            select=lambda name, parameter: moves(name) and penalized(name, parameter),
            rate=rate,
            options={} if decay is None else {"weight_decay": decay},
        ),
        Group(
            select=lambda name, parameter: moves(name),
            rate=rate,
            options={} if decay is None else {"weight_decay": 0.0},
        ),
    ]
    train = recipe.train
    return Phase(
        name="learn",
        objective=_objective(recipe),
        optimizer=lambda params: optimizer(params, lr=base, **chosen),
        groups=groups,
        clip=lambda parameters: clip_gradients(parameters, norm=train.clip_norm, value=train.clip_value),
        averages=() if train.ema is None else (Average("ema", decay=_ema(train.ema)),),
    )


def _moves(recipe: Recipe) -> Callable[[str], bool]:
    """Whether a parameter of this name is trained."""
    return lambda name: not any(fnmatchcase(name, pattern) for pattern in recipe.train.freeze)


def _penalized(recipe: Recipe) -> Callable[[str, Tensor], bool]:
    """What penalties and weight decay apply to."""
    return is_weight if recipe.penalty.on == "weights" else lambda name, parameter: True


def _ema(decay: float) -> Callable[[At], float]:
    return lambda at: ema_decay(at.step, decay)


def _objective(recipe: Recipe) -> Separable:
    loss = per_example_loss(recipe)
    weights = recipe.penalty
    has_penalty, applies = weights.l2 > 0 or weights.l1 > 0, _penalized(recipe)

    def values(model: nn.Module, batch: Batch, at: At, carry: Carry) -> tuple[dict[str, Tensor], Carry]:
        given = model(batch.inputs)
        scores = given.scores if isinstance(given, Heads) else given
        plain = batch.targets.first if isinstance(batch.targets, Mixed) else batch.targets
        losses = loss(scores, batch.targets)
        if isinstance(given, Heads):
            losses = losses + given.weight * loss(given.auxiliary, batch.targets)
        found = {"loss": losses, "accuracy": (scores.detach().argmax(1) == plain).float()}
        if has_penalty:
            penalized = [p for name, p in model.named_parameters() if applies(name, p)]
            found["penalty"] = penalty(penalized, l2=weights.l2, l1=weights.l1).reshape(1)
        return found, carry

    def count(batch: Batch) -> dict[str, float]:
        number = float(len(batch.index))
        return {"loss": number, "accuracy": number, **({"penalty": 1.0} if has_penalty else {})}

    terms = {"loss": lambda at: 1.0, **({"penalty": lambda at: 1.0} if has_penalty else {})}
    return Separable(values=values, count=count, weight=terms)
