"""`chainrule explain`: why a network says what it says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

PAGES = (".html", ".htm")
PICTURES = (".png", ".svg")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "methods:\n"
        "  gates      gates and states of recurrent layers, token by token, and the gradients that come back to them\n"
        "  attention  what each token looks at, in every block and head\n"
        "for runs that go on with a text, classify texts, fill in words, translate, or write about pictures"
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--method", required=True, metavar="NAME", help="gates or attention")
    parser.add_argument(
        "--text", default="", help="what the network reads, with [MASK] at hidden words; - reads it from standard input"
    )
    parser.add_argument("--picture", metavar="FILE", help="what the network writes about; - is standard input")
    parser.add_argument(
        "--at",
        type=int,
        metavar="N",
        help="ask for the N-th token: of the text, by those before it (from 2), of the translation or caption (from 1);"
        " or for the N-th [MASK] (from 1)",
    )
    parser.add_argument("--units", type=int, metavar="N", help="gates: how many units of each layer (default: 32)")
    parser.add_argument("-o", "--out", metavar="FILE", help="write a page (.html) or a picture (.png, .svg)")
    parser.add_argument("--theme", choices=("light", "dark"), help="of a picture (default: light)")
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")


def run(args: argparse.Namespace) -> Answer:
    """Explain, and draw where a file is named.

    Raises:
        UsageError: There is no such method, or it has nothing to explain here.
    """
    from chainrule.cli._given import given_picture, given_text
    from chainrule.cli._own import module_of
    from chainrule.tasks import Run

    out = _out(args.out)
    if args.theme is not None and (out is None or out.suffix.lower() not in PICTURES):
        raise UsageError("--theme is that of a picture", expected="-o FILE.png or FILE.svg", got=args.out)
    opened = Run.open(args.run)
    module = module_of(opened, args.model)
    if args.text == "-" and args.picture == "-":
        raise UsageError("standard input holds one thing", got="--text - and --picture -", remedy="name a file")
    options: dict[str, Any] = {"text": given_text(args.text), "picture": given_picture(args.picture), "at": args.at}
    if args.units is not None:
        if args.method != "gates":
            raise UsageError("--units are those of --method gates", got=f"--method {args.method}")
        options["units"] = args.units
    found = opened.explain(args.method, module=module, **options)
    data, written = dict(found.facts), ""
    if out is not None:
        from chainrule.core.store import write_file

        kind = out.suffix.lower()
        page = kind in PAGES
        write_file(out, found.html().encode() if page else found.picture(kind[1:], args.theme or "light"))  # type: ignore[arg-type]
        data["file"] = str(out)
        written = f"{'page' if page else 'picture'}  {out}"
    return Answer(data, found.shown, written=written)


def _out(name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name)
    if path.suffix.lower() not in (*PAGES, *PICTURES) or path.is_dir():
        raise UsageError("-o names the file to write", expected="a name that ends in .html, .png or .svg", got=name)
    return path
