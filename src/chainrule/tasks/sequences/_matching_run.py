"""What a recipe and the run whose weights it begins with must have in common: tokens, network, unread texts."""

from __future__ import annotations

from chainrule.core.errors import ChainruleError, RecipeError
from chainrule.core.folder import RunFolder
from chainrule.core.paths import shown
from chainrule.core.recipe import MaskedRecipe, Recipe, TextClassesRecipe
from chainrule.core.sections import OWN
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.tokenizers import Tokenizer, read_tokenizer
from chainrule.tasks.job._given_run import given_run
from chainrule.tasks.tables import TABLES, all_options, open_recipe

UNSEEN = ("num_heads", "activation", "order", "positions", "read")
"""Options of a network that the shapes of its weights do not show."""


def check_given_run(recipe: Recipe, tokenizer: Tokenizer) -> None:
    """Refuse weights whose run reads other tokens, or whose network is another one of the same shapes.

    Args:
        recipe: Whose weights are given.
        tokenizer: With which its texts are read.

    Raises:
        RecipeError: Says what differs, and which setting takes it over.
    """
    folder = given_run(recipe)
    if folder is None:
        return
    processing = folder.read_json(folder.processing)
    said = processing.get("tokenizer") if isinstance(processing, dict) else None
    if isinstance(said, str):
        other = read_tokenizer(said)
        if other.to_json() != tokenizer.to_json():
            raise RecipeError(
                f"model.weights: the network of {shown(folder.path)} reads other tokens",
                expected=f"its tokenizer, of {len(other.vocabulary):,} tokens",
                got=f"data.tokenizer: {recipe.to_data()['data']['tokenizer']['name']}, "
                f"of {len(tokenizer.vocabulary):,} tokens",
                remedy=f"--data.tokenizer.name stored --data.tokenizer.file {folder.path}",
            )
    if folder.recipe.is_file():
        _check_network(recipe, open_recipe(str(folder.recipe)), folder)


def _check_network(recipe: Recipe, other: Recipe, folder: RunFolder) -> None:
    if OWN in (recipe.model.name, other.model.name):
        return
    here, there = (all_options(TABLES["model"], one.model, "model") for one in (recipe, other))
    for key in UNSEEN:
        if key in here and key in there and here[key] != there[key]:
            raise RecipeError(
                f"model.weights: the network of {shown(folder.path)} is another one",
                expected=f"model.{key}: {there[key]}",
                got=here[key],
                remedy=f"--model.{key} {there[key]}",
            )


def check_unread(recipe: TextClassesRecipe, texts: LabeledTexts, parts: dict[str, list[int]]) -> None:
    """Refuse a split whose validation or test part the given weights have learned from, though without its classes.

    Args:
        recipe: Whose weights are given.
        texts: Of the recipe.
        parts: What is measured on: part -> its texts.

    Raises:
        RecipeError: Says how many texts, and how both come to the same split.
    """
    folder = given_run(recipe)
    if folder is None or not folder.recipe.is_file():
        return
    try:
        other = open_recipe(str(folder.recipe))
    except ChainruleError:  # of parts that are not installed here: its data are not these
        return
    data = recipe.data
    if not isinstance(other, MaskedRecipe) or (other.data.name, other.data.options) != (data.name, data.options):
        return
    seed = other.train.seed if other.data.split_seed is None else other.data.split_seed
    shares = {"validation": other.data.validation, "test_share": other.data.test_share}
    read = texts.parts(seed=seed, limit=other.data.limit, **shares)
    known = {texts.texts[number] for number in read["train"].tolist()}
    for part, index in parts.items():
        count = sum(texts.texts[number] in known for number in index)
        if count:
            raise RecipeError(
                f"model.weights: the network of {shown(folder.path)} has read {count:,} of the {len(index):,} texts of "
                f"the part {part}",
                expected="texts that are new to it: the split of that run",
                remedy=f"--data.split_seed {seed} --data.validation {shares['validation']:g} "
                f"--data.test_share {shares['test_share']:g}",
            )
