"""What the package tells beside its results: one logger, which programs can silence or send elsewhere."""

from __future__ import annotations

import logging

LOGGER = logging.getLogger("chainrule")


def warn(text: str) -> None:
    """Tell something that the reader should know and that does not stop the work."""
    LOGGER.warning("%s", text)
