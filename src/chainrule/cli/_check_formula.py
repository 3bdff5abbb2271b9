"""`chainrule check FILE.py:forward[,backward] --as NAME`: the user's code against a formula; `--list` shows them."""

from __future__ import annotations

import argparse
from typing import Any

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add `--as` and `--list`."""
    parser.add_argument("--as", dest="formula", metavar="NAME", help="compare with this formula, such as batch_norm")
    parser.add_argument("--list", action="store_true", help="list the formulas and the signatures that are accepted")


def run(args: argparse.Namespace) -> Answer:
    """List the formulas, or compare a file's functions with one of them; status 9 when they do not agree."""
    from chainrule.analysis.compare import formula_named, in_words
    from chainrule.core.errors import UsageError
    from chainrule.core.own_process import run_own
    from chainrule.core.program import parse_target

    if args.list:
        return _listed()
    formula = formula_named(args.formula)
    if args.target is None:
        raise UsageError(
            "nothing is named to compare", expected="FILE.py:forward[,backward]", remedy="name your functions"
        )
    target = parse_target(args.target)
    if len(target.names) == 1 and target.names[0].endswith("backward") and formula.gradients:
        raise UsageError(
            f"{target.names[0]} cannot be called without what its forward function kept",
            expected=f"{target.path.name}:forward,{target.names[0]}",
            remedy="name the forward function before it",
        )
    if not args.seconds > 0 or args.seconds == float("inf"):
        raise UsageError("--seconds is no time", expected="more than 0", got=args.seconds)
    if not 0 <= args.seed < 2**32:
        raise UsageError("--seed is no seed", expected="0 to 4294967295", got=args.seed)
    payload = {"formula": formula.name, "seed": args.seed}
    found: dict[str, Any] = run_own(target, "chainrule.analysis.compare._command:task", payload, seconds=args.seconds)
    return Answer(found, in_words(found), 9 if found["verdict"] == "wrong" else 0)


def _listed() -> Answer:
    from chainrule.analysis.compare import formulas

    data: list[dict[str, Any]] = []
    lines = ["Formulas for `chainrule check FILE.py:forward,backward --as NAME`:", ""]
    for f in formulas():
        packs = {pack: sorted(keys) for pack, keys in f.packs.items()}
        data.append({"name": f.name, "title": f.title, "item": f.item, "arguments": [a.name for a in f.arguments],
                     "optional": [a.name for a in f.arguments if not a.required], "returns": list(f.outputs),
                     "gradients": list(f.gradients), "packs": packs, "words": list(f.words)})  # fmt: skip
        lines.append(f"{f.name:<22}{f.title} ({f.item})")
        lines += _entry("forward", f"({f.signature})")
        for pack, keys in packs.items():
            lines += _entry("or", f"{pack} = {{{', '.join(keys)}}} for the options")
        if f.gradients:
            lines += _entry("backward", f"({', '.join(f.upstream)}, cache) -> {', '.join(f.gradients)}")
        if f.words:
            lines += _entry("also as", ", ".join(f.words[:4]))
    return Answer(data, "\n".join(lines))


def _entry(word: str, text: str) -> list[str]:
    import textwrap

    indent = " " * 14
    return textwrap.wrap(text, 78, initial_indent=f"    {word:<10}", subsequent_indent=indent, break_long_words=False)
