"""`chainrule predict`: what a run makes of new inputs: pictures, texts."""

from __future__ import annotations

import argparse

from chainrule.cli.answer import Answer
from chainrule.cli.evaluate import add_together, opened_run
from chainrule.core.errors import UsageError
from chainrule.core.registry import Entry, Registry

ANSWERS = Registry(
    "task",
    [
        ("classify", Entry("chainrule.cli._predict_pictures:answer", "pictures into classes")),
        ("classify-text", Entry("chainrule.cli._predict_texts:answer", "texts into classes")),
        ("masked", Entry("chainrule.cli._predict_masked:answer", "hidden words of texts")),
        ("translate", Entry("chainrule.cli._predict_translations:answer", "sentences into their translations")),
        ("caption", Entry("chainrule.cli._predict_captions:answer", "pictures into sentences about them")),
    ],
)
"""Task -> what answers with its runs: `(run, arguments) -> Answer`."""

WRITING = ("translate", "caption")
"""Tasks whose runs answer with a sentence."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="FILE|FOLDER|-",
        help="pictures, or files with a text a line; - reads standard input",
    )
    parser.add_argument(
        "--text",
        action="append",
        metavar="TEXT",
        help="a text; may be given several times; with [MASK] in it, where the run has learned hidden words",
    )
    parser.add_argument(
        "-n",
        "--count",
        type=int,
        help="how many answers to show for each: of classes and words 5, of what is written 1",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="what to write: a page of pictures (.html), a table of texts (.csv), what is written (.json, or lines)",
    )
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")
    parser.add_argument("--beam", type=int, help="hypotheses of what is written that are followed (as the recipe says)")
    parser.add_argument(
        "--show-beam", action="store_true", help="draw the tree of the search: probabilities, and what pruned each"
    )
    parser.add_argument(
        "--int8", action="store_true", help="weights of 8 bits for what is written: faster, and other answers"
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        dest="compile_it",
        help="compile the network first (needs a C++ compiler): worth it for tens of thousands of pictures",
    )
    add_together(parser)


def run(args: argparse.Namespace) -> Answer:
    """Answer as the run's task asks for.

    Raises:
        UsageError: The run answers in another way.
    """
    opened = opened_run(args)
    task = opened.recipe.task
    if task not in ANSWERS:
        raise UsageError(
            f"{args.run} does not answer new inputs",
            got=f"a run of the task {task}",
            remedy="`chainrule generate` lets language models write",
        )
    if args.int8 and task not in WRITING:
        expected = f"a run of the task {' or '.join(WRITING)}"
        raise UsageError("--int8 is for what is written token by token", expected=expected, got=f"the task {task}")
    answer: Answer = ANSWERS.resolve(task)(opened, args)
    return answer
