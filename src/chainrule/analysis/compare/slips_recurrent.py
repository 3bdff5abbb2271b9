"""Steps of recurrent networks, and what people write instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.analysis.compare._building import X, backward_of, forward_of
from chainrule.analysis.compare._formula import Argument, Case, Formula, Line, Slip, Values
from chainrule.formulas import (
    gru_step_backward,
    gru_step_forward,
    lstm_step_backward,
    lstm_step_forward,
    rnn_step_backward,
    rnn_step_forward,
    sigmoid_forward,
)

_H = Argument("prev_h", ("h", "h_prev", "hprev", "hidden", "h0", "state", "ht_1"))
_WEIGHTS = (
    Argument("Wx", ("w_x", "w_xh", "wxh", "w_ih", "W", "u", "w_input")),
    Argument("Wh", ("w_h", "w_hh", "whh", "U", "w_hidden", "w_rec")),
    Argument("b", ("bias", "bh")),
)


def _cases(rng: np.random.Generator, gates: int, *, cell: bool = False) -> list[Case]:
    def case(name: str, N: int, D: int, H: int, scale: float = 1.0) -> Case:
        sizes = {"x": (N, D), "prev_h": (N, H), "Wx": (D, gates * H), "Wh": (H, gates * H), "b": (gates * H,)}
        if cell:
            sizes["prev_c"] = (N, H)
        return Case(name, {key: scale * rng.standard_normal(size) for key, size in sizes.items()})

    return [
        case("a batch", 3, 4, 5), case("one sequence", 1, 3, 4), case("one hidden unit", 4, 3, 1),
        case("one input", 3, 1, 2),
        case("all sizes equal", 3, 3, 3), case("small numbers", 2, 3, 4, 0.1), case("large numbers", 2, 3, 2, 3.0),
        case("more sequences than units", 6, 2, 3), case("one of everything", 1, 1, 1), case("another batch", 4, 5, 2),
    ]  # fmt: skip


def _affine(da: Line, dh: Line | None = None) -> dict[str, Line]:
    """What an affine layer with two inputs gives to each of its five arguments."""
    return {
        "da": da,
        "du": lambda v: v.da,
        "straight": dh or (lambda v: 0.0),
        "dx": lambda v: v.da @ v.Wx.T,
        "dprev_h": lambda v: v.straight + v.du @ v.Wh.T,
        "dWx": lambda v: v.x.T @ v.da,
        "dWh": lambda v: v.prev_h.T @ v.du,
        "db": lambda v: v.du.sum(axis=0),
    }


_GRADIENTS = (
    Slip("first-example-only", "db is that of one example only", {"db": lambda v: v.du[0]}),
    Slip("mean-instead-of-sum", "db is averaged over the batch, not summed", {"db": lambda v: v.du.mean(axis=0)}),
    Slip("new-state-instead-of-old", "dWh is made of the new state, not of the old one",
         {"dWh": lambda v: v.hidden.T @ v.du}),
)  # fmt: skip

RNN_STEP = Formula(
    "rnn_step", "one step of a vanilla RNN", "G1", (X, _H, *_WEIGHTS), ("next_h",), ("dx", "dprev_h", "dWx", "dWh",
    "db"),
    forward_of(rnn_step_forward, "x prev_h Wx Wh b", "next_h"),
    backward_of(rnn_step_forward, rnn_step_backward, "x prev_h Wx Wh b", "dx dprev_h dWx dWh db", "dnext_h"),
    lambda rng: _cases(rng, 1), upstream={"dnext_h": "next_h"},
    lines={
        "a": lambda v: v.x @ v.Wx + v.prev_h @ v.Wh + v.b,
        "next_h": lambda v: np.tanh(v.a),
        "hidden": lambda v: v.next_h,
        "slope": lambda v: 1 - v.next_h**2,
        **_affine(lambda v: v.dnext_h * v.slope),
    },
    slips=(
        Slip("tanh-derivative-forgotten", "the gradient does not pass through tanh", {"slope": lambda v: 1.0}),
        Slip("tanh-derivative-of-the-input",
        "the derivative of tanh is taken of what goes into it, not of what comes out",
             {"slope": lambda v: 1 - v.a**2}),
        Slip("square-forgotten", "the square in the derivative of tanh is forgotten",
             {"slope": lambda v: 1 - v.next_h}),
        Slip("tanh-twice", "tanh is applied once more before its derivative is taken",
             {"slope": lambda v: 1 - np.tanh(v.next_h) ** 2}),
        Slip("derivative-of-sigmoid", "the derivative is that of the sigmoid",
             {"slope": lambda v: v.next_h * (1 - v.next_h)}),
        Slip("tanh-forgotten", "no tanh is applied", {"next_h": lambda v: v.a, "slope": lambda v: 1.0}),
        Slip("sigmoid-instead", "the sigmoid is used, not tanh", {"next_h": lambda v: _sigmoid(v.a)}),
        Slip("relu-instead", "ReLU is used, not tanh", {"next_h": lambda v: np.maximum(v.a, 0)}),
        Slip("bias-forgotten", "the bias is not added", {"a": lambda v: v.x @ v.Wx + v.prev_h @ v.Wh}),
        Slip("old-state-forgotten", "the old state is not used", {"a": lambda v: v.x @ v.Wx + v.b}),
        Slip("bias-without-tanh", "db does not pass through tanh", {"db": lambda v: v.dnext_h.sum(axis=0)}),
        Slip("transpose-forgotten", "a weight matrix is not transposed in dprev_h", {"dprev_h": lambda v: v.du @ v.Wh}),
        *_GRADIENTS,
    ),
    words=("rnn", "vanilla_rnn", "rnn_cell", "rnn_step"),
)  # fmt: skip


def _order(blocks: Sequence[int]) -> dict[str, Line]:
    """The gates stand in another order in the columns of Wx, Wh and b, and so do their gradients."""
    back = list(np.argsort(blocks))
    lines: dict[str, Line] = {"gates": lambda v: [v.columns[i] for i in blocks]}
    lines["da"] = lambda v: np.concatenate([v.parts[i] for i in back], axis=1)
    return lines


_LSTM_LINES: dict[str, Line] = {
    "a": lambda v: v.x @ v.Wx + v.prev_h @ v.Wh + v.b,
    "columns": lambda v: np.split(v.a, 4, axis=1),
    "gates": lambda v: v.columns,
    "i": lambda v: _sigmoid(v.gates[0]),
    "f": lambda v: _sigmoid(v.gates[1]),
    "o": lambda v: _sigmoid(v.gates[2]),
    "g": lambda v: np.tanh(v.gates[3]),
    "next_c": lambda v: v.f * v.prev_c + v.i * v.g,
    "seen_c": lambda v: np.tanh(v.next_c),
    "next_h": lambda v: v.o * v.seen_c,
    "hidden": lambda v: v.next_h,
    "from_above": lambda v: v.dnext_c,
    "through_h": lambda v: v.dnext_h * v.o * v.slope_c,
    "slope_c": lambda v: 1 - v.seen_c**2,
    "dc": lambda v: v.from_above + v.through_h,
    "slope_g": lambda v: 1 - v.g**2,
    "dprev_c": lambda v: v.dc * v.f,
    "parts": lambda v: [v.di, v.df, v.do, v.dg],
    "di": lambda v: v.dc * v.g * v.i * (1 - v.i),
    "df": lambda v: v.dc * v.prev_c * v.f * (1 - v.f),
    "do": lambda v: v.dnext_h * v.seen_c * v.o * (1 - v.o),
    "dg": lambda v: v.dc * v.i * v.slope_g,
    **_affine(lambda v: np.concatenate(v.parts, axis=1)),
}

LSTM_STEP = Formula(
    "lstm_step", "one step of an LSTM", "G2",
    (X, _H, Argument("prev_c", ("c", "c_prev", "cprev", "cell", "c0", "ct_1")), *_WEIGHTS),
    ("next_h", "next_c"), ("dx", "dprev_h", "dprev_c", "dWx", "dWh", "db"),
    forward_of(lstm_step_forward, "x prev_h prev_c Wx Wh b", "next_h next_c"),
    backward_of(lstm_step_forward, lstm_step_backward, "x prev_h prev_c Wx Wh b", "dx dprev_h dprev_c dWx dWh db",
    "dnext_h dnext_c"),
    lambda rng: _cases(rng, 4, cell=True), upstream={"dnext_h": "next_h", "dnext_c": "next_c"}, lines=_LSTM_LINES,
    slips=(
        Slip("gate-order-f-i-g-o", "the gates stand in the order f, i, g, o", _order([1, 0, 3, 2]), convention="003"),
        Slip("gate-order-i-f-g-o", "the gates stand in the order i, f, g, o", _order([0, 1, 3, 2]), convention="torch"),
        Slip("no-tanh-of-c", "h is o times c, without tanh, as 003 has it",
             {"seen_c": lambda v: v.next_c, "slope_c": lambda v: 1.0}, convention="003"),
        Slip("gates-swapped",
        "input and forget gate have changed places: what should let in keeps, what should keep lets in",
             _order([1, 0, 2, 3])),
        Slip("gates-swapped", "output and input gate have changed places",
             {"next_c": lambda v: v.f * v.prev_c + v.o * v.g, "next_h": lambda v: v.i * v.seen_c}),
        Slip("gates-swapped", "output and forget gate have changed places",
             {"next_c": lambda v: v.o * v.prev_c + v.i * v.g, "next_h": lambda v: v.f * v.seen_c}),
        Slip("sigmoid-for-g", "the new content g has a sigmoid, not tanh", {"g": lambda v: _sigmoid(v.gates[3])}),
        Slip("no-input-gate", "the new content is not multiplied by the input gate",
             {"next_c": lambda v: v.f * v.prev_c + v.g}),
        Slip("no-forget-gate", "the old cell is not multiplied by the forget gate",
             {"next_c": lambda v: v.prev_c + v.i * v.g}),
        Slip("no-output-gate", "the output is not multiplied by the output gate", {"next_h": lambda v: v.seen_c}),
        Slip("old-cell-in-the-output", "the output is made of the old cell", {"seen_c": lambda v: np.tanh(v.prev_c)}),
        Slip("bias-forgotten", "the bias is not added", {"a": lambda v: v.x @ v.Wx + v.prev_h @ v.Wh}),
        Slip("upstream-cell-forgotten", "the gradient that comes from the next cell is forgotten",
             {"from_above": lambda v: 0.0}),
        Slip("path-through-h-forgotten", "the cell does not get the gradient that comes through h",
             {"through_h": lambda v: 0.0}),
        Slip("tanh-derivative-of-c-forgotten", "on the way from h to c, the derivative of tanh is forgotten",
             {"slope_c": lambda v: 1.0}),
        Slip("tanh-derivative-of-g-forgotten", "the derivative of g's tanh is forgotten", {"slope_g": lambda v: 1.0}),
        Slip("sigmoid-derivative-forgotten", "the derivatives of the gates' sigmoids are forgotten",
             {"di": lambda v: v.dc * v.g, "df": lambda v: v.dc * v.prev_c, "do": lambda v: v.dnext_h * v.seen_c}),
        Slip("new-cell-in-forget-gate", "the forget gate's gradient is made of the new cell, not of the old one",
             {"df": lambda v: v.dc * v.next_c * v.f * (1 - v.f)}),
        Slip("cell-gradient-not-gated", "dprev_c is not multiplied by the forget gate", {"dprev_c": lambda v: v.dc}),
        Slip("cell-without-tanh-in-output-gate", "the output gate's gradient is made of c, not of tanh(c)",
             {"do": lambda v: v.dnext_h * v.next_c * v.o * (1 - v.o)}),
        *_GRADIENTS,
    ),
    words=("lstm", "lstm_cell"),
)  # fmt: skip

_GRU_LINES: dict[str, Line] = {
    "a": lambda v: v.x @ v.Wx,
    "u": lambda v: v.prev_h @ v.Wh + v.b,
    "order": lambda v: [0, 1, 2],
    "xs": lambda v: [np.split(v.a, 3, axis=1)[i] for i in v.order],
    "hs": lambda v: [np.split(v.u, 3, axis=1)[i] for i in v.order],
    "z": lambda v: _sigmoid(v.xs[0] + v.hs[0]),
    "r": lambda v: _sigmoid(v.xs[1] + v.hs[1]),
    "proposal": lambda v: v.xs[2] + v.r * v.hs[2],
    "n": lambda v: np.tanh(v.proposal),
    "keep": lambda v: v.z,
    "next_h": lambda v: (1 - v.keep) * v.n + v.keep * v.prev_h,
    "hidden": lambda v: v.next_h,
    "slope_n": lambda v: 1 - v.n**2,
    "dn": lambda v: v.dnext_h * (1 - v.z) * v.slope_n,
    "dz": lambda v: v.dnext_h * (v.prev_h - v.n) * v.z * (1 - v.z),
    "dr": lambda v: v.dn * v.hs[2] * v.r * (1 - v.r),
    "reset": lambda v: v.r,
    **_affine(lambda v: np.concatenate([v.dz, v.dr, v.dn], axis=1), lambda v: v.dnext_h * v.z),
    "du": lambda v: np.concatenate([v.dz, v.dr, v.dn * v.reset], axis=1),
}


def _reset_before(v: Values) -> np.ndarray:
    H = v.prev_h.shape[1]
    at = slice(v.order[2] * H, (v.order[2] + 1) * H)
    return v.xs[2] + (v.r * v.prev_h) @ v.Wh[:, at] + v.b[at]


def _bias_outside(v: Values) -> np.ndarray:
    H = v.prev_h.shape[1]
    at = slice(v.order[2] * H, (v.order[2] + 1) * H)
    return v.xs[2] + v.r * (v.prev_h @ v.Wh[:, at]) + v.b[at]


GRU_STEP = Formula(
    "gru_step", "one step of a GRU", "G3", (X, _H, *_WEIGHTS), ("next_h",), ("dx", "dprev_h", "dWx", "dWh", "db"),
    forward_of(gru_step_forward, "x prev_h Wx Wh b", "next_h"),
    backward_of(gru_step_forward, gru_step_backward, "x prev_h Wx Wh b", "dx dprev_h dWx dWh db", "dnext_h"),
    lambda rng: _cases(rng, 3), upstream={"dnext_h": "next_h"}, lines=_GRU_LINES,
    slips=(
        Slip("reset-before-the-product", "r multiplies the old state before the product, not after it",
             {"proposal": _reset_before}, convention="Cho et al. 2014"),
        Slip("bias-outside-of-reset", "the bias of n is not multiplied by r",
             {"proposal": _bias_outside}, convention="placement of the bias"),
        Slip("z-lets-the-new-in", "z lets the new in, 1 - z keeps the old",
             {"keep": lambda v: 1 - v.z}, convention="Chung et al. 2014"),
        Slip("gate-order-r-z-n", "the gates stand in the order r, z, n",
             {"order": lambda v: [1, 0, 2]}, convention="torch"),
        Slip("no-reset", "the reset gate is not used", {"proposal": lambda v: v.xs[2] + v.hs[2]}),
        Slip("reset-of-everything", "r multiplies the input's part too",
             {"proposal": lambda v: v.r * (v.xs[2] + v.hs[2])}),
        Slip("gates-swapped", "z resets, and r keeps",
             {"proposal": lambda v: v.xs[2] + v.z * v.hs[2], "keep": lambda v: v.r}),
        Slip("sigmoid-for-n", "the proposal has a sigmoid, not tanh", {"n": lambda v: _sigmoid(v.proposal)}),
        Slip("tanh-forgotten", "the proposal has no tanh", {"n": lambda v: v.proposal}),
        Slip("old-state-not-kept", "the old state is not kept", {"next_h": lambda v: (1 - v.keep) * v.n}),
        Slip("straight-path-forgotten", "dprev_h lacks the path straight through z", {"straight": lambda v: 0.0}),
        Slip("path-through-gates-forgotten", "dprev_h lacks the path through the gates",
             {"dprev_h": lambda v: v.straight}),
        Slip("tanh-derivative-forgotten", "the derivative of tanh is forgotten", {"slope_n": lambda v: 1.0}),
        Slip("reset-forgotten-in-backward", "r is forgotten on the way back to the old state",
             {"reset": lambda v: 1.0}),
        Slip("sign", "the gradient of z has the wrong sign",
             {"dz": lambda v: -v.dnext_h * (v.prev_h - v.n) * v.z * (1 - v.z)}),
        Slip("old-state-forgotten-in-z", "the gradient of z lacks the old state",
             {"dz": lambda v: -v.dnext_h * v.n * v.z * (1 - v.z)}),
        *_GRADIENTS,
    ),
    words=("gru", "gru_cell"),
)  # fmt: skip


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return sigmoid_forward(a)[0]


FORMULAS = (RNN_STEP, LSTM_STEP, GRU_STEP)
