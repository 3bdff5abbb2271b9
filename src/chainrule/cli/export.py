"""`chainrule export`: a run in the form of another program, and whether that answers the same."""

from __future__ import annotations

import argparse

from chainrule.cli.answer import Answer


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from chainrule.exporting import EXPORTS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "forms:\n" + "\n".join(f"  {name:<14}{EXPORTS.entry(name).about}" for name in EXPORTS)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--to", required=True, metavar="FORM", help=" or ".join(EXPORTS))
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", help="a new folder (one in the run, named as the form, when left out)"
    )
    parser.add_argument(
        "--quantization",
        metavar="NUMBERS",
        help="onnx: float32 (when left out), int8; ctranslate2: those, float16, bfloat16, int16, ...",
    )
    parser.add_argument(
        "--compare",
        metavar="FILE",
        help="compare on these: texts, a line each; a picture, or a folder of them (inputs of the validation part)",
    )
    parser.add_argument(
        "-n", "--count", type=int, default=100, help="on how many at most (default: 100); 0 compares nothing"
    )
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trained one of your own")


def run(args: argparse.Namespace) -> Answer:
    """Write the folder, and tell how the answers compare; status 9 where they should be equal and are not.

    Raises:
        UsageError: The form cannot say what the network computes, or the folder exists.
    """
    from chainrule import api
    from chainrule.cli._own import module_of
    from chainrule.draw.wording import bytes_text
    from chainrule.tasks import Run

    options = {} if args.quantization is None else {"quantization": args.quantization}
    module = None if args.model is None else module_of(Run.open(args.run), args.model)
    found = api.export(
        args.run, args.to, out=args.out, module=module, compare=args.compare, count=args.count, **options
    )
    outcome = found.outcome
    data = {"to": found.to, "folder": str(found.folder), "bytes": found.size, **outcome.facts, "agrees": outcome.agrees}
    lines = [
        *outcome.said,
        *([] if outcome.agrees else ["These are not the answers of the run: do not use the folder."]),
    ]
    written = f"folder  {found.folder}, {bytes_text(found.size)}; its README.txt says how it is used"
    return Answer(data, "\n".join(lines), status=0 if outcome.agrees else 9, written=written)
