"""A process that trains trials of a search: `python -m chainrule.tuning._worker FOLDER STAGE COMMAND`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.core.errors import ChainruleError
from chainrule.tasks.runs._signals import Interrupted
from chainrule.tuning._database import Database, sqlite_url
from chainrule.tuning._plan import read_plan
from chainrule.tuning._work import STORAGE, Opened, work


def main(folder: Path, stage: str, command: str) -> int:
    """Work until no trial waits, or whoever began this process is gone."""
    parent, plan = os.getppid(), read_plan(folder)
    url = os.environ.get(STORAGE) or sqlite_url(folder / "study.db")
    database = Database(url, plan)
    try:
        facts = database.fact("data")
        opened = Opened(plan, folder, url, database, facts["per_epoch"], command)
        work(
            opened, database.stage(stage), observers=lambda title: (),
            tell=_say, wanted=lambda: os.getppid() == parent,
        )  # fmt: skip
    finally:
        database.close()
    return 0


def _say(words: str, row: Mapping[str, Any] | None) -> None:
    print(words if row is None else f"{row['name']} {row['state']}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
    except Interrupted:
        sys.exit(0)
    except ChainruleError as error:
        print(str(error), flush=True)
        sys.exit(error.exit_status)
