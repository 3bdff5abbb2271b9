"""How the weights begin: all alike, too small, too large, odd biases and gains. Proved by beginning otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks.network._layers import Signals, affine_layers, signals
from chainrule.diagnosis.doctor.checks.network._start import (
    Weights,
    gains_of,
    redrawn,
    rescaled,
    vectors_at_start,
    weights_at_start,
    without_offsets,
)
from chainrule.diagnosis.doctor.checks.network._trial import Trial, can_try, trial
from chainrule.diagnosis.doctor.findings import Fact, Finding, Tried

SMALL, LARGE = 0.2, 3.0
"""Size of weights over the usual one beyond which a layer is looked at: torch's own default is about 0.4 of He's, and
people multiply by two or so for tanh."""
FADED = 1e-2
"""What is left of the spread between examples at the network's end: below, the layers let nearly nothing through."""
WIDE = 6.0
"""Spread of scores from which a softmax is nearly one or zero: usual ones begin at or below one."""
FLAT, LEARNS = 0.05, 0.15
"""Share of the loss that falls in a trial: below, it stays; above, it learns. Trials of healthy trainings fall by more
than a tenth, those of vanished signals by less than a hundredth."""
SYMPTOMS = (
    "gradients-vanish", "gradients-explode", "saturated-units", "dead-units", "input-ignored", "rate-too-low",
    "rate-too-high", "loss-does-not-move", "loss-diverges", "loss-oscillates", "underfits", "initial-loss-off",
    "one-batch-is-not-learned", "one-answer-for-all", "momentum-too-large", "too-few-steps",
)  # fmt: skip
"""What follows from a bad start."""


@check("all-units-equal", experiment=True)
def all_units_equal(case: Case) -> Iterator[Finding]:
    """Every unit of a layer begins with the same weights and gets the same gradient, so they stay one unit."""
    if not can_try(case):
        return
    alike = [w for w in weights_at_start(case) if w.tensor.shape[w.axis] > 1 and _alike(w.tensor, w.axis)]
    if not alike:
        return
    found = signals(case.batches[0], case.rehearsal.start())
    places = {id(v.tensor): v.index for v in case.batches[0].tape.values if v.operation is None}
    stuck = [w for w in alike if _alike(found.gradients.get(places[w.key], torch.zeros_like(w.tensor)), w.axis)]
    if not stuck:
        return  # such as a last layer of zeros: the targets make its units differ at once
    before, after = trial(case), trial(case, state=redrawn(case, stuck))
    helped = after.gain > before.gain + 0.05 or after.last < 0.9 * before.last
    values = sorted({f"{float(w.tensor.flatten()[0]):.4g}" for w in stuck})
    yield Finding(
        "all-units-equal",
        f"all units of {_names(stuck)} begin with the same weights, and stay equal",
        "fault" if helped else "warning",
        0.97 if helped else 0.55,
        (
            Fact("difference between the units' weights at the start", f"none (all {', '.join(values[:3])})"),
            Fact("difference between the units' gradients at the first step", "none: they stay one unit"),
            Fact("layers", _names(stuck, 6)),
        ),
        "draw the weights at random: torch.randn(fan_in, fan_out) * math.sqrt(2 / fan_in), or leave torch's own",
        stuck[0].name,
        Tried("weights drawn at random (He)", before.words(), after.words(), helped),
        (*SYMPTOMS, "initialization-too-small", "initialization-too-large"),
    )


def _alike(tensor: Tensor, axis: int) -> bool:
    """Whether all slices along an axis are the same."""
    first = tensor.narrow(axis, 0, 1)
    return bool(torch.allclose(tensor, first.expand_as(tensor), rtol=1e-6, atol=1e-12))


def _names(weights: list[Weights], most: int = 2) -> str:
    names = [w.name for w in weights]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@check("initialization-too-small", "initialization-too-large", experiment=True)
def initialization_scale(case: Case) -> Iterator[Finding]:
    """Signals fade or swell from layer to layer at the first weights; weights of the usual size learn better by far."""
    weights = [w for w in weights_at_start(case) if w.tensor.numel() > 1 and w.size > 0]
    if not can_try(case) or not weights:
        return
    found = signals(case.batches[0], case.rehearsal.start())
    fade = passed(case, found)
    sizes = [w.size for w in weights]
    if fade is not None and fade < FADED:
        before, after = trial(case), trial(case, state=rescaled(case, weights))
        if before.gain < FLAT and after.gain > max(LEARNS, 3 * before.gain):
            least = min(weights, key=lambda w: w.size)
            yield _scale("small", case, weights, least, found, fade, (before, after))
    elif max(sizes) > LARGE and (_spread(case, found) > WIDE or _saturated(case, found)):
        large = [w for w in weights if w.size > 2.0]
        before, after = trial(case), trial(case, state=rescaled(case, large))
        if after.last < 0.6 * before.last and after.first < 1.2 * before.first:
            most = max(weights, key=lambda w: w.size)
            yield _scale("large", case, weights, most, found, _spread(case, found), (before, after))


