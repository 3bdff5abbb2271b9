"""Words and the words around them, with words drawn as noise: what word vectors are learned from."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from chainrule.core.errors import DataError, UsageError, unknown
from chainrule.core.paths import shown
from chainrule.data.batches import Batch
from chainrule.data.tokenizers import END, PADDING
from chainrule.runtime.rng import uniform

Kind = Literal["skip-gram", "cbow"]
KINDS: tuple[Kind, ...] = get_args(Kind)
POWER = 0.75
"""Noise is drawn by the counts of words to this power."""
REACH = 4
"""Where frequent words are left out, a window reaches at most so many times its length for the others."""


class Questions(NamedTuple):
    """What a network of word vectors is given.

    Args:
        inputs: (P, C) the words that are known; where there are fewer than C, padding.
        candidates: (P, 1 + K) the word that belongs to them, then words that were drawn; padding where there is none.
    """

    inputs: Int64[Tensor, "p c"]
    candidates: Int64[Tensor, "p k"]


class WordPairs:
    """The places of a text; each gives the pairs of its word with those around it, as word2vec takes them.

    Frequent words are left out at random (`keep_probabilities`), before windows are cut, so that these reach further.
    How many words a window has on each side is drawn for every place, evenly from 1 to `window`. skip-gram: the word
    is known, each of its neighbors belongs to it. cbow: the neighbors are known, the word belongs to them. Against each
    pair `negatives` words are drawn by their counts to the power of 0.75; one that is the word itself does not count.

    Args:
        tokens: (n,) the tokens of a part.
        counts: (V,) how often each token occurs in the training part.
        kind: skip-gram or cbow.
        window: The most words on each side, at least 1.
        negatives: Words that are drawn against each pair, at least 1.
        subsample: The share of the text from which on a word is frequent; 0: no word is left out.
        segment: (n,) a number that grows from line to line, where windows end with their line.

    Raises:
        UsageError: Options out of their range.
        DataError: There are fewer than two words.

    Example:
        >>> tokens = torch.tensor([4, 5, 4, 6])
        >>> pairs = WordPairs(tokens, torch.bincount(tokens), kind="cbow", window=1, negatives=2, subsample=0.0)
        >>> batch = pairs.fetch(torch.arange(4), torch.arange(4))
        >>> batch.inputs.inputs.tolist(), batch.inputs.candidates[:, 0].tolist()
        ([[0, 5], [4, 4], [5, 6], [4, 0]], [4, 5, 4, 6])

    Source:
        LECTURES G5. Mikolov et al.: Distributed representations of words and phrases (2013), 2.2 and 2.3.

    Departures:
        Which neighbors are left out is drawn for each place anew, not once for all windows of a pass.
    """

    def __init__(
        self,
        tokens: Int64[Tensor, " n"],
        counts: Int64[Tensor, " v"],
        *,
        kind: Kind,
        window: int = 5,
        negatives: int = 5,
        subsample: float = 1e-3,
        segment: Int64[Tensor, " n"] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise UsageError(f"there is no kind of pairs {shown(kind)}", remedy=unknown("kind", kind, list(KINDS)))
        if window < 1 or negatives < 1 or not 0 <= subsample < math.inf:
            raise UsageError(
                "there are no such pairs",
                expected="window and negatives at least 1, subsample a share of the text or 0",
                got=f"window {window}, negatives {negatives}, subsample {subsample}",
            )
        if int((tokens > END).sum()) < 2:
            raise DataError("the part is too short to learn from", expected="at least 2 words", got=len(tokens))
        self.tokens, self.segment = tokens, segment
        self.kind, self.window, self.negatives = kind, window, negatives
        self.keep = keep_probabilities(counts, subsample)
        self.noise = noise_distribution(counts).cumsum(0)
        reach = window * (REACH if subsample else 1)
        self._around = torch.cat([torch.arange(-1, -reach - 1, -1), torch.arange(1, reach + 1)])  # nearest first

    def __len__(self) -> int:
        return len(self.tokens)

    def fetch(self, index: Int64[Tensor, " b"], key: Int64[Tensor, " b"]) -> Batch:
        """Return the pairs (P of them) of some places; the right candidate (P,) is always the first."""
        here = self.tokens[index]
        there = (here > END) & (uniform(key, "keep") < self.keep[here])
        places, keys = index[there], key[there]
        rows, slots, words = self._neighbors(places, keys)
        word = self.tokens[places]
        if self.kind == "skip-gram":
            inputs, right = word[rows].unsqueeze(1), words  # (P, 1), (P,)
            drawn = self._drawn(keys, 2 * self.window)[rows, slots]
        else:
            inputs = torch.full((len(places), 2 * self.window), PADDING).index_put_((rows, slots), words)
            some = inputs.any(1)
            inputs, right, drawn = inputs[some], word[some], self._drawn(keys, 1)[some, 0]
        drawn = torch.where(drawn == right.unsqueeze(1), PADDING, drawn)  # (P, K)
        candidates = torch.cat([right.unsqueeze(1), drawn], dim=1)
        return Batch(Questions(inputs, candidates), torch.zeros(len(right), dtype=torch.int64), key, index)

    def _neighbors(self, places: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The row of each pair, the place of its neighbor in the window (0 to 2 window - 1), and the neighbor."""
        around = places.unsqueeze(1) + self._around  # (b, 2 reach)
        inside = (around >= 0) & (around < len(self.tokens))
        around = around.clamp(0, len(self.tokens) - 1)
        words = self.tokens[around]
        kept = inside & (words > END) & (uniform(keys, "neighbors", (len(self._around),)) < self.keep[words])
        if self.segment is not None:
            kept &= self.segment[around] == self.segment[places].unsqueeze(1)
        widths = 1 + (uniform(keys, "width") * self.window).long()  # (b,)
        sides = kept.unflatten(1, (2, -1))  # (b, 2, reach)
        rank = sides.cumsum(2)
        sides = sides & (rank <= widths.view(-1, 1, 1))
        rows, side, step = sides.nonzero(as_tuple=True)
        slots = side * self.window + rank[rows, side, step] - 1
        return rows, slots, words.unflatten(1, (2, -1))[rows, side, step]

    def _drawn(self, keys: Tensor, each: int) -> Int64[Tensor, "b each k"]:
        """Words drawn as noise."""
        draws = uniform(keys, "noise", (each, self.negatives), dtype=torch.float64)
        return torch.searchsorted(self.noise, draws, right=True).clamp(max=len(self.noise) - 1)


