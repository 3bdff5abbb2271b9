"""What `run.json` says of a run that begins."""

from __future__ import annotations

import datetime
import secrets
from typing import Any

from chainrule.runtime.environment import environment


def new_info(
    kind: str,
    name: str,
    *,
    begun: datetime.datetime | None = None,
    command: str | None = None,
    parameters: int | None = None,
    parent: str | None = None,
) -> dict[str, Any]:
    """Return the entries that every run has.

    Args:
        kind: "recipe", "module", "log", "repeats", "ensemble", "study" or "search".
        name: What lists and the report call it.
        begun: When; now if left out.
        command: What reproduces it.
        parameters: Of the network.
        parent: The run whose weights it starts from.
    """
    return {
        "id": secrets.token_hex(8),
        "kind": kind,
        "name": name,
        "status": "running",
        "created": (begun or datetime.datetime.now(datetime.UTC)).isoformat(timespec="seconds"),
        "command": command,
        "parent": parent,
        "environment": environment(),
        "parameters": parameters,
        "resumed": 0,
        "result": None,
    }
