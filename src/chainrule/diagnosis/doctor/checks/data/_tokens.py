"""Sequences of tokens that say little: nearly all unknown, mostly padding."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import LEARNS_LITTLE
from chainrule.diagnosis.doctor.checks.data._again import again, compare
from chainrule.diagnosis.doctor.checks.data._facts import facts
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

UNKNOWN = 0.45
"""Share of one token among the real ones from which it must be the unknown one: the commonest word of a language has
0.07, the commonest character 0.2, and rare words left out make 0.15."""
AHEAD = 4.0
"""How many times as common as the next one it is then."""
WORDS = 8
"""Tokens that differ, below which one of them may well be the rule (bases, moves, bits)."""
PADDED = 0.75
"""Share of padding from which most of the work is done on nothing."""

SECONDS = 2.5
"""For each of two trainings: long sequences take their time."""


def tokens_of(case: Case) -> Tensor | None:
    """The whole-number inputs of training, where the network looks them up in an embedding."""
    train = facts(case).train
    if train is None or train.inputs.is_floating_point() or train.inputs.dtype == torch.bool:
        return None
    looked_up = any(
        isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for net in case.networks.values() for m in net.modules()
    )
    return train.inputs if looked_up else None


def padding_of(tokens: Tensor) -> tuple[int | None, float]:
    """The token that fills rows up, at their ends or beginnings, and its share; None where rows are not filled up.

    Example:
        >>> padding_of(torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0], [6, 5, 0, 0]]))
        (0, 0.5)
    """
    if tokens.ndim != 2 or tokens.shape[1] < 2 or len(tokens) < 2:
        return None, 0.0
    for row in (tokens, tokens.flip(1)):
        last = row[:, -1]
        token = int(last.mode().values)
        if float((last == token).double().mean()) < 0.3:
            continue
        is_it = row == token
        run = is_it.flip(1).long().cumprod(1).flip(1).bool()  # from the end on, without a gap
        if int(run.sum()) and int(run.sum()) >= 0.95 * int(is_it.sum()) and float(run[:, -2].double().mean()) > 0.1:
            return token, float(is_it.double().mean())
    return None, 0.0


@check("tokens-mostly-unknown")
def mostly_unknown(case: Case) -> Iterator[Finding]:
    """Count how often the commonest token stands among the real ones."""
    tokens = tokens_of(case)
    if tokens is None:
        return
    padding, _ = padding_of(tokens)
    real = tokens[tokens != padding] if padding is not None else tokens.reshape(-1)
    values, counts = real.unique(return_counts=True)
    if len(values) < WORDS or len(real) < 100:
        return
    order = counts.argsort(descending=True)
    share = float(counts[order[0]]) / len(real)
    ahead = float(counts[order[0]]) / float(counts[order[1]])
    if share < UNKNOWN or ahead < AHEAD:
        return
    token = int(values[order[0]])
    yield Finding(
        "tokens-mostly-unknown",
        f"{share:.0%} of all tokens are the same one ({token}): nearly all words are unknown.",
        "fault",
        0.9,
        (
            Fact(f"share of token {token} among real ones", f"{share:.1%} (usual for unknown words: below 15%)"),
            Fact("how many times as common as the next", f"{ahead:.1f}"),
            Fact("different tokens", str(len(values))),
        ),
        change="keep rarer words (a lower threshold, a larger vocabulary), and look words up as they were counted: "
        "the same case and splitting",
        where=facts(case).place,
        explains=(*LEARNS_LITTLE, "labels-unrelated"),
    )


@check("input-mostly-padding", experiment=True)
def mostly_padding(case: Case) -> Iterator[Finding]:
    """Where most places are padding: train again with rows cut to what most examples need."""
    known = facts(case)
    tokens = tokens_of(case)
    if tokens is None or len(known.fed) != len(case.batches):
        return
    padding, share = padding_of(tokens)
    if padding is None or share < PADDED:
        return
    lengths = (tokens != padding).sum(1)
    width = max(2, int(lengths.double().quantile(0.95)))
    behind = float((tokens[:, -1] == padding).double().mean()) > float((tokens[:, 0] == padding).double().mean())
    short = {i: fed.inputs[:, :width] if behind else fed.inputs[:, -width:] for i, fed in enumerate(known.fed)}
    evidence = (
        Fact("share of padding", f"{share:.1%}"),
        Fact("longest of 95% of the examples", f"{width} of {tokens.shape[1]} places"),
    )
    try:
        before, after = again(case, seconds=SECONDS), again(case, inputs=short, seconds=SECONDS)
    except (RuntimeError, IndexError, ValueError):  # a network made for just that length
        yield _padded(case, share, evidence, None)
        return
    old, new = compare(before, after)
    count = min(len(before.losses), len(after.losses))
    helped = new < 0.85 * old
    yield _padded(case, share, evidence, Tried(
        f"rows cut to {width} places, the same steps from the same start",
        f"loss {old:.4g} after {count} steps", f"loss {new:.4g} after {count} steps", helped))  # fmt: skip


def _padded(case: Case, share: float, evidence: tuple[Fact, ...], tried: Tried | None) -> Finding:
    helped = tried is not None and tried.helped
    return Finding(
        "input-mostly-padding",
        f"{share:.0%} of the sequences is padding.",
        "fault" if helped else "note",
        0.85 if helped else 0.4,
        evidence,
        change="fill up only to the longest of the batch, cut to the usual length, and mask or pack what is filled",
        where=facts(case).place,
        tried=tried,
        explains=(*LEARNS_LITTLE, "gradients-vanish"),
    )
