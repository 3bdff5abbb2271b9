"""The recipe: what a training is, as closed, typed, plain data.

A recipe names registered things only: never an import path, nothing that is evaluated. It is checked in two steps.
Here, without torch: the sections, their keys and types, and each `name` against the tables of registered parts. Later,
before any folder is made (`tasks.tables`): the other keys of a named section against the function behind the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.paths import shown
from chainrule.core.strict_yaml import format_yaml

FORMAT = 1
OWN = "own"
"""The model name of a network that a person handed over as `--model FILE.py:NAME` or in Python."""
CARD = "card"
"""The normalization that stands on a model's card."""

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Names(Protocol):
    """What a table of parts must offer to be checked against."""

    kind: str

    def names(self) -> list[str]: ...
    def __contains__(self, name: object) -> bool: ...


class Section(BaseModel):
    """A part of a recipe whose keys are all known."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Named(BaseModel):
    """A part of a recipe that names a registered function; the other keys are that function's options."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(strict=True)]
    """Which of the registered parts."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `name`."""
        return dict(self.model_extra or {})


class Data(Named):
    """Which data set, how it is split, what is made of its images; other keys are options of the source."""

    validation: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the training images set aside to choose by; stratified by class."""
    test_share: Annotated[Share, Field(gt=0)] = 0.2
    """Share set aside as the test part where the data set has no official one."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Seed of the split; the seed of the training when left out."""
    normalize: Literal["channel", "pixel", "none", "card"] = "channel"
    """Subtract the mean of the training part and divide by its deviation: per channel or per pixel. `card`: those that
    the model's card says, which also hold when `model.weights` are given and nothing is said here."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many training images, stratified by class."""
    features: list[Named] = []
    """What a classifier is given in place of the image: names, or names with options: `[hog, {name: hog, cell: 4}]`."""

    @field_validator("features", mode="before")
    @classmethod
    def _names_alone(cls, value: Any) -> Any:
        """`hog` stands for `[hog]`, and `hog` in the list for `{name: hog}`."""
        parts = [value] if isinstance(value, str | dict) else value
        if not isinstance(parts, list) or not all(isinstance(part, str | dict | Named) for part in parts):
            raise ValueError(f"features are a list of names, with options or without, not {_show(value)}")
        return [{"name": part} if isinstance(part, str) else part for part in parts]

    @field_validator("features")
    @classmethod
    def _no_feature_twice(cls, value: list[Named]) -> list[Named]:
        if twice := [part.name for number, part in enumerate(value) if part in value[:number]]:
            raise ValueError(f"{twice[0]} is there twice, with the same options")
        return value


class Model(Named):
    """Which network, and the weights that it begins with; other keys are options of the network."""

    weights: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """Published weights by their name on the model's card, or the path of a file (.safetensors, .pth)."""
    weights_key: Annotated[str, Field(strict=True)] | None = None
    """The table of tensors in a .pth file that holds more than one thing."""

    @model_validator(mode="after")
    def _key_of_weights(self) -> Model:
        if self.weights_key is not None and self.weights is None:
            raise ValueError("weights_key says where in a file of weights they are: it needs model.weights")
        return self


class Augment(Section):
    """Changes of the training images, drawn anew for every image and epoch; all off by default."""

    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of mirroring left and right."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Shift by up to so many pixels each way, filled with the average."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side of a square that is blanked, in pixels."""
    brightness: Annotated[float, Field(ge=0)] = 0.0
    """Add up to so many standard deviations."""
    contrast: Annotated[Share, Field()] = 0.0
    """Scale by 1 - c to 1 + c."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """The a of Beta(a, a): mix each image with another one of the training set."""


class Init(Section):
    """How the weights of fully connected layers and convolutions are drawn."""

    scheme: Literal["own", "gaussian", "xavier", "xavier_average", "he", "orthogonal", "dirac", "default"] = "own"
    """`own`: as the network draws them. The others: `chainrule.nn.initialize`."""
    bias: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Value of every bias; needs a scheme. As the scheme has it when left out."""
    first: Literal["as the others", "whiten"] = "as the others"
    """`whiten`: the first convolution whitens patches of training images: `chainrule.nn.whiten`."""

    @model_validator(mode="after")
    def _bias_of_a_scheme(self) -> Init:
        if self.bias is not None and self.scheme == "own":
            raise ValueError("a bias needs a scheme, such as he")
        return self


