"""Text into tokens and back: characters, words, pairs of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registry

if TYPE_CHECKING:
    from chainrule.data.tokenizers._bpe import BytePairs as BytePairs
    from chainrule.data.tokenizers._characters import Characters as Characters
    from chainrule.data.tokenizers._stored import read_tokenizer as read_tokenizer
    from chainrule.data.tokenizers._tokenizer import Tokenizer as Tokenizer
    from chainrule.data.tokenizers._vocabulary import END as END
    from chainrule.data.tokenizers._vocabulary import MASK as MASK
    from chainrule.data.tokenizers._vocabulary import PADDING as PADDING
    from chainrule.data.tokenizers._vocabulary import START as START
    from chainrule.data.tokenizers._vocabulary import UNKNOWN as UNKNOWN
    from chainrule.data.tokenizers._vocabulary import Vocabulary as Vocabulary
    from chainrule.data.tokenizers._words import Words as Words

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "END": "_vocabulary",
        "MASK": "_vocabulary",
        "PADDING": "_vocabulary",
        "START": "_vocabulary",
        "UNKNOWN": "_vocabulary",
        "BytePairs": "_bpe",
        "Characters": "_characters",
        "Tokenizer": "_tokenizer",
        "Vocabulary": "_vocabulary",
        "Words": "_words",
        "read_tokenizer": "_stored",
    },
)

TOKENIZERS = Registry(
    "tokenizer",
    [
        ("characters", Entry("chainrule.data.tokenizers._characters:characters", "each character a token")),
        ("words", Entry("chainrule.data.tokenizers._words:words", "words and punctuation marks")),
        ("bpe", Entry("chainrule.data.tokenizers._bpe:bpe", "byte pairs: parts of words, nothing is unknown")),
        ("stored", Entry("chainrule.data.tokenizers._stored:stored", "that of another run: --data.tokenizer.file RUN")),
    ],
    group="chainrule.tokenizers",
)
"""`(texts of the training part, **options) -> Tokenizer`."""
