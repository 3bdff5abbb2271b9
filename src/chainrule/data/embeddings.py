"""Vectors of words: read from the text files of GloVe and word2vec, written, compared."""

from __future__ import annotations

import gzip
import math
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from chainrule.core.errors import DataError, StorageError, UsageError
from chainrule.core.paths import shown
from chainrule.core.store import write_file

LOOKED_AT = 200
"""Lines by which the length of the vectors is found where no header says it."""
LONGEST = 2**20
"""Bytes of a line; what is longer is no vector."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words, and a vector for each.

    Args:
        words: Each once.
        vectors: (words, D).
        facts: What was found while they were read: lines, words that came again, words that are no UTF-8.

    Example:
        >>> made = WordVectors(("king", "queen", "cod"), torch.tensor([[1.0, 1.0], [1.0, 0.9], [-1.0, 0.2]]))
        >>> made.nearest("king", count=1)
        [('queen', 0.9986...)]

    Source:
        LECTURES G5.
    """

    words: tuple[str, ...]
    vectors: Float[Tensor, "n d"]
    facts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.words) != len(self.vectors):
            raise UsageError("each word has a vector", expected=len(self.words), got=len(self.vectors))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._place

    def __getitem__(self, word: str) -> Float[Tensor, " d"]:
        """Return the vector of a word.

        Raises:
            DataError: It is not known; the nearest spelling is named.
        """
        return self.vectors[self.place(word)]

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return self.vectors.shape[1]

    def place(self, word: str) -> int:
        """Return where a word stands; upper case is tried as lower case where the word itself is not known.

        Raises:
            DataError: It is not known; the nearest spelling is named.
        """
        found = self._place.get(word, self._place.get(word.lower()))
        if found is None:
            raise DataError(f'there is no vector of the word "{word}"', remedy=_nearest_spelling(word, self.words))
        return found

    def nearest(self, query: str, *, count: int = 10) -> list[tuple[str, float]]:
        """Return the words whose vectors point the most as a query's does, each with the cosine of the angle.

        Args:
            query: A word, or a sum such as `king - man + woman`, with spaces around its signs; the words of the query
                are none of the answers.
            count: How many, at least 1.

        Raises:
            DataError: A word is not known; the nearest spelling is named.
            UsageError: The query has a sign without a word.
        """
        if count < 1:
            raise UsageError("words are asked for", expected="a count of at least 1", got=count)
        terms = terms_of(query)
        places = torch.tensor([self.place(word) for _, word in terms])
        signs = torch.tensor([sign for sign, _ in terms], dtype=self._directions.dtype)
        cosines = functional.normalize(signs @ self._directions[places], dim=0) @ self._directions.T
        cosines[places] = -math.inf
        values, found = cosines.topk(min(count, len(self) - len(places.unique())))
        return [(self.words[place], value) for place, value in zip(found.tolist(), values.tolist())]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    @cached_property
    def _directions(self) -> Tensor:
        """Vectors of length 1: a sum of words gives each the same say."""
        return functional.normalize(self.vectors.double(), dim=1)


def _nearest_spelling(word: str, words: Sequence[str]) -> str:
    """Which word may have been meant: one that has one of the same two letters in front, and about as many."""
    letters = word.lower()
    alike = [one for one in words if abs(len(one) - len(word)) <= 2 and one[:1].lower() in letters[:2]]
    found = get_close_matches(letters, alike, n=1)
    return f'did you mean "{found[0]}"?' if found else f"none of the {len(words):,} words is like it"


def terms_of(query: str) -> list[tuple[float, str]]:
    """Return the signs and words of a query.

    Raises:
        UsageError: There is no word, or a sign without one.

    Example:
        >>> terms_of("king - man + woman")
        [(1.0, 'king'), (-1.0, 'man'), (1.0, 'woman')]
        >>> terms_of("well-known")
        [(1.0, 'well-known')]
    """
    pieces = query.split()
    if pieces and pieces[0] not in ("+", "-"):
        pieces = ["+", *pieces]
    signs, words = pieces[::2], pieces[1::2]
    if len(signs) != len(words) or not words or set(signs) - {"+", "-"}:
        raise UsageError(
            f'"{query}" is no sum of words', expected="a word, or words with + and - between: king - man + woman"
        )
    return [(1.0 if sign == "+" else -1.0, word) for sign, word in zip(signs, words)]


