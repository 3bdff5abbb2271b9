"""Multi30k as a text: descriptions of photographs in one language, a sentence a line."""

from __future__ import annotations

from chainrule.data.known import KNOWN
from chainrule.data.multi30k import NAME, PARTS, Language, sentences
from chainrule.data.texts import Text


def multi30k_text(*, language: Language = "en") -> Text:
    """Return 31,014 sentences: 29,000 to learn from, 1,014 to choose by, and the 1,000 of the test of 2016.

    Args:
        language: en, de or fr.

    Raises:
        DataError: A file is missing or damaged.

    Source:
        Elliott et al. 2016 (English, German) and 2017 (French); for research and education, not for commercial use.
    """
    pieces, official, count = [], {}, 0
    for part in PARTS:
        piece = "\n".join(sentences(part, language)) + "\n"
        official[part] = (count, count + len(piece))
        pieces.append(piece)
        count += len(piece)
    facts = {
        "source": KNOWN[NAME].source,
        "licence": "research and education only (Flickr30k)",
        "language": language,
    }
    return Text(f"{NAME}-text", "".join(pieces), facts, official=official)