def _scale(
    which: str,
    case: Case,
    weights: list[Weights],
    worst: Weights,
    found: Signals,
    measure: float,
    tried: tuple[Trial, Trial],
) -> Finding:
    small = which == "small"
    what = (
        Fact("spread between examples at the end over that at the first layer", f"{measure:.2g} (usual: 0.1 to 10)")
        if small
        else Fact("spread of the scores at the first weights", f"{measure:.3g} (usual: about 1 or less)")
    )
    return Finding(
        f"initialization-too-{which}",
        f"the weights begin too {which}: "
        + ("the signal fades from layer to layer" if small else "scores are huge or units saturated from the start"),
        "fault",
        0.95,
        (
            what,
            Fact("size of the weights over the usual one", f"{worst.name}: {worst.size:.3g}"),
            Fact("spread per layer at the start", " ".join(f"{each:.2g}" for each in _spreads(case, found)[:16])),
        ),
        "initialize by the layer's inputs: nn.init.kaiming_normal_(weight, nonlinearity='relu') before ReLUs, "
        "xavier_normal_ else",
        worst.name,
        Tried("every layer's weights of the usual size", tried[0].words(), tried[1].words(), True),
        SYMPTOMS,
    )


def passed(case: Case, found: Signals) -> float | None:
    """Spread between examples at the last affine layer over that at the first; None for fewer than three layers."""
    spreads = _spreads(case, found)
    return spreads[-1] / spreads[0] if len(spreads) >= 3 and spreads[0] > 0 else None


def _spreads(case: Case, found: Signals) -> list[float]:
    """How much the outputs of each affine layer differ between examples."""
    results = [found.values.get(layer.result) for layer in affine_layers(case.batches[0])]
    return [
        float((r.float() - r.float().mean(0)).square().mean().sqrt()) for r in results if r is not None and len(r) > 1
    ]


def _spread(case: Case, found: Signals) -> float:
    """Spread of what the criterion is given."""
    batch = case.batches[0]
    place = batch.criterion.prediction if batch.criterion is not None else None
    scores = found.values.get(place) if place is not None else None
    return float(scores.float().std(correction=0)) if scores is not None and scores.numel() else 0.0


def _saturated(case: Case, found: Signals) -> bool:
    """Whether most bounded units are at their bounds."""
    shares = []
    for operation in case.batches[0].tape.operations:
        if operation.function in ("tanh", "tanh_", "sigmoid", "sigmoid_") and operation.results[0] in found.values:
            value = found.values[operation.results[0]].float()
            value = value if operation.function.startswith("tanh") else 2 * value - 1
            shares.append(float((value.abs() > 0.99).float().mean()))
    return bool(shares) and max(shares) > 0.5


@check("offsets-at-start", experiment=True)
def offsets_at_start(case: Case) -> Iterator[Finding]:
    """Biases or gains that begin at odd values keep the signal from passing; usual ones learn better by far."""
    if not can_try(case):
        return
    gains = gains_of(case.batches[0])
    odd = {}
    for key, (name, tensor) in vectors_at_start(case).items():
        mean = float(tensor.float().mean())
        if (key in gains and not 0.3 < mean < 3) or (key not in gains and abs(mean) > 1.5):
            odd[name] = mean
    if not odd:
        return
    before, after = trial(case), trial(case, state=without_offsets(case))
    name, mean = max(odd.items(), key=lambda each: abs(each[1]))
    if (before.gain < FLAT and after.gain > max(LEARNS, 3 * before.gain)) or after.last < 0.5 * before.last:
        yield Finding(
            "offsets-at-start",
            f"biases or gains begin at odd values ({name} at {mean:.3g}), and hold up the signal",
            "fault",
            0.92,
            (Fact("mean at the start", ", ".join(f"{n}: {m:.3g}" for n, m in list(odd.items())[:4])),),
            "begin with biases of 0 and gains of norms of 1",
            name,
            Tried("biases 0, gains 1", before.words(), after.words(), True),
            SYMPTOMS,
        )