def noise_distribution(counts: Int64[Tensor, " v"], power: float = POWER) -> Float64[Tensor, " v"]:
    """Return p(w) = counts(w)^power / sum; special tokens are never drawn.

    Raises:
        DataError: No word occurs.

    Example:
        >>> noise_distribution(torch.tensor([0, 9, 0, 0, 1, 16]))[4:].tolist()
        [0.1111111111111111, 0.8888888888888888]
    """
    weights = counts.double().pow(power)
    weights[: END + 1] = 0
    weights[counts == 0] = 0
    if not weights.any():
        raise DataError("there is no word to draw as noise", expected="words that the tokenizer knows")
    return weights / weights.sum()


def keep_probabilities(counts: Int64[Tensor, " v"], threshold: float) -> Float64[Tensor, " v"]:
    """Return min(1, sqrt(threshold / f(w))) with the share f(w) of a word in the text; 1 where the threshold is 0.

    Example:
        >>> keep_probabilities(torch.tensor([0, 0, 0, 0, 75, 25]), 0.25)[4:].tolist()
        [0.5773502691896257, 1.0]
    """
    shares = counts.double() / counts[END + 1 :].sum().clamp_min(1)
    if threshold == 0:
        return torch.ones_like(shares)
    return (threshold / shares.clamp_min(1e-300)).sqrt().clamp(max=1.0)
