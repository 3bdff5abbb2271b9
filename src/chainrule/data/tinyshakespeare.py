"""Tiny Shakespeare: 40,000 lines of plays."""

from __future__ import annotations

from chainrule.core.errors import DataError
from chainrule.data.fetch import locate, verify
from chainrule.data.known import KNOWN
from chainrule.data.texts import Text, read_text

NAME = "tinyshakespeare"


def tinyshakespeare() -> Text:
    """Return 1,115,394 characters of Shakespeare's plays, 65 different ones.

    Raises:
        DataError: The file is missing and cannot be fetched, or is damaged.

    Source:
        Karpathy: char-rnn (2015). The text is in the public domain.
    """
    (file,) = KNOWN[NAME].files
    path = locate(NAME, file)
    if (wrong := verify(path, file)) is not None:
        raise DataError(f"{NAME} is damaged: {wrong}", remedy="remove the file and fetch it again")
    facts = {"source": KNOWN[NAME].source, "licence": "public domain"}
    return Text(NAME, read_text(path, name=NAME), facts)
