"""`chainrule generate`: what a language model writes."""

from __future__ import annotations

import argparse

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--prompt", default="", help="what the text begins with; - reads it from standard input")
    parser.add_argument("-n", "--count", type=int, help="how many tokens to write (as the recipe says)")
    parser.add_argument("--temperature", type=float, help="below 1 the probable becomes more so; 0: the most probable")
    parser.add_argument("--top-k", type=int, help="draw among so many most probable tokens")
    parser.add_argument("--top-p", type=float, help="draw among the fewest that hold this share")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")
    parser.add_argument("--int8", action="store_true", help="with weights of 8 bits: faster, and other texts")


def run(args: argparse.Namespace) -> Answer:
    """Write, and show each piece as soon as it is there."""
    from chainrule.cli._given import given_text
    from chainrule.cli._own import module_of
    from chainrule.core.paths import visible
    from chainrule.tasks import Run

    if args.count is not None and args.count < 1:
        raise UsageError("generate writes tokens", expected="-n 1 or more", got=args.count)
    prompt = given_text(args.prompt)
    opened = Run.open(args.run)
    module = module_of(opened, args.model)
    pieces = opened.generate(
        prompt,
        length=args.count,
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        seed=args.seed,
        module=module,
        int8=args.int8,
    )
    text = ""
    for piece in pieces:
        if not args.json:
            print((visible(prompt) if not text else "") + visible(piece), end="", flush=True)
        text += piece
    if not args.json:
        print()
    return Answer({"prompt": prompt, "text": text, "seed": args.seed})
