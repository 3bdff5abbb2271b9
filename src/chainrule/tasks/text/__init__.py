"""Texts into classes: from a recipe and texts to a network that says which class a text belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tasks.text._classification import TextClassification as TextClassification
    from chainrule.tasks.text._predict import predict_texts as predict_texts

__getattr__, __dir__, __all__ = lazy(__name__, {"TextClassification": "_classification", "predict_texts": "_predict"})
