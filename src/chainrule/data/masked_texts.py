"""Texts some of whose words are hidden, and what the words were."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from chainrule.core.errors import DataError
from chainrule.data.batches import Batch
from chainrule.data.ragged import Ragged
from chainrule.data.tokenizers import Vocabulary
from chainrule.data.windows import IGNORED
from chainrule.runtime.rng import uniform


class Blanks(NamedTuple):
    """What a network that fills in words is given.

    Args:
        tokens: (B, T) of each text, some of them hidden, then padding.
        places: (P,) of the tokens that are asked for, counted through all texts: row times T, plus place in the row.
    """

    tokens: Int64[Tensor, "b t"]
    places: Int64[Tensor, " p"]


class Masking:
    """How words are chosen, and what becomes of those that are.

    Of each text max(1, round(share n)) of its n words are chosen; never padding, unknown words or other special
    tokens. Of the chosen ones the share `masked` becomes the mask, the share `random` a word of the vocabulary, each
    as probable as another, and the others stay. All is drawn by the key of a text, so that neither the batch that it
    is in nor the padding behind it shows.

    Args:
        vocabulary: With a mask.
        share: Of the words of a text that are chosen.
        masked: Share of the chosen words that become the mask.
        random: Share of the chosen words that become a random word.

    Raises:
        DataError: The vocabulary has no mask, or no words.

    Example:
        >>> masking = Masking(Vocabulary.of(["by", "the", "sea"]).with_mask(), share=0.5, masked=1.0, random=0.0)
        >>> inputs, targets = masking(torch.tensor([[4, 5, 6, 6, 0]]), torch.tensor([1]))
        >>> int((inputs == 7).sum()), bool(((targets == IGNORED) == (inputs != 7)).all())
        (2, True)

    Source:
        LECTURES H9. Devlin et al. 2018, BERT, 3.1 and A.1; chosen anew at each visit: Liu et al. 2019, RoBERTa, 4.1.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, share: float = 0.15, masked: float = 0.8, random: float = 0.1
    ) -> None:
        if vocabulary.mask is None or not vocabulary.ordinary:
            lacks = "mask" if vocabulary.mask is None else "words"
            raise DataError(f"the vocabulary has no {lacks}", expected="words, and a mask to hide some of them")
        self.mask = vocabulary.mask
        self.words = torch.tensor(vocabulary.ordinary)
        self.is_word = torch.zeros(len(vocabulary), dtype=torch.bool).index_fill_(0, self.words, True)
        self.share, self.masked, self.random = share, masked, random

    def __call__(
        self, tokens: Int64[Tensor, "b t"], key: Int64[Tensor, " b"]
    ) -> tuple[Int64[Tensor, "b t"], Int64[Tensor, "b t"]]:
        """Return what the network is given, and the words that it is asked for: `IGNORED` at all other places."""
        shape = tokens.shape[1:]
        can = self.is_word[tokens]  # (B, T)
        count = can.sum(1, keepdim=True)
        wanted = (self.share * count.double()).round().clamp(min=1).minimum(count)
        order = uniform(key, "chosen", shape, dtype=torch.float64).masked_fill(~can, 2.0)
        rank = torch.argsort(torch.argsort(order, dim=1, stable=True), dim=1)
        chosen = rank < wanted
        fate = uniform(key, "fate", shape, dtype=torch.float64)
        drawn = self.words[(uniform(key, "drawn", shape, dtype=torch.float64) * len(self.words)).long()]
        inputs = tokens.masked_fill(chosen & (fate < self.masked), self.mask)
        inputs = drawn.where(chosen & (fate >= self.masked) & (fate < self.masked + self.random), inputs)
        return inputs, tokens.where(chosen, IGNORED)


class MaskedTexts:
    """Pieces of texts as the batches of a step; which words are hidden is drawn anew at each visit.

    Args:
        pieces: Of all texts.
        index: (n,) which of them belong to this part.
        masking: How words are hidden.

    Example:
        >>> masking = Masking(Vocabulary.of(["by", "the", "sea"]).with_mask(), share=1.0, masked=1.0, random=0.0)
        >>> part = MaskedTexts(Ragged([torch.tensor([5, 6]), torch.tensor([6])]), torch.tensor([0, 1]), masking)
        >>> batch = part.fetch(torch.tensor([1, 0]), torch.tensor([0, 1]))
        >>> batch.inputs.tokens.tolist(), batch.inputs.places.tolist(), batch.targets.tolist()
        ([[7, 0], [7, 7]], [0, 2, 3], [6, 5, 6])

    Source:
        LECTURES H9.
    """

    def __init__(self, pieces: Ragged, index: Int64[Tensor, " n"], masking: Masking) -> None:
        self.pieces, self.index, self.masking = pieces, index, masking

    def __len__(self) -> int:
        return len(self.index)

    @property
    def lengths(self) -> Int64[Tensor, " n"]:
        """Tokens of each piece."""
        return self.pieces.lengths[self.index]

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return texts with hidden words (`Blanks`), and the words (P,)."""
        tokens, targets = self.masking(self.pieces.padded(self.index[index]).tokens, key)
        flat = targets.flatten()
        places = (flat != IGNORED).nonzero().squeeze(1)
        return Batch(Blanks(tokens, places), flat[places], key, index)
