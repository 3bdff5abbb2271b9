"""What the network of a run writes about pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.recipe import CaptionRecipe
from chainrule.decoding import Candidate
from chainrule.draw.captioned import captions_html
from chainrule.models import Captioner
from chainrule.nn import packed_weights
from chainrule.tasks.caption._describe import Captioned, describe
from chainrule.tasks.caption._facts import captioned_facts
from chainrule.tasks.caption._processing import CaptionProcessing, picture_name
from chainrule.tasks.job._search_settings import decode_settings
from chainrule.tasks.translate._answers import candidate_data

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

GROUP = 16
"""Pictures that are seen at once."""
DRAWN = 40
"""So many pictures are drawn on a page."""


def captioned(
    run: Run,
    sources: Sequence[str | Path | bytes],
    *,
    beam: int | None,
    length_exponent: float | None,
    no_repeat: int | None,
    best: int,
    module: nn.Module | None,
    int8: bool,
    candidates: list[dict[str, Any]] | None,
) -> list[Captioned]:
    """Return what the network of a run writes about pictures; see `Run.caption`."""
    assert isinstance(run.recipe, CaptionRecipe)
    how = decode_settings(run.recipe, beam=beam, length_exponent=length_exponent, no_repeat=no_repeat)
    prepared, model = CaptionProcessing.read(run.processing), packed_weights(_of(run, module, int8))
    assert isinstance(model, Captioner)
    told: list[Candidate] = []
    watch = None if candidates is None else told.append
    found = []
    for begin in range(0, len(sources), GROUP):
        group = sources[begin : begin + GROUP]
        regions = _regions(model, prepared, prepared.pictures(group))
        names = [picture_name(source) for source in group]
        found += describe(model, prepared.tokenizer, regions, names, how, best=best, watch=watch)
    if candidates is not None:
        candidates += [candidate_data(one, prepared.tokenizer) for one in told]
    return found


def caption_page(
    run: Run,
    sources: Sequence[str | Path | bytes],
    answers: Sequence[Captioned],
    module: nn.Module | None = None,
    int8: bool = False,
) -> str:
    """Return the page of some captions: each picture as the network was given it, and where it looked for each word.

    Args:
        run: Whose network wrote them.
        sources: The pictures, as they were given to `run.caption`.
        answers: What it wrote.
        module: For a run of one's own network.
        int8: Whether it wrote them with weights of 8 bits.

    Raises:
        DataError: A picture cannot be read any more.
    """
    prepared, model = CaptionProcessing.read(run.processing), _of(run, module, int8)
    facts = []
    for source, one in list(zip(sources, answers))[:DRAWN]:
        pictures = prepared.pictures([source])
        regions = _regions(model, prepared, pictures)
        others = [{"output": text, "log_p": log_p} for text, log_p in one.others]
        facts.append({**captioned_facts(model, prepared, one, pictures[0], regions), "others": others})
    return captions_html(run.info["name"], facts, count=len(answers))


def _of(run: Run, module: nn.Module | None, int8: bool) -> Captioner:
    model = run.model(module, int8=int8)
    assert isinstance(model, Captioner)
    return model


def _regions(model: Captioner, prepared: CaptionProcessing, pictures: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.regions(prepared.inputs(pictures))
