"""What the network of a run answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from chainrule.core.recipe import TranslateRecipe
from chainrule.data.tokenizers import Tokenizer
from chainrule.decoding import WHY, Candidate
from chainrule.tasks.job._search_settings import decode_settings
from chainrule.tasks.sequences._tokenizer import token_text
from chainrule.tasks.translate._decode import Translated, translate
from chainrule.tasks.translate._tokens import Tokens

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def translated(
    run: Run,
    texts: Sequence[str],
    *,
    beam: int | None,
    length_exponent: float | None,
    no_repeat: int | None,
    best: int,
    module: nn.Module | None,
    int8: bool,
    candidates: list[dict[str, Any]] | None,
) -> list[Translated]:
    """Return the translations of sentences by the network of a run; see `Run.translate`."""
    assert isinstance(run.recipe, TranslateRecipe)
    how = decode_settings(run.recipe, beam=beam, length_exponent=length_exponent, no_repeat=no_repeat)
    tokens = Tokens.stored(run.recipe, run.processing)
    told: list[Candidate] = []
    watch = None if candidates is None else told.append
    found = translate(run.model(module, int8=int8), tokens, texts, how, best=best, watch=watch)
    if candidates is not None:
        candidates += [candidate_data(one, tokens.target) for one in told]
    return found


def candidate_data(one: Candidate, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return a candidate as plain data, its token as text."""
    return {
        "step": one.step,
        "parent": list(one.parent),
        "token": one.token,
        "text": token_text(tokenizer, one.token),
        "log_p": one.log_p,
        "total": one.total,
        "fate": one.fate,
        "why": WHY.get(one.why, ""),
    }
