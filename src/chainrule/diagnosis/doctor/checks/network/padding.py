"""Whether the amount of padding behind a sequence changes the answer to it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.network._layers import ATTENDING, RECURRENT
from chainrule.diagnosis.doctor.checks.network._probe import (
    Probe,
    askable,
    difference,
    example_axis,
    probing,
)
from chainrule.diagnosis.doctor.checks.network._trial import Trial
from chainrule.diagnosis.doctor.checks.network.packing import packed_trial
from chainrule.diagnosis.doctor.checks.network.sequences import real_lengths
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

PACKED = 0.93
"""Loss after a trial that stops at the end of each row, over that without, from which the padding is what is wrong."""


@check("padding-seen", experiment=True)
def padding_seen(case: Case) -> Iterator[Finding]:
    """The same sentences with less padding behind them: the answers must stay."""
    for title, forward in askable(case):
        if example_axis(case, forward) != 0:
            continue
        with probing(case, title, forward) as probe:
            if probe is None or not probe.tensors:
                continue
            tensor = probe.tensors[0]
            if tensor.is_floating_point() or tensor.ndim != 2 or tensor.shape[1] < 6 or len(tensor) < 4:
                continue
            lengths = real_lengths(tensor)
            short = (lengths <= tensor.shape[1] - 3).nonzero().flatten()
            if len(short) < 4:
                continue
            compared = _compared(probe, tensor, lengths, short)
            if compared is None:
                continue
            far, flips = compared
            padded = float((1 - lengths / tensor.shape[1]).median())
            tried = packed_trial(case)
            if far > 0.05 or (tried is not None and _better(tried)):
                yield _padding_finding(case, title, far, flips, padded, tried)
            return


def _compared(probe: Probe, tensor: Tensor, lengths: Tensor, short: Tensor) -> tuple[float, float] | None:
    """How far answers move, on average, and how often the largest is another, when padding that all have is cut off."""
    rows = short[lengths[short].argsort()][: max(4, len(short) // 2)]
    keep = int(lengths[rows].max())
    size = tensor.shape

    def chosen(given: Tensor) -> Tensor:
        return given[rows] if given.ndim and given.shape[0] == size[0] else given.clone()

    def cut(given: Tensor) -> Tensor:
        given = chosen(given)
        return given[:, :keep] if given.ndim > 1 and given.shape[1] == size[1] else given

    before, after = probe.ask(chosen), probe.ask(cut)
    if before is None or after is None or len(before) != len(rows) or before.ndim != after.ndim:
        return None
    if before.ndim > 2 and before.shape[1] == size[1]:
        real = torch.arange(keep) < lengths[rows, None]
        before, after = before[:, :keep][real], after[real]
    if before.shape != after.shape:
        return None
    far = float(difference(before, after).mean())
    one, other = (b.argmax(-1) if b.ndim > 1 and b.shape[-1] > 1 else b > 0 for b in (before, after))
    return far, float((one != other).double().mean())


def _better(tried: tuple[Trial, Trial]) -> bool:
    """Whether the loss falls by far further when recurrent layers stop at the end of each row."""
    before, after = tried
    more = after.gain > 2 * max(before.gain, 0.02) and after.last < PACKED * before.last
    return more or (after.last < 0.5 * before.last and before.last > 0.05 * before.first)


def _padding_finding(
    case: Case, title: str, far: float, flips: float, padded: float, tried: tuple[Trial, Trial] | None
) -> Finding:
    names = {o.function for b in case.batches[:1] for o in b.tape.operations}
    recurrent, attending = bool(names & RECURRENT), bool(names & ATTENDING) or "softmax" in names
    strong = flips >= 0.1
    helped = tried is not None and _better(tried)
    fault = helped or (recurrent and padded >= 0.4 and flips >= 0.2)
    how = (
        "the last state is read after the padding"
        if recurrent
        else "attention goes to the padding" if attending else "the padding is averaged or taken in"
    )  # fmt: skip
    return Finding(
        "padding-seen",
        f"the answer changes with the amount of padding: {how}",
        "fault" if fault else "warning" if strong and (recurrent or attending) else "note",
        0.93 if helped else 0.8 if fault else 0.55,
        (
            Fact("mean change of the answers when shared padding is cut off, over their spread", f"{far:.2g}"),
            Fact("answers whose largest score is another then", f"{flips:.0%}"),
            Fact("places that are padding, in the median row", f"{padded:.0%}"),
        ),
        "pack_padded_sequence, or read the state at each row's last real step"
        if recurrent
        else "src_key_padding_mask (or -inf for padded keys), and means over real places only",
        title,
        Tried("each row stopped at its last real place", tried[0].words(), tried[1].words(), helped) if tried else None,
        (*LEARNS_LITTLE, "rate-too-low") if helped else ("part-of-input-unseen",) if recurrent and strong else (),
    )
