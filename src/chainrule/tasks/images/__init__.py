"""Images into classes: from a recipe and labeled pictures to a network that says what a picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.images._classification import Classification as Classification
    from chainrule.tasks.images._folder_recipe import recipe_for_folder as recipe_for_folder
    from chainrule.tasks.images._predict import predict_pictures as predict_pictures

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {"Classification": "_classification", "predict_pictures": "_predict", "recipe_for_folder": "_folder_recipe"},
)
