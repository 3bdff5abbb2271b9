"""Runs that fill in hidden words as one graph: from tokens to the probabilities of the token at each place."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from chainrule.data import Batch
from chainrule.data.masked_texts import Blanks
from chainrule.data.windows import IGNORED
from chainrule.exporting._graph import Axis
from chainrule.exporting._programs import Engine, text_program
from chainrule.exporting._token_graph import BEST, Fetched, TokenGraph, Tokens, said
from chainrule.tasks.masked._predict import HIDDEN, hidden_tokens, longest_text, mask_of
from chainrule.tasks.runs._run import Run


def masked_graph(run: Run, model: nn.Module) -> TokenGraph:
    """Return the graph of a run of the task masked. All places are answered, not those alone that are hidden.

    Args:
        run: Of that task.
        model: Its network.
    """
    tokens, longest = Tokens(run, model), longest_text(run)
    mask = mask_of(tokens.tokenizer)

    def told(engine: Engine, length: Axis) -> tuple[str, str]:
        shown = f"place = given[0].tolist().index({mask})\n    " + BEST.format(place="found[0, place]")
        return text_program(engine, shown, length=longest, hidden=(HIDDEN, mask)), (
            f"Input: tokens, int64 (N, T), each row followed by 0; any N and T{said(length)}. A hidden word is "
            f"the token {mask}.\n"
            "Output: scores and probabilities of the token at each place, float32 (N, T, V).\n"
        )

    def encode(text: str) -> Tensor:
        return hidden_tokens(tokens.tokenizer, longest, text, "a line") if text else torch.zeros(0).long()

    return TokenGraph(
        tokens,
        unit="text",
        scores=every_place,
        of_part=lambda part: Fetched(tokens.job.examples(part), with_hidden),
        encode=encode,
        told=told,
    )


def with_hidden(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return tokens (B, T), some of them hidden, and these (B, T), negative at all other places."""
    blanks = batch.inputs
    targets = torch.full((blanks.tokens.numel(),), IGNORED).index_copy(0, blanks.places, batch.targets)
    return blanks.tokens, targets.view(blanks.tokens.shape)


def every_place(network: nn.Module, tokens: Int64[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
    """Return the scores of all places, of which a network that fills in words computes those that it is asked for."""
    scores: Tensor = network(Blanks(tokens, torch.arange(tokens.numel())))
    return scores.unflatten(0, tokens.shape)
