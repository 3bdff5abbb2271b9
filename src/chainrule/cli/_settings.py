"""Settings laid over a recipe: `--section.key value`, `--section.key=value`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import UsageError

_SETTING = re.compile(r"--([a-z_]+\.[A-Za-z_0-9.]+)(?:=(.*))?\Z", re.DOTALL)
_SHORT = {"--seed": "train.seed", "--threads": "train.threads", "--workers": "train.workers"}


def split_settings(words: Sequence[str], *, own: Sequence[str] = ()) -> tuple[list[str], dict[str, Any]]:
    """Return the other words, and the settings by path.

    Args:
        words: Of the command line.
        own: Options of the verb that would stand for a setting elsewhere (`--workers`).

    Raises:
        UsageError: A setting without a value, or given twice.

    Example:
        >>> split_settings(["digits-cnn", "--optim.lr", "1e-3", "--seed", "3", "-o", "here"])
        (['digits-cnn', '-o', 'here'], {'optim.lr': 0.001, 'train.seed': 3})
    """
    rest: list[str] = []
    settings: dict[str, Any] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        match = _SETTING.match(word)
        if match is None and word.partition("=")[0] not in _SHORT.keys() - set(own):
            rest.append(word)
            continue
        path, value = (
            (match[1], match[2]) if match else (_SHORT[word.partition("=")[0]], word.partition("=")[2] or None)
        )
        if value is None:
            if not queue or queue[0].startswith("--"):
                raise UsageError(f"--{path} needs a value", remedy=f"write --{path} VALUE")
            value = queue.pop(0)
        if path in settings:
            raise UsageError(f"--{path} is given twice", remedy="keep one of them")
        from chainrule.core.settings import setting  # brings pydantic along, which verbs without settings do not need

        settings[path] = setting(value)
    return rest, settings
