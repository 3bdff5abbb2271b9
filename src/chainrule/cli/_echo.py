"""What a script of the user's prints while it runs, on stderr, set back a little behind our own words."""

from __future__ import annotations

import re
from collections import deque
from types import TracebackType

from chainrule.cli._console import console
from chainrule.core.paths import visible

LAST = 20
"""Lines that are shown of a quiet script that failed."""
_COLORS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Echo:
    """Takes text piece by piece and shows it line by line; of a line that is drawn again and again the last state.

    Args:
        quiet: Whether nothing is shown; the last lines are, if the script fails.

    Example:
        >>> with Echo(quiet=True) as echo:
        ...     echo("epoch 1")
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet, self._rest = quiet, ""
        self._last: deque[str] = deque(maxlen=LAST)

    def __call__(self, text: str) -> None:
        """Some more of it."""
        *lines, rest = (self._rest + text).replace("\r\n", "\n").split("\n")
        self._rest = last_state(rest, ended=False)
        for line in lines:
            self._show(line)

    def __enter__(self) -> Echo:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show what had no end of line."""
        if self._rest:
            self._show(self._rest)
        self._rest = ""
        if error is not None and self._quiet:
            self._quiet = False
            for line in self._last:
                self._show(line)

    def _show(self, line: str) -> None:
        if self._quiet:
            self._last.append(line)
            return
        text = visible(_COLORS.sub("", last_state(line, ended=True)))
        console(stderr=True).print(text, style="dim", soft_wrap=True)


def last_state(line: str, *, ended: bool) -> str:
    r"""What a line shows at last that was begun anew with carriage returns.

    Args:
        line: Without its end.
        ended: Whether it is whole; if not, a return at its end may yet become the end of a line.

    Example:
        >>> last_state("  5%\r 10%\r", ended=True), last_state("  5%\r 10%\r", ended=False)
        (' 10%', ' 10%\r')
    """
    kept = line.rstrip("\r").rpartition("\r")[2]
    return kept if ended or not line.endswith("\r") else kept + "\r"
