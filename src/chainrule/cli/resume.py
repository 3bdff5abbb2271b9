"""`chainrule resume`: go on with a run from its newest whole checkpoint, or with the runs of one folder."""

from __future__ import annotations

import argparse

from chainrule.cli._processes import add_processes, share
from chainrule.cli.answer import Answer
from chainrule.runtime.launched import is_first

TAKES_SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_processes(parser)
    parser.epilog = (
        "--train.steps N goes on to another length, also with a finished run. No result changes with "
        "--train.workers W, which prepares the data with other processes, nor with --train.worker_timeout S and "
        "--train.process_timeout S, which wait longer for processes."
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--model", metavar="FILE.py:NAME", help="the network, if the run trains one of your own")


def run(args: argparse.Namespace) -> Answer:
    """Go on, and say what came out."""
    from chainrule import api
    from chainrule.cli._own import own_network
    from chainrule.cli._progress import show_each
    from chainrule.cli._summary import run_answer

    share(args)
    own = own_network(args.model)
    with show_each(quiet=args.quiet or args.json or not is_first(), bar=not args.no_progress) as observers:
        finished = api.resume(args.run, own=own, observers=observers, settings=args.settings)
    if not is_first():
        raise SystemExit(0)  # process 0 says what came out
    return run_answer(finished)
