"""Runs that classify texts as one graph: from tokens to the probabilities of the classes."""

from __future__ import annotations

import json

from torch import nn

from chainrule.exporting._graph import Axis
from chainrule.exporting._programs import Engine, text_program
from chainrule.exporting._token_graph import Fetched, TokenGraph, Tokens, as_given, said
from chainrule.tasks.runs._run import Run
from chainrule.tasks.text._processing import TextProcessing

SHOWN = """for name, chance in sorted(zip(CLASSES, found[0]), key=lambda pair: -pair[1])[:5]:
        print(f"{chance:.4f}  {name}")"""


def text_graph(run: Run, model: nn.Module) -> TokenGraph:
    """Return the graph of a run of the task classify-text.

    Args:
        run: Of that task.
        model: Its network.
    """
    tokens, prepared = Tokens(run, model), TextProcessing.read(run.processing)

    def told(engine: Engine, length: Axis) -> tuple[str, str]:
        return text_program(engine, SHOWN, length=prepared.length, classes=True), (
            f"Input: tokens, int64 (N, T), each row followed by 0 up to the longest; any N and T{said(length)}.\n"
            f"A text becomes tokens as tokenizer.json says; the run read the first {prepared.length} of each.\n"
            "Output: scores and probabilities, float32 (N, K); the names of the K classes stand in classes.json.\n"
        )

    return TokenGraph(
        tokens,
        unit="text",
        scores=lambda network, given: network(given),
        of_part=lambda part: Fetched(tokens.job.examples(part), as_given),
        encode=lambda text: prepared.tokens(text)[0],
        told=told,
        more={"classes.json": json.dumps(list(prepared.classes), ensure_ascii=False, indent=1)},
    )
