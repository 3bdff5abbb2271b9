"""Features that a recipe names: which, and what they cannot go together with."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.core.errors import RecipeError
from chainrule.core.recipe import ImageRecipe
from chainrule.core.sections import Augment, Named
from chainrule.data import Feature, Features
from chainrule.ops import FEATURES
from chainrule.tasks.tables import all_options


def features_of(parts: Sequence[Named]) -> Features:
    """Return the features of a list of names with options.

    Raises:
        RecipeError: An unknown option, or one of the wrong type.

    Example:
        >>> str(features_of([Named(name="hog", cell=4)]).parts[0])
        'hog (cell 4, bins 9, block 2, vote linear)'
    """
    return Features(
        [
            Feature(part.name, FEATURES.resolve(part.name), all_options(FEATURES, part, "data.features"))
            for part in parts
        ]
    )


def check_features(recipe: ImageRecipe) -> None:
    """Check that nothing that changes pictures is asked for beside features.

    Raises:
        RecipeError: Augmentation, or answers for mirror images: features are computed once, of the picture as it is.
    """
    if not recipe.data.features:
        return
    asked = {f"augment.{key}": value for key, value in recipe.augment.model_dump().items()}
    usual = {f"augment.{key}": value for key, value in Augment().model_dump().items()}
    changed = [key for key, value in asked.items() if value != usual[key]]
    if recipe.predict.flip:
        changed.append("predict.flip")
    if changed:
        name = changed[0]
        value = recipe.predict.flip if name == "predict.flip" else asked[name]
        raise RecipeError(
            "features are computed once, of the pictures as they are",
            expected="no augmentation beside data.features",
            got=f"{name}: {value}",
            remedy=" ".join(f"--{key} {'false' if key == 'predict.flip' else 0}" for key in changed),
        )
