"""`chainrule backprop`: where a gradient comes from, gate by gate, for an expression or for code of one's own."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.analysis.expression import Derivation

EXAMPLE = "1/(1+exp(-(w0*x0+w1*x1+w2)))"
_CODE = re.compile(r"\.py(:[\w.,]+)?$")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from chainrule.cli import _backprop_program

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        f'  chainrule backprop "{EXAMPLE}" --at w0=2,x0=-1,w1=-3,x1=-2,w2=-3\n'
        '  chainrule backprop "x = u*u; y = 3*u; z = x*y + sin(y)" --in-terms-of u,x,y\n'
        '  chainrule backprop "v1 = max(z1, z2, 0); v2 = max(z2, z3, 0)" --upstream v1=d1,v2=d2 --wrt z1,z2,z3\n\n'
        "functions: exp log sin cos tanh sigmoid relu sqrt abs, max min of numbers or of one vector, sum, and\n"
        "conv1d(x, k, b) without padding; vectors are [a, b], elements x[0], the first; a text that starts with a\n"
        "minus needs a blank before it"
    )
    parser.add_argument(
        "target", metavar="EXPRESSION|FILE.py:NAME", help="statements between ; in quotes, or a function or module"
    )
    group = parser.add_argument_group("expressions")
    group.add_argument(
        "--at", action="append", default=[], metavar="NAME=VALUE,...", help='values: w0=2,x0=-1 or "x=[1, 2]"'
    )
    group.add_argument(
        "--upstream", action="append", default=[], metavar="NAME=GRADIENT,...",
        help="gradients that arrive from outside, numbers or symbols (1 at the last statement)",
    )  # fmt: skip
    group.add_argument("--wrt", metavar="NAMES", default="", help="whose derivatives (all leaves)")
    group.add_argument(
        "--in-terms-of", metavar="NAMES", default="", help="intermediates that keep their names in formulas"
    )
    group.add_argument(
        "--ties", choices=("first", "shared"), default="first",
        help="who gets the gradient where the largest of a max is there twice (first, as max(dim) and pooling)",
    )  # fmt: skip
    shape = group.add_mutually_exclusive_group()
    shape.add_argument("--step", action="store_true", help="gate by gate; in a terminal Enter goes on")
    shape.add_argument("--tree", action="store_true", help="the gates as a tree")
    shape.add_argument("--latex", action="store_true", help="print the derivation as LaTeX")
    parser.add_argument("-o", "--out", metavar="FILE", help="write a page (.html) or the graph (.svg)")
    _backprop_program.add(parser)


def run(args: argparse.Namespace) -> Answer:
    """Walk through an expression; code of one's own is another file's matter.

    Raises:
        UsageError: The expression, a name or a value is wrong; the error shows the column.
    """
    if _CODE.search(args.target):
        from chainrule.cli import _backprop_program

        return _backprop_program.run(args)

    from chainrule.analysis.expression import derive
    from chainrule.analysis.expression._terminal import Shown

    out = _out(args.out)
    found = derive(
        args.target,
        at=", ".join(args.at) or None,
        upstream=", ".join(args.upstream) or None,
        wrt=args.wrt,
        in_terms_of=args.in_terms_of,
        ties=args.ties,
    )
    data = found.as_dict()
    if out is not None:
        from chainrule.core.store import write_file

        write_file(out, found.html() if out.suffix.lower() in (".html", ".htm") else found.svg())
        data["file"] = str(out)
    status = 0 if found.agrees else 9
    if args.latex:
        return Answer({**data, "latex": found.latex()}, found.latex(), status)
    if args.step and not args.json:
        _steps(found)
    text: Any = Shown(found, tree=args.tree, short=args.step or args.quiet)
    if out is not None:
        from rich.console import Group

        text = Group(text, f"{'page' if out.suffix != '.svg' else 'graph'}  {out}")
    return Answer(data, text, status)


def _out(name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name)
    if path.suffix.lower() not in (".html", ".htm", ".svg") or path.is_dir():
        raise UsageError("-o names the file to write", expected="a name that ends in .html or .svg", got=name)
    return path


def _steps(found: Derivation) -> None:
    """Print the walk; a person at a terminal asks for each line."""
    from chainrule.analysis.expression._terminal import step_lines
    from chainrule.core.paths import visible

    waits = sys.stdin.isatty() and sys.stdout.isatty()
    if waits:
        print("Enter goes on, q shows the rest at once.", file=sys.stderr)
    for line in step_lines(found):
        print(visible(line), flush=True)
        if waits and line.startswith(" "):
            waits = sys.stdin.readline().strip().lower() != "q"
    print()
