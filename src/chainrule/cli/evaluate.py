"""`chainrule evaluate`: measure a run on a part of its data."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.cli._summary import WORDS
from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.tasks import Run

TAKES_SETTINGS = True
DECODE = "decode."


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.usage = "chainrule evaluate RUN [--part PART] [--decode.key value ...]"
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--part",
        choices=("valid", "test", "train"),
        help="which part (default: valid, or test where there is nothing to choose by)",
    )
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")
    parser.add_argument("--int8", action="store_true", help="measure the network with weights of 8 bits")
    add_together(parser)
    parser.epilog = (
        "Translations and captions can be searched for otherwise than the recipe says: --decode.beam 10, "
        "--decode.length_exponent 1.2. Choose such settings on the validation part."
    )


def add_together(parser: argparse.ArgumentParser) -> None:
    """Add what says which networks answer, and how their answers become one."""
    parser.add_argument(
        "--combine",
        metavar="mean|vote|average",
        help="of several networks: the mean of their probabilities, the majority, or the average of their weights",
    )
    parser.add_argument("--snapshots", action="store_true", help="the snapshots of the run answer together")
    parser.add_argument(
        "--dropout-samples", type=int, metavar="N", help="N networks that dropout makes of the run's answer together"
    )


def opened_run(args: argparse.Namespace) -> Run:
    """Open the run, with several of its networks answering as one where that is asked for."""
    from chainrule.tasks import Run

    opened = Run.open(args.run)
    if args.combine is None and not args.snapshots and args.dropout_samples is None:
        return opened
    return opened.combined(args.combine or "mean", snapshots=args.snapshots, dropout_samples=args.dropout_samples)


def run(args: argparse.Namespace) -> Answer:
    """Measure, and show the figures; of classes the confusions too.

    Raises:
        UsageError: A setting that changes nothing of what is measured; a part that the data lack.
    """
    from chainrule.cli._own import module_of

    for path in args.settings:
        if not path.startswith(DECODE):
            raise UsageError(
                f"--{path} is a setting of the training", expected="--decode.key value", remedy="leave it out"
            )
    decode = {path.removeprefix(DECODE): value for path, value in args.settings.items()}
    opened = opened_run(args)
    module = module_of(opened, args.model)
    facts = opened.evaluate(args.part, module=module, int8=args.int8, decode=decode)
    return ANSWERS[opened.recipe.task](facts)


def _of_classes(facts: dict[str, Any]) -> Answer:
    from rich.console import Group

    from chainrule.draw import confusion_text

    slim = {key: value for key, value in facts.items() if key != "mistakes"}
    slim["mistakes"] = [{k: v for k, v in row.items() if k != "picture"} for row in facts["mistakes"]]
    count = facts["count"]
    shares = {"accuracy": facts["accuracy"], **({"top-5": facts["top5"]} if "top5" in facts else {})}
    said = ", ".join(f"{name} {share:.4f} ({round(share * count):,})" for name, share in shares.items())
    sure = [f"{WORDS[name]} {facts[name]:.4f}" for name in ("nll", "ece") if facts[name] is not None]
    size = f"{count:,} {facts.get('examples', 'images')}"
    head = ", ".join([f"{facts['part']}: {said}, loss {facts['loss']:.4f}", *sure, size])
    return Answer(slim, Group(head, *_of_members(facts), confusion_text(facts["confusion"], facts["classes"])))


def _of_members(facts: dict[str, Any]) -> list[Any]:
    """Of networks that answer together: what each reaches, and what they reach by each combination."""
    from rich.table import Column, Table

    if "members" not in facts:
        return []
    names = ("accuracy", "nll", "ece")
    table = Table("network", *(Column(WORDS.get(name, name), justify="right") for name in names), box=None)
    rows = {str(number): one for number, one in enumerate(facts["members"], 1)}
    for label, one in {**rows, **{f"all, {name}": one for name, one in facts["combined"].items()}}.items():
        table.add_row(label, *(f"{one[name]:.4f}" if one.get(name) is not None else "" for name in names))
    return [table]


def _of_pairs(facts: dict[str, Any]) -> Answer:
    figures = f"loss {facts['loss']:.4f}, accuracy {facts['accuracy']:.4f}"
    return Answer(facts, f"{facts['part']}: {figures}, {facts['pairs']:,} pairs")


def _of_text(facts: dict[str, Any]) -> Answer:
    figures = f"{facts['bits']:.4f} bits per character, perplexity {facts['perplexity']:.4g} per token"
    more = f"accuracy {facts['accuracy']:.4f}, loss {facts['loss']:.4f}"
    size = f"{facts['characters']:,} characters, {facts['count']:,} tokens"
    return Answer(facts, f"{facts['part']}: {figures}, {more}, {size}")


def _of_masked(facts: dict[str, Any]) -> Answer:
    figures = f"accuracy {facts['accuracy']:.4f}, perplexity {facts['perplexity']:.4g}, loss {facts['loss']:.4f}"
    return Answer(facts, f"{facts['part']}: {figures}, {facts['words']:,} hidden words of {facts['count']:,} pieces")


def _of_translations(facts: dict[str, Any]) -> Answer:
    bleu = [f"BLEU {facts['bleu']:.2f} ({facts['signature']})"] if "bleu" in facts else []
    exact = f"exact {facts['exact']:.4f}, by a beam of {facts['beam']}, {facts['translated']:,} sentences"
    more = f"perplexity {facts['perplexity']:.4g}, accuracy {facts['accuracy']:.4f}, loss {facts['loss']:.4f} per token"
    return Answer(facts, f"{facts['part']}: {', '.join([*bleu, exact, more])}, {facts['tokens']:,} tokens")


def _of_captions(facts: dict[str, Any]) -> Answer:
    orders = ", ".join(f"BLEU-{n} {score:.2f}" for n, score in enumerate(facts["orders"], 1))
    exact = f"exact {facts['exact']:.4f}, by a beam of {facts['beam']}, {facts['pictures']:,} pictures"
    more = f"perplexity {facts['perplexity']:.4g}, accuracy {facts['accuracy']:.4f}, loss {facts['loss']:.4f} per token"
    size = f"{facts['captions']:,} captions, {facts['tokens']:,} tokens"
    return Answer(facts, f"{facts['part']}: {orders} ({facts['signature']}), {exact}, {more}, {size}")


ANSWERS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "classify": _of_classes,
    "classify-text": _of_classes,
    "language": _of_text,
    "embed": _of_pairs,
    "masked": _of_masked,
    "translate": _of_translations,
    "caption": _of_captions,
}
"""Task -> how what was measured is shown."""