class Penalty(Section):
    """R(W) of the full loss, and what it applies to."""

    l2: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the sum of squares."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the sum of absolute values."""
    on: Literal["weights", "all"] = "weights"
    """What penalties and the optimizer's weight decay apply to: weights alone, or biases and norms as well."""


class Train(Section):
    """How long, in which groups, and what is kept."""

    epochs: Positive | None = None
    """Passes over the training part; give either epochs or steps."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Updates of the weights; give either epochs or steps."""
    batch: Count = 64
    """Images a step."""
    parts: Count = 1
    """Pieces in which a step's images go through the network; less memory, the same step."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of weights, order, augmentation and dropout."""
    freeze: list[str] = []
    """Parameters that stay as they are, by name; `*` stands for any letters: `["conv1.*", "*bn*.weight"]`."""
    clip_norm: Positive | None = None
    """Scale the gradient down to this norm when it is larger."""
    clip_value: Positive | None = None
    """Clip each element of the gradient to plus or minus this."""
    ema: Annotated[Share, Field(gt=0)] | None = None
    """Decay of an exponential moving average of the weights, which is then what is evaluated and kept."""
    monitor: Literal["accuracy", "loss"] = "accuracy"
    """The validation metric that chooses the best weights."""
    patience: Count | None = None
    """Stop after so many evaluations without a new best."""
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between evaluations; 0: once an epoch."""
    evaluate_batch: Count = 500
    """Images in a group while evaluating."""
    keep_every: Annotated[int, Field(ge=0)] = 200
    """Steps between checkpoints; 0: only the first, the best and the last."""
    keep: Count = 2
    """Recent checkpoints that stay on disk, beside the best."""
    log_every: Annotated[int, Field(ge=0)] = 0
    """Steps between lines of training metrics; 0: chosen so that there are at most 5,000."""
    look_every: Annotated[int, Field(ge=0)] | None = 0
    """Steps between looks at each layer (outputs, gradients, update ratio); 0: chosen so that they cost little; null:
    never."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, to `tensorboard` in the run folder; needs `chainrule[track]`."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that prepare the data; the results do not depend on it."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of the computation; 0: torch's choice. The last bits of the results depend on it."""
    test: bool = True
    """Read the test part, once, at the end, with the best weights."""

    @model_validator(mode="after")
    def _one_length(self) -> Train:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self


class Predict(Section):
    """How the trained network answers, in evaluation as in prediction."""

    flip: bool = False
    """Test-time augmentation: the mean of the scores of an image and of its mirror image."""


class Recipe(Section):
    """All that a training depends on.

    Example:
        >>> recipe = Recipe(data={"name": "digits"}, model={"name": "mlp", "hidden": [64]}, train={"epochs": 2})
        >>> recipe.model.options, recipe.optim.name, recipe.train.batch
        ({'hidden': [64]}, 'adam', 64)

    Source:
        LECTURES A1, A6, B9-B11, C5.
    """

    format: Literal[1] = 1
    about: str = ""
    """One line for lists."""
    task: Literal["classify"] = "classify"
    data: Data
    augment: Augment = Augment()
    model: Model
    init: Init = Init()
    loss: Named = Named(name="softmax")
    penalty: Penalty = Penalty()
    optim: Named = Named(name="adam")
    schedule: Named = Named(name="constant")
    train: Train
    predict: Predict = Predict()

    def to_data(self) -> dict[str, Any]:
        """The resolved recipe as plain data; `from_data` gives the same recipe back."""
        return self.model_dump(mode="python")

    def to_yaml(self) -> str:
        """The resolved recipe as YAML."""
        return format_yaml(self.to_data())


