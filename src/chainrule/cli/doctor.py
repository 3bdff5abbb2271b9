"""`chainrule doctor`: why does a training not learn? A script, a recipe or a run is watched and asked."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.answer import Answer
from chainrule.core.errors import UsageError, unknown
from chainrule.core.paths import shown

if TYPE_CHECKING:
    from chainrule.diagnosis.doctor.findings import Diagnosis

TAKES_SETTINGS = True
TASK = "chainrule.diagnosis.doctor._script:task"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from chainrule.diagnosis.doctor.limits import SECONDS

    parser.usage = (
        "chainrule doctor [options] train.py [ARGS ...]\n"
        "       chainrule doctor [options] RECIPE|RUN [--section.key value ...]\n"
        "       chainrule doctor --list [LABEL]"
    )
    parser.add_argument(
        "target", nargs="?", metavar="train.py|RECIPE|RUN", help="a script of your own, a recipe, or a run's folder"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S",
        help=f"how long the training is watched at most ({SECONDS:g}); experiments on it come after",
    )  # fmt: skip
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network of your own that a recipe trains")
    parser.add_argument("--html", metavar="FILE", help="write a page with the plots as well")
    parser.add_argument("--strict", action="store_true", help="exit with 9 if anything is above a note")
    parser.add_argument(
        "--list", nargs="?", const="", metavar="LABEL", help="what is looked for; with a label all about it"
    )
    parser.epilog = (
        "The script runs unchanged, in a process of its own; what stands behind its name are its own arguments. "
        "Nothing of a run is changed: its recipe is trained anew, in a folder that vanishes."
    )


def run(args: argparse.Namespace) -> Answer:
    """Watch a training and say what is wrong with it.

    Raises:
        UsageError: There is nothing that trains; what fails in a script before it trains is shown as theirs.
    """
    if args.list is not None:
        return _catalogue(args.list)
    _check(args)
    target, traceback = str(args.target), ""
    if target.endswith(".py"):
        found, traceback = _script(args, target)
    else:
        found = _recipe(args, target)
    from chainrule.core.plain import to_json
    from chainrule.diagnosis.doctor._shown import Shown
    from chainrule.diagnosis.doctor._words import verdict

    data: dict[str, Any] = {"verdict": verdict(found), **found.as_dict()}
    text, written = Shown(found, short=args.quiet), ""
    if traceback:
        data["traceback"] = traceback
    if args.html:
        from chainrule.core.store import write_file
        from chainrule.diagnosis.doctor._page import diagnosis_page

        write_file(Path(args.html), diagnosis_page(found, command=args.command).encode())
        data["file"] = args.html
        written = f"page  {args.html}"
    return Answer(json.loads(to_json(data)), text, 9 if args.strict and not found.healthy else 0, written)


def _check(args: argparse.Namespace) -> None:
    if not args.target:
        raise UsageError("what is to be looked at is not said", remedy="chainrule doctor train.py, or a recipe's name")
    if not (math.isfinite(args.seconds) and args.seconds > 0):
        raise UsageError("--seconds is no time", expected="more than 0", got=args.seconds)
    if args.html is not None:
        page = Path(args.html)
        if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
            raise UsageError("--html names the page to write", expected="a name that ends in .html", got=args.html)
        if not page.absolute().parent.is_dir():
            raise UsageError(f"there is no folder for {shown(page)}", remedy="make it first")
    file, colon, _ = args.target.rpartition(":")
    if colon and file.endswith(".py"):
        raise UsageError(
            f"{shown(args.target)} names a part of a file",
            expected="a whole script that trains",
            remedy=f"chainrule doctor {file}; or a recipe with --model {args.target}",
        )
    if args.target.endswith(".py") and (args.settings or args.model):
        given = "--model" if args.model else f"--{next(iter(args.settings))}"
        raise UsageError(f"{given} is for recipes", remedy="arguments of a script stand behind its name")


def _announce(args: argparse.Namespace, target: str) -> None:
    """Say to whoever sits before a terminal how long it may take."""
    from chainrule.cli._console import console
    from chainrule.core.paths import visible
    from chainrule.diagnosis.doctor.limits import EXPERIMENTS

    screen = console(stderr=True)
    if screen.is_terminal and not (args.quiet or args.json):
        said = f"Watching {visible(target)} for {args.seconds:g} s at most, then experiments"
        screen.print(f"{said} for {EXPERIMENTS:g} s at most.", style="dim")


def _script(args: argparse.Namespace, target: str) -> tuple[Diagnosis, str]:
    """Run a script in a process of its own and return what was found there."""
    import sys

    from chainrule.cli._echo import Echo
    from chainrule.core.own_process import run_own_script
    from chainrule.diagnosis.doctor.findings import Diagnosis
    from chainrule.diagnosis.doctor.limits import EXPERIMENTS, SPARE

    _announce(args, target)
    with Echo(quiet=args.quiet) as echo:
        told = run_own_script(
            target,
            args.passed_on,
            TASK,
            {"seconds": args.seconds},
            seconds=args.seconds + EXPERIMENTS + SPARE,
            show=echo,
        )
    if told["traceback"]:
        from chainrule.core.paths import visible

        print(visible(told["traceback"].rstrip()), file=sys.stderr)
    return Diagnosis.from_dict(told["diagnosis"]), told["traceback"]


def _recipe(args: argparse.Namespace, target: str) -> Diagnosis:
    """Train a recipe for a while and return what was found."""
    from chainrule.cli._own import own_network
    from chainrule.cli._progress import show_progress
    from chainrule.diagnosis.doctor._recipe import diagnose_recipe, open_run

    own = own_network(args.model)
    _announce(args, target)
    source: Any = open_run(target) or target
    with show_progress(quiet=args.quiet or args.json, bar=not args.no_progress, title=Path(target).name) as watch:
        return diagnose_recipe(source, settings=args.settings, own=own, seconds=args.seconds, observers=[watch])


def _catalogue(label: str) -> Answer:
    """What is looked for; with a label all about it."""
    from chainrule.diagnosis.doctor.labels import LABELS
    from chainrule.diagnosis.doctor.labels.options import OPTIONS

    if not label:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name in sorted(LABELS):
            table.add_row(name, LABELS[name].means)
        return Answer({name: entry._asdict() for name, entry in sorted(LABELS.items())}, table)
    if label not in LABELS:
        raise UsageError(f'no finding is called "{label}"', remedy=unknown("label", label, LABELS))
    entry, options = LABELS[label], OPTIONS.get(label, ())
    rows = [("label", label), ("means", entry.means), ("told by", entry.told), ("mend", entry.change)]
    rows += [("recipe", ", ".join(f"--{path}" for path in options))] if options else []
    rows += [("source", entry.source)] if entry.source else []
    from rich.table import Table

    whole = Table.grid(padding=(0, 2))
    whole.add_column(no_wrap=True)
    whole.add_column(overflow="fold")
    for row in rows:
        whole.add_row(*row)
    return Answer({"label": label, **entry._asdict(), "options": list(options)}, whole)
