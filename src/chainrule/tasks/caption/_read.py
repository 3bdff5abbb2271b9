"""A picture whose caption is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from chainrule.core.recipe import CaptionRecipe
from chainrule.data.tokenizers import START
from chainrule.models import Captioner
from chainrule.tasks.caption._describe import describe
from chainrule.tasks.caption._processing import CaptionProcessing, picture_name
from chainrule.tasks.explaining._reading import ANSWERS, Reading, Seen, Source
from chainrule.tasks.explaining._written import question_about
from chainrule.tasks.sequences._tokenizer import token_text
from chainrule.tasks.translate._decode import encoded

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def read_picture(run: Run, model: nn.Module, picture: Source, at: int | None) -> Reading:
    """Return a picture with its caption, and the score of the caption, or of one of its tokens.

    A step of the network writes a token, and is named by it: it reads the one before, and the regions of the picture
    are its memory.

    Args:
        run: Of a network that writes captions.
        model: It.
        picture: A file, or what stands in it.
        at: Which token of the caption is asked about, from 1; all of them where left out.

    Raises:
        UsageError: There is no such token.
        DataError: The picture cannot be read.

    Source:
        LECTURES G8, H5. Xu et al. 2015, Show, attend and tell, 5.4.
    """
    assert isinstance(run.recipe, CaptionRecipe)
    assert isinstance(model, Captioner)
    prepared, how, name = CaptionProcessing.read(run.processing), run.recipe.decode, picture_name(picture)
    pictures = prepared.pictures([picture])
    with torch.no_grad():
        regions = model.regions(prepared.inputs(pictures))
    (one,) = describe(model, prepared.tokenizer, regions, [name], how, best=min(how.beam, ANSWERS))
    question = question_about(one, prepared.tokenizer, at, what="caption")
    _, height, width = prepared.regions
    return Reading(
        one.output,
        [token_text(prepared.tokenizer, token) for token in one.tokens],
        (torch.tensor([[START, *one.tokens[:-1]]]), encoded(model, regions)),
        question.output,
        question.asked,
        question.step,
        question.answers,
        [f"row {row} column {column}" for row in range(1, height + 1) for column in range(1, width + 1)],
        Seen(name, pictures[0], (height, width)),
    )
