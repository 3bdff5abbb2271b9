"""`python -m chainrule` and the `chainrule` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    from chainrule.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
