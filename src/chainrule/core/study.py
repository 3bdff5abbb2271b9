"""A study: recipes that are trained one after the other and compared, as closed, plain data.

```yaml
format: 1
about: one line for lists
all: {train.epochs: 8}                                        # laid over every recipe
compare:                                                      # or a list of recipes: [digits-mlp, mine.yaml]
  plain-20: {recipe: cifar10-resnet20, model.shortcut: none}  # a recipe, and settings of its own
  residual-20: cifar10-resnet20
```

As with recipes nothing is run or imported. Which recipes the names mean is looked up later (`tasks.tables`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chainrule.core.errors import RecipeError, unknown
from chainrule.core.folder import RunFolder
from chainrule.core.paths import shown
from chainrule.core.recipe import FORMAT, fields_of, require_format
from chainrule.core.settings import lay_over
from chainrule.core.strict_yaml import format_yaml

MOST: Final = 24
"""Recipes of one study: so many lines can be told apart in a chart."""
KEYS: Final = ("format", "about", "all", "compare")

_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?")
_TAKEN: Final = frozenset(
    getattr(RunFolder(Path()), name).name for name, kind in vars(RunFolder).items() if isinstance(kind, property)
)


@dataclass(frozen=True)
class Member:
    """One of the recipes of a study.

    Args:
        recipe: A name, a path, or a whole recipe as plain data.
        settings: Laid over it, such as `{"optim.lr": 0.01}`.
    """

    recipe: str | Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> Any:
        """The member as a study file has it."""
        if isinstance(self.recipe, Mapping):
            return lay_over(dict(self.recipe), self.settings)
        return {"recipe": self.recipe, **self.settings} if self.settings else self.recipe


@dataclass(frozen=True)
class Study:
    """Recipes by label, each with the settings of its own, and settings for all of them.

    Args:
        members: Label -> recipe; the label is also the name of its folder.
        settings: Laid over every recipe, below its own settings.
        about: One line for lists.

    Source:
        LECTURES C8, D6.
    """

    members: Mapping[str, Member]
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""

    def to_data(self) -> dict[str, Any]:
        """The study as plain data; `study_from_data` gives the same study back."""
        return {
            "format": FORMAT,
            "about": self.about,
            **({"all": dict(self.settings)} if self.settings else {}),
            "compare": {label: member.to_data() for label, member in self.members.items()},
        }

    def to_yaml(self) -> str:
        """The study as YAML."""
        return format_yaml(self.to_data())


def is_study(data: Any) -> bool:
    """Return whether plain data are meant as a study, and not as one recipe.

    Example:
        >>> is_study({"compare": ["digits-mlp", "digits-svm"]}), is_study({"data": {"name": "digits"}})
        (True, False)
    """
    return isinstance(data, Mapping) and "compare" in data


def is_label(text: Any) -> bool:
    """Return whether a text can be the label of a study's member: a plain name for a folder, and no file's of a run.

    Example:
        >>> [is_label(text) for text in ("plain-20", "lr-0.1", "../up", "run.json", "")]
        [True, True, False, False, False]
    """
    plain = isinstance(text, str) and _LABEL.fullmatch(text) is not None
    return plain and text.casefold() not in _TAKEN and ".tmp-" not in text  # so end temporaries, which are cleaned up


def study_from_data(data: Any, *, source: str = "the study", folder: Path | None = None) -> Study:
    """Check plain data and return the study. Its recipes are not looked for yet.

    Args:
        data: As in a study file.
        source: What errors call it.
        folder: Where paths of recipes start; they are taken as they are when left out.

    Raises:
        RecipeError: An unknown key, a label that is no name for a folder or occurs twice, fewer than two recipes or
            too many, a member that names no recipe, a setting that no recipe can have.

    Example:
        >>> study = study_from_data({"compare": {"a": "digits-mlp", "b": {"recipe": "digits-mlp", "optim.lr": 0.1}}})
        >>> study.members["b"]
        Member(recipe='digits-mlp', settings={'optim.lr': 0.1})
    """
    for key in data:
        if key not in KEYS:
            inside = f"settings of all stand under `all:`, as `all: {{{key}.KEY: VALUE}}`"
            remedy = inside if key in fields_of(None) else unknown("key", str(key), KEYS)
            raise RecipeError(f"{source}: there is no key {shown(str(key)[:60])} of a study", remedy=remedy)
    require_format(data, source)
    about = data.get("about", "")
    if not isinstance(about, str):
        raise RecipeError(f"{source}: about is one line of text", got=_show(about))
    members = _members(data["compare"], source, folder)
    return Study(members, _settings(data.get("all") or {}, f"{source}: all"), about)


def _members(value: Any, source: str, folder: Path | None) -> dict[str, Member]:
    if isinstance(value, (list, tuple)):
        pairs = [(_stem(item, source), item) for item in value]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        expected = "a list of recipes, or recipes by label"
        raise RecipeError(f"{source}: compare names no recipes", expected=expected, got=_show(value))
    if not 2 <= len(pairs) <= MOST:
        raise RecipeError(
            f"{source} compares too {'few' if len(pairs) < 2 else 'many'} recipes",
            expected=f"2 to {MOST}",
            got=len(pairs),
        )
    seen: dict[str, str] = {}
    for label, _ in pairs:
        if not is_label(label):
            raise RecipeError(
                f"{source}: {shown(str(label)[:80])} cannot be a label, which is the name of a folder too",
                expected="up to 64 letters, digits, - _ and . with a letter or digit at both ends, and no file's name",
                remedy="write `compare:` as LABEL: RECIPE" if isinstance(value, (list, tuple)) else None,
            )
        if (other := seen.setdefault(label.casefold(), label)) != label or sum(label == one for one, _ in pairs) > 1:
            raise RecipeError(
                f"{source}: two recipes have the label {shown(label)}",
                got=None if other == label else f"{shown(other)}, which some disks take for the same name",
                remedy="write `compare:` as LABEL: RECIPE, each label once",
            )
    return {label: _member(item, f"{source}: compare.{label}", folder) for label, item in pairs}


def _stem(item: Any, source: str) -> str:
    """The label of a recipe in a list."""
    if not isinstance(item, str):
        raise RecipeError(
            f"{source}: a list under `compare:` holds names and paths of recipes",
            got=_show(item),
            remedy="write `compare:` as LABEL: {recipe: NAME, section.key: value}",
        )
    return item if is_label(item) and not item.endswith((".yaml", ".yml")) else Path(item).stem


def _member(item: Any, place: str, folder: Path | None) -> Member:
    if isinstance(item, str):
        return Member(_placed(item, folder))
    if not isinstance(item, Mapping):
        raise RecipeError(f"{place} is no recipe", expected="a name, a path, or {recipe: NAME, ...}", got=_show(item))
    if is_study(item):
        raise RecipeError(f"{place} is a study itself", expected="a recipe of one training")
    if "recipe" not in item:
        if {"data", "model"} & set(item):
            return Member(dict(item))
        raise RecipeError(f"{place} names no recipe", remedy="add `recipe: NAME`; `chainrule recipes` lists them")
    if not isinstance(item["recipe"], str):
        raise RecipeError(f"{place}: recipe is a name or a path", got=_show(item["recipe"]))
    settings = {key: value for key, value in item.items() if key != "recipe"}
    return Member(_placed(item["recipe"], folder), _settings(settings, place))


def _placed(recipe: str, folder: Path | None) -> str:
    """A path starts where the study file stands; a name stays."""
    is_path = "/" in recipe or recipe.endswith((".yaml", ".yml"))
    return str(folder / recipe) if folder is not None and is_path else recipe


def _settings(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise RecipeError(f"{place} holds no settings", expected="section.key: value", got=_show(value))
    for key in value:
        section, dot, name = str(key).partition(".")
        if not dot or not name:
            raise RecipeError(
                f"{place}: {shown(str(key)[:60])} is no setting of a recipe",
                expected="section.key: value, such as optim.lr: 0.01",
                remedy=unknown("section", section, fields_of(None)),
            )
    try:
        lay_over({}, value)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error.what}", remedy=error.remedy) from None
    return dict(value)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
