"""`chainrule check`: is my own gradient right, and is my own code the formula that it is meant to be?"""

from __future__ import annotations

import argparse
import math

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from chainrule.cli import _check_formula

    parser.add_argument(
        "target",
        nargs="?",
        metavar="FILE.py:NAME[,BACKWARD]",
        help="a function of tensors, an autograd function, a module or its class, or forward,backward",
    )
    parser.add_argument(
        "--input",
        metavar="SHAPES",
        help="shapes of the inputs, such as 4x3,3x2 or 8x10,8:int64 (the file's own inputs)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything that is drawn (0)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="how long your code may take in all (60)"
    )
    _check_formula.add(parser)


def run(args: argparse.Namespace) -> Answer:
    """Check a gradient, or with `--as` compare with a formula.

    Raises:
        UsageError: It cannot be checked; what fails in the user's file is shown as theirs.
    """
    from chainrule.core.errors import UsageError

    if args.formula is not None or args.list:
        from chainrule.cli import _check_formula

        return _check_formula.run(args)
    if not args.target:
        raise UsageError("what is to be checked is not said", remedy="chainrule check FILE.py:NAME --input 4x3,3x2")
    if not (math.isfinite(args.seconds) and args.seconds > 0):
        raise UsageError("--seconds is no time", expected="more than 0", got=args.seconds)
    if not 0 <= args.seed < 2**32:
        raise UsageError("--seed is no seed", expected="0 to 4294967295", got=args.seed)
    return _gradient(args)


def _gradient(args: argparse.Namespace) -> Answer:
    import json

    from chainrule.core.own_process import run_own
    from chainrule.core.plain import to_json
    from chainrule.core.program import parse_target
    from chainrule.core.shapes import parse_shapes

    target = parse_target(args.target)
    if args.input is not None:
        parse_shapes(args.input)  # what is wrong with it is said before anything runs
    payload = {"names": target.names, "input": args.input, "seed": args.seed, "seconds": args.seconds / 2}
    found = run_own(target, "chainrule.analysis.gradcheck.command:task", payload, seconds=args.seconds)

    from chainrule.analysis.gradcheck._result import GradientCheck

    return Answer(json.loads(to_json(found)), GradientCheck.from_dict(found), 0 if found["right"] else 9)
