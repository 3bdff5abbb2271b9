"""The recipe: what a training is, as closed, typed, plain data.

A recipe names registered things only: never an import path, nothing that is evaluated. It is checked in two steps.
Here, without torch: the sections, their keys and types, and each `name` against the tables of registered parts. Later,
before any folder is made (`tasks.tables`): the other keys of a named section against the function behind the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.paths import shown
from chainrule.core.sections import (
    OWN,
    Augment,
    CaptionData,
    Data,
    Decode,
    Encoder,
    Generate,
    ImageData,
    Init,
    MaskedData,
    Model,
    Named,
    Optim,
    PairData,
    Penalty,
    Predict,
    Section,
    TextClassesData,
    TextData,
    Train,
    TrainMasked,
    TrainPairs,
    TrainText,
    TrainTexts,
    TrainWords,
    WordData,
    WordModel,
)
from chainrule.core.strict_yaml import format_yaml

FORMAT = 1
CLASSIFY = "classify"
"""The task of a recipe that names none."""


class Names(Protocol):
    """What a table of parts must offer to be checked against."""

    kind: str

    def names(self) -> list[str]: ...
    def __contains__(self, name: object) -> bool: ...


class Recipe(Section):
    """All that a training depends on, whatever the task; each task has its own form of it.

    Source:
        LECTURES A1, A6, B9-B11, C5.
    """

    format: Literal[1] = 1
    about: str = ""
    """One line for lists."""
    task: str
    data: Data
    model: Model
    init: Init = Init()
    loss: Named = Named(name="softmax")
    penalty: Penalty = Penalty()
    optim: Optim = Optim(name="adam")
    schedule: Named = Named(name="constant")
    train: Train

    def to_data(self) -> dict[str, Any]:
        """The resolved recipe as plain data, the data before the model; `recipe_from_data` gives it back."""
        data = self.model_dump(mode="python")
        return {key: data[key] for key in sorted(data, key=_place)}

    def to_yaml(self) -> str:
        """The resolved recipe as YAML."""
        return format_yaml(self.to_data())


class ImageRecipe(Recipe):
    """Images into classes.

    Example:
        >>> recipe = ImageRecipe(data={"name": "digits"}, model={"name": "mlp", "hidden": [64]}, train={"epochs": 2})
        >>> recipe.model.options, recipe.optim.name, recipe.train.batch
        ({'hidden': [64]}, 'adam', 64)
    """

    task: Literal["classify"] = "classify"
    data: ImageData
    augment: Augment = Augment()
    predict: Predict = Predict()


class LanguageRecipe(Recipe):
    """The next token of a text.

    Example:
        >>> data, model = {"name": "tinyshakespeare"}, {"name": "recurrent"}
        >>> recipe = LanguageRecipe(task="language", data=data, model=model, train={"epochs": 2})
        >>> recipe.data.tokenizer.name, recipe.train.monitor, recipe.generate.temperature
        ('characters', 'loss', 0.8)
    """

    task: Literal["language"]
    data: TextData
    model: WordModel
    train: TrainText
    generate: Generate = Generate()


class EmbedRecipe(Recipe):
    """Vectors of words, from the words that stand around them.

    Example:
        >>> data, model = {"name": "tinyshakespeare"}, {"name": "word_embedding", "dim": 50}
        >>> recipe = EmbedRecipe(task="embed", data=data, model=model, train={"epochs": 2})
        >>> recipe.data.pairs, recipe.data.window, recipe.loss.name
        ('skip-gram', 5, 'binary_cross_entropy')
    """

    task: Literal["embed"]
    data: WordData
    model: WordModel
    loss: Named = Named(name="binary_cross_entropy")
    train: TrainWords


class TextClassesRecipe(Recipe):
    """Texts into classes.

    Example:
        >>> data, model = {"name": "sentiment-sentences"}, {"name": "bag_of_words"}
        >>> recipe = TextClassesRecipe(task="classify-text", data=data, model=model, train={"epochs": 2})
        >>> recipe.data.tokenizer.name, recipe.data.order, recipe.train.monitor
        ('words', 'buckets', 'accuracy')
    """

    task: Literal["classify-text"]
    data: TextClassesData
    train: TrainTexts


class MaskedRecipe(Recipe):
    """Hidden words of texts, from all the words around them.

    Example:
        >>> data, model = {"name": "sentiment-sentences"}, {"name": "masked_transformer"}
        >>> recipe = MaskedRecipe(task="masked", data=data, model=model, train={"epochs": 2})
        >>> recipe.data.hidden, recipe.data.masked, recipe.data.random, recipe.train.monitor
        (0.15, 0.8, 0.1, 'loss')
    """

    task: Literal["masked"]
    data: MaskedData
    train: TrainMasked


class WriteRecipe(Recipe):
    """What is read into a sentence about it, which is searched for a token at a time."""

    train: TrainPairs
    teaching: Named = Named(name="forced")
    """What a network is given while it learns to write: what is right, or ever more what it has written itself."""
    decode: Decode = Decode()


class TranslateRecipe(WriteRecipe):
    """Sentences into their translations.

    Example:
        >>> data, model = {"name": "addition", "tokenizer": "characters"}, {"name": "transformer"}
        >>> recipe = TranslateRecipe(task="translate", data=data, model=model, train={"epochs": 2})
        >>> recipe.data.joint, recipe.train.batch, recipe.decode.beam, recipe.teaching.name
        (True, 64, 5, 'forced')
    """

    task: Literal["translate"]
    data: PairData


class CaptionRecipe(WriteRecipe):
    """Pictures into sentences about them.

    Example:
        >>> parts = {"data": {"name": "coco-open-captions"}, "encoder": {"name": "squeezenet", "grid": 7}}
        >>> recipe = CaptionRecipe(task="caption", **parts, model={"name": "caption_attention"}, train={"epochs": 2})
        >>> recipe.data.tokenizer.name, recipe.encoder.size, recipe.decode.beam
        ('words', 224, 5)
    """

    task: Literal["caption"]
    data: CaptionData
    encoder: Encoder


FORMS: Mapping[str, type[Recipe]] = {
    CLASSIFY: ImageRecipe,
    "language": LanguageRecipe,
    "embed": EmbedRecipe,
    "classify-text": TextClassesRecipe,
    "masked": MaskedRecipe,
    "translate": TranslateRecipe,
    "caption": CaptionRecipe,
}
"""Task -> the form of its recipes."""
_ORDER = ("format", "about", "task", "data", "augment", "encoder")


def _place(key: str) -> int:
    """Where a section stands when a recipe is written: what comes first is named, the others follow in order."""
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def fields_of(task: Any) -> dict[str, FieldInfo]:
    """Return the keys and sections of a task's recipes; of all tasks, if it is none that there is.

    Example:
        >>> "augment" in fields_of("language"), "augment" in fields_of(None)
        (False, True)
    """
    if isinstance(task, str) and task in FORMS:
        return dict(FORMS[task].model_fields)
    found: dict[str, FieldInfo] = {}
    for form in FORMS.values():
        found = {**form.model_fields, **found}  # what tasks share is as the first of them has it
    return found


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
    form = _form(data, source)
    try:
        recipe = form.model_validate(_tuples_to_lists(data))
    except ValidationError as error:
        raise _explain(error, form, source) from None
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
        >>> data = {"name": "digits", "features": "hog"}
        >>> recipe = ImageRecipe(data=data, model={"name": "linear"}, train={"steps": 0})
        >>> [(place, part.name) for place, part in named_parts(recipe)][:3]
        [('data', 'digits'), ('data.features', 'hog'), ('model', 'linear')]
    """
    for name in type(recipe).model_fields:
        part = getattr(recipe, name)
        if isinstance(part, Named):
            yield name, part
            for key in type(part).model_fields:
                inside = getattr(part, key)
                found = inside if isinstance(inside, list) else [inside]
                yield from ((f"{name}.{key}", one) for one in found if isinstance(one, Named))