def recipe_from_data(data: Any, tables: Mapping[str, Names], *, source: str = "the recipe") -> Recipe:
    """Check plain data and return the recipe.

    Args:
        data: Sections as dictionaries.
        tables: Place in the recipe -> table of the parts that a `name` there may name, as `named_parts` calls it.
        source: What errors call it.

    Raises:
        RecipeError: An unknown key or name (the nearest is suggested), a wrong type or range; which key, what was
            expected, what was found.
    """
    if not isinstance(data, dict):
        raise RecipeError(f"{source} is no recipe", expected="sections such as `data:` and `train:`", got=_show(data))
    require_format(data, source)
    try:
        recipe = Recipe.model_validate(_tuples_to_lists(data))
    except ValidationError as error:
        raise _explain(error, source) from None
    for place, part in named_parts(recipe):
        table, name = tables[place], part.name
        if name not in table and not (place == "model" and name == OWN):
            raise RecipeError(
                f"{source}: {place}.name: there is no {table.kind} {shown(name[:60])}",
                remedy=unknown(table.kind, name, table.names()),
            )
    return recipe


def require_format(data: Mapping[str, Any], source: str) -> None:
    """Refuse a recipe or study of another version.

    Raises:
        RecipeError: Its `format` is not ours.
    """
    if data.get("format", FORMAT) != FORMAT:
        raise RecipeError(
            f"{source} has a format that this version does not know",
            expected=f"format: {FORMAT}",
            got=_show(data["format"]),
            remedy="use a newer chainrule",
        )


def named_parts(recipe: Recipe) -> Iterator[tuple[str, Named]]:
    """Yield every part of a recipe that names a registered function, with its place.

    Example:
        >>> recipe = Recipe(data={"name": "digits", "features": "hog"}, model={"name": "linear"}, train={"steps": 0})
        >>> [(place, part.name) for place, part in named_parts(recipe)][:3]
        [('data', 'digits'), ('data.features', 'hog'), ('model', 'linear')]
    """
    yield "data", recipe.data
    yield from (("data.features", part) for part in recipe.data.features)
    for section in ("model", "loss", "optim", "schedule"):
        yield section, getattr(recipe, section)


def section_names() -> list[str]:
    """Names of the sections of a recipe."""
    return [name for name in Recipe.model_fields if name not in ("format", "about", "task")]


def _tuples_to_lists(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _tuples_to_lists(value) for key, value in data.items()}
    return [_tuples_to_lists(value) for value in data] if isinstance(data, (list, tuple)) else data


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _explain(error: ValidationError, source: str) -> RecipeError:
    """Turn the first of pydantic's findings into a sentence with the key, and name the number of the others."""
    findings = error.errors(include_url=False)
    first = findings[0]
    path = [str(part) for part in first["loc"] if not str(part).startswith("function-")]
    place = ".".join(path)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    if first["type"] == "extra_forbidden":
        *sections, key = path
        fields: Any = Recipe.model_fields
        for section in sections:
            fields = fields[section].annotation.model_fields
        kind = f"key of {'.'.join(sections)}" if sections else "section"
        options = list(fields) if sections else section_names()
        return RecipeError(
            f'{source}: there is no {kind} "{key}"{more}',
            remedy=unknown("key" if sections else "section", key, options),
        )
    if first["type"] == "missing":
        return RecipeError(
            f"{source}: {place} is missing{more}",
            remedy=f"add `{place.replace('.', ': {')}: ...`" if "." not in place else f"add {place}",
        )
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return RecipeError(
        f"{source}: {place}: {message}{more}", got=_show(first.get("input")) if first["type"] != "value_error" else None
    )
