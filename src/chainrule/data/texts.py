"""One long text, and what belongs to which part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule.core.errors import DataError
from chainrule.core.paths import shown


@dataclass(frozen=True)
class Text:
    """A text to learn the next token of.

    Args:
        name: What lists and reports call it.
        text: All of it.
        facts: Source, licence and what else is known.
        official: Part -> where it begins and ends, in characters, if the text comes with "train", "valid" and "test".
    """

    name: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    official: Mapping[str, tuple[int, int]] | None = None

    def bounds(self, *, validation: float, test_share: float, limit: int | None = None) -> dict[str, tuple[int, int]]:
        """Return where each part begins and ends, in characters: the test part last, the validation part before it.

        Args:
            validation: Share of the text, where it comes without parts.
            test_share: Share of the text, where it comes without parts.
            limit: The most characters of the training part.

        Raises:
            DataError: A part has less than two characters.

        Example:
            >>> Text("sea", "by the sea").bounds(validation=0.2, test_share=0.3)
            {'train': (0, 5), 'valid': (5, 7), 'test': (7, 10)}
        """
        count = len(self.text)
        test = count - round(count * test_share)
        valid = test - round(count * validation)
        found = dict(self.official or {"train": (0, valid), "valid": (valid, test), "test": (test, count)})
        if limit is not None:
            begin, end = found["train"]
            found["train"] = begin, min(begin + limit, end)
        for part, (begin, end) in found.items():
            if end - begin < 2:
                raise DataError(
                    f"{self.name} is too short: its part {part} has {max(0, end - begin)} characters",
                    expected="at least 2 in each part",
                    got=f"{count} characters in all",
                )
        return found


def read_text(path: Path, *, name: str, encoding: str = "utf-8") -> str:
    """Return the text of a file; line breaks become `\\n`.

    Raises:
        DataError: It cannot be read, is empty, or is no text in this encoding; says at which byte.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: {shown(path)} cannot be read: {error.strerror}") from None
    try:
        text = raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: {shown(path)} is no text in {encoding}",
            got=f"the byte {raw[error.start]:#04x} at place {error.start:,}",
            remedy="convert it, for example with `iconv -f latin1 -t utf-8`",
        ) from None
    except LookupError:
        raise DataError(f'{name}: there is no encoding "{encoding}"', remedy="utf-8") from None
    if not text.strip():
        raise DataError(f"{name}: {shown(path)} holds no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
