"""Facts as words for people: any value as safe text, numbers with their units, and numbers out of doubtful data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def plain_text(value: Any, limit: int = 400) -> str:
    r"""Return a value as text that every page, file and terminal can hold.

    Control characters (which move a terminal's cursor) and halves of surrogate pairs (which no file can hold) become
    visible escapes; line ends stay.

    Args:
        value: Anything; None becomes the empty text.
        limit: The most characters; what is longer ends in an ellipsis.

    Example:
        >>> print(plain_text("a\x1b[31mb\ud800"), plain_text("x" * 9, limit=4))
        a\x1b[31mb\ud800 xxx…
    """
    text = "" if value is None else str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (code >= 0x20 and not 0x7F <= code <= 0x9F and not 0xD800 <= code <= 0xDFFF):
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def real(value: Any) -> float | None:
    """Return a number as a float, "NaN" and "Infinity" (as JSON text has them) included; None if it is no number.

    Example:
        >>> real(3), real("-Infinity"), real("three"), real(True)
        (3.0, -inf, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else None


def whole(value: Any) -> int | None:
    """Return a finite number as an int, None if it is none.

    Example:
        >>> whole(3.0), whole("NaN"), whole(None)
        (3, None, None)
    """
    number = real(value)
    if number is None or not math.isfinite(number):
        return None
    return value if isinstance(value, int) else round(number)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else.

    Example:
        >>> mapping(["no", "mapping"])
        {}
    """
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return a list as it is, and an empty one for anything else.

    Example:
        >>> listing("no list")
        []
    """
    return value if isinstance(value, list) else []


def count_text(value: Any) -> str:
    """Return a count with separators.

    Example:
        >>> count_text(138357544), count_text(None)
        ('138,357,544', '–')
    """
    number = whole(value)
    return "–" if number is None else f"{number:,}"


def short_count(value: Any) -> str:
    """Return a count with three digits and a prefix.

    Example:
        >>> short_count(138357544), short_count(999), short_count(1000)
        ('138 M', '999', '1.00 k')
    """
    number = whole(value)
    if number is None:
        return "–"
    for size, prefix in _PREFIXES:
        if abs(number) >= size:
            scaled = number / size
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:.{digits}f}{prefix}"
    return str(number)


def share_text(value: Any, digits: int = 1) -> str:
    """Return a share between 0 and 1 in percent; one that is not quite 100 % or 0 % is never rounded to it.

    Example:
        >>> share_text(0.9889), share_text(1), share_text(0.99999), share_text("NaN"), share_text(None)
        ('98.9 %', '100 %', '99.9 %', 'NaN', '–')
        >>> share_text(0.0021), share_text(0.00043), share_text(0.0)
        ('0.2 %', '0.043 %', '0 %')
    """
    number = real(value)
    if number is None or not math.isfinite(number):
        return number_text(value)
    if number in (0.0, 1.0):
        return f"{number * 100:.0f} %"
    step = 10.0**-digits
    if 0 < number * 100 < step:
        return f"{number_text(number * 100, 2)} %"
    percent = min(number * 100, 100 - step) if number < 1 else number * 100
    return f"{percent:.{digits}f} %"


def number_text(value: Any, digits: int = 4) -> str:
    """Return a number with a few significant digits.

    Example:
        >>> [number_text(value) for value in (0.031415926, 12345.678, 2, 1e-7, "Infinity", "NaN", None)]
        ['0.03142', '12,346', '2', '1e-07', '∞', 'NaN', '–']
    """
    number = real(value)
    if number is None:
        return "–"
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "∞" if number > 0 else "−∞"
    if number == round(number) and abs(number) < 1e15:
        return f"{number:,.0f}"
    return f"{number:,.0f}" if 10**digits <= abs(number) < 1e15 else f"{number:.{digits}g}"


def first_word(probabilities: Sequence[float]) -> str:
    """Return what the first of several answers is: a search for texts orders them by a score that knows their lengths.

    Example:
        >>> first_word([0.5, 0.2]), first_word([0.001, 0.002])
        ('most probable', 'best score')
    """
    return "most probable" if probabilities[0] >= max(probabilities) else "best score"


def duration_text(seconds: Any) -> str:
    """Return a time in the two largest units that it has.

    Example:
        >>> [duration_text(value) for value in (0.25, 59.4, 83, 7384, 200000, None)]
        ['0.25 s', '59 s', '1 min 23 s', '2 h 3 min', '2 d 7 h', '–']
    """
    number = real(seconds)
    if number is None or not math.isfinite(number) or number < 0:
        return number_text(seconds)
    if number < 9.95:
        return f"{number:.2g} s"
    total = round(number)
    for size, unit, part, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            rest = total % size // part
            return f"{total // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{total} s"


def bytes_text(value: Any) -> str:
    """Return a number of bytes with a binary prefix.

    Example:
        >>> bytes_text(500), bytes_text(3 * 2**20)
        ('500 B', '3.0 MiB')
    """
    number = real(value)
    if number is None or not math.isfinite(number):
        return number_text(value)
    for size, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(number) >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"
