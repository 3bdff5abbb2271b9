"""Sentences of reviews, each positive or negative."""

from __future__ import annotations

import torch

from chainrule.core.errors import DataError, unknown
from chainrule.data.fetch import locate, verify
from chainrule.data.known import KNOWN
from chainrule.data.labeled_texts import LabeledTexts
from chainrule.data.texts import read_text

NAME = "sentiment-sentences"
SOURCES = ("amazon", "imdb", "yelp")


def sentiment_sentences(*, sources: tuple[str, ...] = SOURCES) -> LabeledTexts:
    """Return 3,000 sentences of reviews: of products (amazon), films (imdb) and restaurants (yelp), 1,000 each.

    There is no official split: each part gets every source and class in its share.

    Args:
        sources: Which of the three.

    Raises:
        DataError: A file is missing or damaged, or there is no such source.

    Source:
        Kotzias et al.: From group to individual labels using deep features (2015). UCI 331, CC BY 4.0.
    """
    for source in sources:
        if source not in SOURCES:
            raise DataError(f'{NAME}: there is no source "{source}"', remedy=unknown("source", source, SOURCES))
    chosen = [source for source in SOURCES if source in sources]  # in one order, however they were named
    texts, labels, origins = [], [], []
    for number, source in enumerate(chosen):
        (file,) = (file for file in KNOWN[NAME].files if file.name.startswith(source))
        path = locate(NAME, file)
        if (wrong := verify(path, file)) is not None:
            raise DataError(f"{NAME} is damaged: {wrong}", remedy="remove the file and get it again")
        for line in read_text(path, name=NAME).split("\n"):  # not splitlines: there are other line ends in sentences
            text, tab, label = line.rpartition("\t")
            if tab:
                texts.append(text.strip())
                labels.append(int(label))
                origins.append(number)
    return LabeledTexts(
        NAME,
        texts,
        torch.tensor(labels, dtype=torch.int64),
        ("negative", "positive"),
        sources=torch.tensor(origins, dtype=torch.int64),
        facts={"source": KNOWN[NAME].source, "licence": "CC BY 4.0", "sources": chosen},
    )
