"""Masked words: some words of a text are hidden, and the network says from all the others what they were.

`inputs, chosen = mask_words(...)` hides them; `loss, cache = masked_word_loss(scores, words, chosen)` asks for them.
It is how BERT is trained before it is tuned to classify.

Shapes: T words of a text, V words of the vocabulary, n chosen places.

Source: LECTURES H9. Devlin et al. 2018, BERT: Pre-training of deep bidirectional transformers, 3.1.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache, Labels
from chainrule.formulas.losses import softmax_loss, softmax_loss_backward


def mask_words(
    words: Labels,
    order: Array,
    fate: Array,
    drawn: Labels,
    mask: int,
    share: float = 0.15,
    masked: float = 0.8,
    random: float = 0.1,
) -> tuple[Labels, Labels]:
    """Choose max(1, round(share T)) places; of each, the word becomes the mask, a random word, or stays.

    Were every chosen word a mask, the network would learn nothing of words that are there, and when it is tuned
    no mask is there any more.

    Args:
        words: Of a text, (T,).
        order: Random numbers, (T,); the places of the smallest are chosen.
        fate: Random numbers in [0, 1), (T,): below `masked` the mask, then up to masked + random a random word.
        drawn: Random words, (T,).
        mask: Which word the mask is.
        share: Of the words that are chosen.
        masked: Share of the chosen words that become the mask.
        random: Share of the chosen words that become a random word; the rest stays.

    Returns:
        What the network is given, (T,), and the chosen places in their order, (n,).

    Example:
        >>> words, order = np.array([7, 8, 9, 7]), np.array([0.9, 0.1, 0.2, 0.3])
        >>> fate, drawn = np.array([0.0, 0.5, 0.85, 0.95]), np.array([5, 5, 5, 5])
        >>> inputs, chosen = mask_words(words, order, fate, drawn, mask=4, share=0.75)
        >>> inputs.tolist(), chosen.tolist()
        ([7, 4, 5, 7], [1, 2, 3])
    """
    n = max(1, round(share * len(words)))
    chosen = np.sort(np.argsort(order, kind="stable")[:n])
    inputs = words.copy()
    for t in chosen:
        if fate[t] < masked:
            inputs[t] = mask
        elif fate[t] < masked + random:
            inputs[t] = drawn[t]
    return inputs, chosen


def masked_word_loss(scores: Array, words: Labels, chosen: Labels) -> tuple[float, Cache]:
    """L = -1/n sum over the chosen places t of log p_t(word t): places that were not chosen do not count.

    Args:
        scores: Of each word at each place, (T, V).
        words: What stood there, (T,).
        chosen: Places that count, (n,).

    Returns:
        The loss, and the cache.

    Example:
        >>> loss, cache = masked_word_loss(np.array([[0.0, 0.0], [9.0, 0.0]]), np.array([0, 1]), np.array([0]))
        >>> print(round(loss, 4))
        0.6931
    """
    losses, cache = softmax_loss(scores[chosen], words[chosen])
    return float(losses.mean()), (cache, chosen, scores.shape)


def masked_word_loss_backward(dloss: float, cache: Cache) -> Array:
    """(p - one_hot) / n at the chosen places, 0 elsewhere.

    Args:
        dloss: Upstream gradient.
        cache: From `masked_word_loss`.

    Returns:
        dscores, (T, V).
    """
    inner, chosen, shape = cache
    dscores = np.zeros(shape)
    dscores[chosen] = softmax_loss_backward(np.full(len(chosen), dloss / len(chosen)), inner)
    return dscores