def section_names(task: Any = None) -> list[str]:
    """Names of the sections of a task's recipes; of all tasks, if it is none that there is."""
    return [name for name in fields_of(task) if name not in ("format", "about", "task")]


def _form(data: Mapping[str, Any], source: str) -> type[Recipe]:
    """The form that a recipe's task asks for."""
    task = data.get("task", CLASSIFY)
    if not isinstance(task, str) or task not in FORMS:
        name = str(task)[:60]
        raise RecipeError(f"{source}: there is no task {shown(name)}", remedy=unknown("task", name, list(FORMS)))
    return FORMS[task]


def _tuples_to_lists(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _tuples_to_lists(value) for key, value in data.items()}
    return [_tuples_to_lists(value) for value in data] if isinstance(data, (list, tuple)) else data


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _explain(error: ValidationError, form: type[Recipe], source: str) -> RecipeError:
    """Turn the first of pydantic's findings into a sentence with the key, and name the number of the others."""
    findings = error.errors(include_url=False)
    first = findings[0]
    path = [str(part) for part in first["loc"] if not str(part).startswith("function-")]
    place = ".".join(path)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    if first["type"] == "extra_forbidden":
        *sections, key = path
        fields: Any = form.model_fields
        for section in sections:
            fields = fields[section].annotation.model_fields
        kind = f"key of {'.'.join(sections)}" if sections else "section"
        options = list(fields) if sections else section_names(form.model_fields["task"].default)
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
