"""`--processes`, `--restarts`: a training that several processes on this machine share."""

from __future__ import annotations

import argparse

from chainrule.core.errors import UsageError
from chainrule.runtime.launched import launched


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="share each step among N processes on this machine"
    )
    parser.add_argument(
        "--restarts", type=int, default=0, metavar="N", help="how often they are started anew when one dies"
    )


def share(args: argparse.Namespace, *more: str) -> None:
    """Let several processes do what the words say, where they are asked for; process 0 of them says what came out.

    Raises:
        SystemExit: They are through, with this status.
        UsageError: Numbers that mean nothing.
    """
    if launched() or (args.processes == 1 and args.restarts == 0):
        return
    if args.processes < 1 or args.restarts < 0:
        raise UsageError("a number of processes or restarts is wrong", expected="at least 1 process, 0 restarts")
    from chainrule.runtime.launch import launch

    raise SystemExit(launch([*args.words, *more], processes=args.processes, restarts=args.restarts))
