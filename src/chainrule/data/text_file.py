"""A text of one's own."""

from __future__ import annotations

from pathlib import Path

from chainrule.data.texts import Text, read_text


def text_file(*, file: str, encoding: str = "utf-8") -> Text:
    """Return the text of a file.

    Args:
        file: Its path.
        encoding: How its characters are written.

    Raises:
        DataError: It cannot be read, is empty, or is no text in this encoding.
    """
    path = Path(file).expanduser()
    return Text(path.stem or path.name, read_text(path, name="the text", encoding=encoding), {"source": file})
