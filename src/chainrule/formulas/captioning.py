"""Image captioning with attention, one step: the state so far asks where to look, and what is found enters the step.

The regions r of a picture are the places of a convolutional network's last maps. Without attention the picture is told
once, as the input (or the state) before the first word; every further step is a plain one (`recurrent`).

Shapes: N pictures, R regions, E numbers of a region, D of a word x, H of the state h, S of the score's hidden layer.
"""

from __future__ import annotations

import numpy as np

from chainrule.formulas._array import Array, Cache
from chainrule.formulas.attention import (
    additive_scores_backward,
    additive_scores_forward,
    attend_backward,
    attend_forward,
)
from chainrule.formulas.recurrent import rnn_step_backward, rnn_step_forward


def caption_step_forward(
    x: Array, prev_h: Array, regions: Array, Wq: Array, Wk: Array, w: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Cache]:
    """a = softmax_r(w . tanh(prev_h Wq + r Wk)), z = sum_r a_r r, h = tanh([x, z] Wx + prev_h Wh + b).

    a says where the network looks while it writes the next word.

    Args:
        x: The word before, (N, D).
        prev_h: (N, H).
        regions: (N, R, E).
        Wq: (H, S).
        Wk: (E, S).
        w: (S,).
        Wx: (D + E, H), the rows of the word first.
        Wh: (H, H).
        b: (H,).

    Returns:
        next_h, (N, H); and the cache, which ends with a, (N, R).

    Example:
        >>> one, regions = np.ones((1, 1)), np.array([[[5.0], [0.0]]])
        >>> h, cache = caption_step_forward(one, one, regions, one, one, 9 * np.ones(1), one[[0, 0]], one, np.zeros(1))
        >>> print(cache[-1].round(2))
        [[0.9 0.1]]

    Source:
        LECTURES G8, H1; Xu et al. 2015, 3.1.2 and 4.2.

    Departures:
        001 and 003 leave the score open; here it is the additive one of Xu et al. Their cell is an LSTM.
    """
    e, score = additive_scores_forward(prev_h[:, None], regions, Wq, Wk, w)  # (N, 1, R)
    z, look = attend_forward(e, regions)  # (N, 1, E)
    next_h, step = rnn_step_forward(np.concatenate([x, z[:, 0]], axis=1), prev_h, Wx, Wh, b)
    return next_h, (x.shape[1], score, look, step, look[0][:, 0])


def caption_step_backward(
    dnext_h: Array, cache: Cache
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """Through the step to the word and to what was found, and from there to the regions: as values, and as keys.

    The state has two ways in, as what the step goes on from and as what asks; their gradients are added.

    Returns:
        dx, (N, D); dprev_h, (N, H); dregions, (N, R, E); dWq, (H, S); dWk, (E, S); dw, (S,); dWx, (D + E, H);
        dWh, (H, H); db, (H,).

    Source:
        LECTURES G8, H1.
    """
    D, score, look, step, _ = cache
    dboth, dprev_h, dWx, dWh, db = rnn_step_backward(dnext_h, step)
    de, dvalues = attend_backward(dboth[:, None, D:], look)
    dq, dkeys, dWq, dWk, dw = additive_scores_backward(de, score)
    return dboth[:, :D], dprev_h + dq[:, 0], dvalues + dkeys, dWq, dWk, dw, dWx, dWh, db
