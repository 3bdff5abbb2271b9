"""`chainrule predict` with a run that writes captions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from chainrule.cli._predict_pictures import given_pictures, page_file
from chainrule.cli._predict_translations import lines_file, with_tree, written_lines
from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError

if TYPE_CHECKING:
    from chainrule.tasks import Run


def answer(opened: Run, args: argparse.Namespace) -> Answer:
    """Write about the pictures that were given, and show or write the captions, a line each.

    Raises:
        UsageError: Nothing was given, or something that does not go with captions.
        DataError: A picture cannot be read.
    """
    from chainrule.cli._own import module_of
    from chainrule.core.paths import visible

    best = 1 if args.count is None else args.count
    if best < 1:
        raise UsageError("predict shows captions", expected="-n 1 or more", got=best)
    if args.text or args.compile_it:
        raise UsageError("the run writes about pictures", expected="picture files", got="--text or --compile")
    if not args.sources:
        raise UsageError("there is nothing to write about", remedy="name pictures, a folder of them, or -")
    drawn = args.out is not None and args.out.lower().endswith((".html", ".htm"))
    page = page_file(args.out) if drawn and not args.show_beam else None
    out = None if page is not None else lines_file(args.out, best, show_beam=args.show_beam)
    pictures = given_pictures(args.sources)
    if args.show_beam and len(pictures) != 1:
        raise UsageError("the beam of one picture can be shown", expected="one picture", got=len(pictures))
    candidates: list[dict[str, Any]] | None = [] if args.show_beam else None
    module = module_of(opened, args.model)
    found = opened.caption(pictures, beam=args.beam, best=best, module=module, int8=args.int8, candidates=candidates)
    rows: list[dict[str, Any]] = [
        {
            "source": one.source,
            "output": one.output,
            "log_p": one.log_p,
            "ended": one.ended,
            **({"others": [{"output": text, "log_p": log_p} for text, log_p in one.others]} if one.others else {}),
        }
        for one in found
    ]
    if out is not None:
        return written_lines(out, rows, "captions")
    shown = [
        text
        for one in found
        for text in (f"{one.source}: {one.output}", *(f"    {other}  (log p {p:.3f})" for other, p in one.others))
    ]
    text = "\n".join(visible(line) for line in shown)
    if candidates is not None:
        return with_tree(opened, rows, text, candidates, found[0].tokens)
    if page is None:
        return Answer(rows, text)
    from chainrule.core.store import write_file
    from chainrule.tasks.caption._answers import caption_page

    write_file(page, caption_page(opened, pictures, found, module, args.int8).encode())
    return Answer(rows, text, written=f"page  {page}")