def read_vectors(path: str | Path, *, wanted: Collection[str] | None = None) -> WordVectors:
    """Read a text file of word vectors, as GloVe and word2vec write them: a word and its numbers in each line.

    A first line with the numbers of words and of dimensions is one that word2vec writes; GloVe's files have none. A
    word may have spaces in it (GloVe 840B), and a file may be packed (.gz). A vector has as many numbers as the header
    or most of the first lines say. Of a word that comes again the first
    vector counts. Only what is wanted is kept: the memory that is needed does not depend on the length of the file.

    Args:
        path: The file.
        wanted: The words that are kept; all of them when left out.

    Raises:
        DataError: It cannot be read, or a line has too few numbers, or one that is none or not finite; says which.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "small.txt"
        >>> _ = path.write_text("the 0.5 1\\nof -1 2\\n. . . 3 4\\n")
        >>> read_vectors(path, wanted={"of", ". . ."}).words
        ('of', '. . .')

    Source:
        LECTURES G5. Pennington, Socher, Manning: GloVe (2014); Mikolov et al.: word2vec (2013).
    """
    path = Path(path).expanduser()
    keep = None if wanted is None else frozenset(wanted)
    with _opened(path) as file:
        lines = _lines(file, path)
        first = list(islice(lines, LOOKED_AT))
        size, header = _header(first, path)
        return _read(chain(first[1:] if header else first, lines), size, keep, path)


def write_vectors(path: str | Path, vectors: WordVectors) -> None:
    """Write a text file of word vectors as word2vec does, with a header, in float32.

    What is read again are the same words and the same float32 numbers, bit by bit.

    Raises:
        UsageError: A word has a line break or a tab in it, or is empty, or a vector has no number, or one
            that is not finite.
        StorageError: The file cannot be written.
    """
    table = vectors.vectors.detach().cpu().float()
    broken = (~table.isfinite()).any(1).nonzero().flatten().tolist()
    if broken or not vectors.dim:
        got = f"that of {shown(vectors.words[broken[0]])}: {table[broken[0]].tolist()[:4]}" if broken else "none"
        raise UsageError("a vector of a file is at least one number, all finite in float32", got=got)
    lines = [f"{len(vectors)} {vectors.dim}"]
    for word, row in zip(vectors.words, table.numpy()):
        if not word.strip() or "\n" in word or "\t" in word:
            raise UsageError("a word of a file of vectors is text on one line, without tabs", got=repr(word))
        lines.append(" ".join([word, *(np.format_float_positional(x, unique=True, trim="-") for x in row)]))
    write_file(Path(path), ("\n".join(lines) + "\n").encode())


def _header(first: list[tuple[int, bytes]], path: Path) -> tuple[int, bool]:
    """The numbers of a vector, and whether the first line says so."""
    if not first:
        raise DataError(f"{shown(path)} is empty", expected="a word and its numbers in each line")
    head, *lines = (line for _, line in first)
    two = head.split(b" ")
    header = len(two) == 2 and all(map(bytes.isdigit, two)) and (bool(lines) or int(two[0]) == 0)
    counts = Counter(line.count(b" ") for line in (lines if header and lines else [head, *lines]))
    usual = max(counts, key=lambda count: (counts[count], -count))
    header = header and (usual != 1 or int(two[1]) == 1 or not lines)
    size = int(two[1]) if header else usual
    if size < 1:
        raise DataError(
            f"{shown(path)} holds no vectors", expected="a word and its numbers in each line", got=_start(head)
        )
    return size, header


def _read(lines: Iterator[tuple[int, bytes]], size: int, keep: frozenset[str] | None, path: Path) -> WordVectors:
    places: dict[str, int] = {}
    rows: list[np.ndarray] = []
    facts = {"lines": 0, "repeated": 0, "no text": 0}
    for number, line in lines:
        facts["lines"] += 1
        spaces = line.count(b" ")
        raw = line[: line.index(b" ")] if spaces == size else line.rsplit(b" ", size)[0]  # a word may have spaces
        if not raw or spaces < size:
            raise _broken(path, number, f"a word and {size} numbers", line)
        try:
            word = raw.decode()
        except UnicodeDecodeError:
            facts["no text"] += 1
            continue
        if keep is not None and word not in keep:
            continue
        if word in places:
            facts["repeated"] += 1
            continue
        places[word] = len(rows)
        rows.append(_numbers(line.rsplit(b" ", size)[1:], path, number, line))
    table = torch.from_numpy(np.stack(rows)) if rows else torch.zeros((0, size))
    return WordVectors(tuple(places), table, facts)


def _numbers(fields: Sequence[bytes], path: Path, number: int, line: bytes) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # it is infinite then, and named
            row = np.array([float(one) for one in fields]).astype(np.float32)
    except ValueError:
        raise _broken(path, number, f"a word and {len(fields)} numbers", line) from None
    if not np.isfinite(row).all():
        raise _broken(path, number, "finite numbers", line)
    return row


def _broken(path: Path, number: int, expected: str, line: bytes) -> DataError:
    return DataError(f"{shown(path)}: line {number:,} is broken", expected=expected, got=_start(line))


def _start(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 50 else text[:47] + "...")


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, numbered, without what ends them; tabs are spaces."""
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise DataError(f"{shown(path)}: line {number:,} is too long", expected=f"at most {LONGEST:,} bytes")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line := line.replace(b"\t", b" ").rstrip(b" \r\n"):
            yield number, line


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as content:
                yield content  # type: ignore[misc]
    except StorageError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "damaged or cut short"
        raise DataError(f"the vectors {shown(path)} cannot be read: {why}") from error
