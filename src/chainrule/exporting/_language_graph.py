"""Runs that write text as one graph: from tokens to the probabilities of the token after each."""

from __future__ import annotations

from torch import nn

from chainrule.core.recipe import LanguageRecipe
from chainrule.data.windows import Scored
from chainrule.exporting._graph import Axis
from chainrule.exporting._programs import Engine, text_program
from chainrule.exporting._token_graph import BEST, Fetched, TokenGraph, Tokens, as_given, said
from chainrule.tasks.runs._run import Run


def language_graph(run: Run, model: nn.Module) -> TokenGraph:
    """Return the graph of a run of the task language.

    A recurrent network begins with an empty state: the graph reads a text from its beginning. Targets are negative
    where none is asked for.

    Args:
        run: Of that task.
        model: Its network.
    """
    assert isinstance(run.recipe, LanguageRecipe)
    tokens, data = Tokens(run, model), run.recipe.data

    def pieces(part: str) -> Fetched:
        place, job = tokens.job.parts[part], tokens.job  # a network that carries its state learns from short pieces
        length = data.before if job.carries else data.counted
        given = Scored(job.tokens, place.start, place.stop, length=length, context=data.before)
        return Fetched(given, as_given)

    def told(engine: Engine, length: Axis) -> tuple[str, str]:
        return text_program(engine, BEST.format(place="found[0, -1]"), length=length.most), (
            f"Input: tokens, int64 (N, T), as tokenizer.json says; any N and T{said(length)}.\n"
            "Output: scores and probabilities of the token after each, float32 (N, T, V). Every call reads a text\n"
            "from its beginning: no state goes in or out.\n"
        )

    return TokenGraph(
        tokens,
        unit="piece of text",
        scores=lambda network, given: network(given, None)[0],
        of_part=pieces,
        encode=lambda text: tokens.tokenizer.encode(text)[: data.length],
        told=told,
    )
