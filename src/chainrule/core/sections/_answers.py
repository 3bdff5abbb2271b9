"""The sections `decode`, `generate` and `predict`: how a trained network answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chainrule.core.sections._base import Count, Section


class Decode(Section):
    """How the trained network writes translations or captions where nothing else is asked for."""

    beam: Count = 5
    """Hypotheses that are followed; 1: greedy."""
    length_exponent: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Sums of log p are divided by length to this power; 0 prefers short ones."""
    no_repeat: Annotated[int, Field(ge=0)] = 0
    """No sequence of so many tokens is written twice; 0: any."""
    length: Count = 100
    """The most tokens of a translation or caption."""
    most: Count = 2000
    """So many sentences or pictures of a part, its first ones, are written about to measure BLEU and exact matches."""


class Generate(Section):
    """How the trained network writes where nothing else is asked for."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.8
    """Scores are divided by it before the softmax; 0 takes the most probable token."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Draw among so many most probable tokens."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draw among the fewest most probable tokens that hold this share."""
    length: Count = 400
    """Tokens that are written."""
    prompt: str = ""
    """What the samples of the report begin with; the beginning of the validation part where it is empty."""


class Predict(Section):
    """How the trained network answers, in evaluation as in prediction."""

    flip: bool = False
    """Test-time augmentation: the mean of the scores of an image and of its mirror image."""
