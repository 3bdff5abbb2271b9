"""Checks 12 to 15 of a network: the inputs that it takes, and those that it refuses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chainrule.core.errors import ChainruleError
from chainrule.diagnosis._check import Check, Evidence, Violation, check, told
from chainrule.diagnosis._compare import require_near, require_tensor
from chainrule.diagnosis._model_subject import ModelSubject, everything, scores

SIDES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 20, 21, 24, 28, 29, 31, 32, 48, 63, 64, 66, 67, 96, 128, 192, 224)
"""Sides of square images that are tried for the smallest one, up to the size that was asked for."""


@check(
    "scores have the declared shape and type",
    "losses and metrics can be computed from what comes out",
    "a softmax or an argmax at the end, `squeeze()` without an axis, `view` with -1 in the place of the batch",
)
def output_shape(subject: ModelSubject) -> Evidence:
    seen = []
    for count in (1, 2, 5):
        _require_scores(subject, scores(subject.settled, subject.inputs(count)), count)
        seen.append(str(count))
    found = scores(subject.settled, subject.inputs(8))
    rows = found.double().sum(1)
    if subject.classes > 1 and bool((found >= 0).all()) and bool(((rows - 1).abs() < 1e-5).all()):
        raise Violation("the scores of each example add up to 1: they are probabilities, not scores")
    return Evidence(f"(N, {subject.classes}) float32 for N = {', '.join(seen)}")


def _require_scores(subject: ModelSubject, found: Tensor, count: int) -> None:
    wanted = (count, subject.classes)
    if found.shape != wanted or found.dtype != torch.float32:
        raise Violation(
            f"{count} inputs give {found.dtype} {tuple(found.shape)} instead of torch.float32 {wanted}",
            found=list(found.shape),
            wanted=list(wanted),
        )


@check(
    "other sizes work, or are refused by name",
    "a wrong size is told where it is given, and never computes something else in silence",
    "a size that the builder accepts and the network cannot compute; `view(-1, D)`, which turns pixels into examples",
)
def sizes(subject: ModelSubject) -> Evidence:
    works = [shape for shape in _other_shapes(subject.shape) if _size_works(subject, shape)]
    if not subject.fits or len(subject.shape) != 3:
        return Evidence(f"{len(works)} of {len(_other_shapes(subject.shape))} other sizes work, the rest is refused")
    channels = subject.shape[0]
    sides = [side for side in SIDES if side <= max(32, *subject.shape[1:])]
    fitting = [side for side in sides if _builds(subject, (channels, side, side))]
    if not fitting:
        return Evidence(f"square images up to {sides[-1]} are all refused by name", works=len(works))
    least = fitting[0]
    shape = (channels, least, least)
    network = subject.settle_for(shape)
    _require_scores(subject, scores(network, subject.inputs(2, shape=shape)), 2)
    below = [side for side in sides if side < least]
    refused = f", {below[-1]}x{below[-1]} is refused by name" if below else ""
    return Evidence(f"works from {least}x{least}{refused}; {len(works)} odd sizes work", least=least, works=len(works))


def _other_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Odd, not square, a little smaller and larger."""
    if len(shape) != 3:
        return [(*shape[:-1], shape[-1] + 1), (*shape[:-1], max(1, shape[-1] - 1))]
    c, h, w = shape
    odd = (c, h + 1 - h % 2, w + 1 - w % 2) if h % 2 == 0 or w % 2 == 0 else (c, h + 2, w + 2)
    return [odd, (c, h, w + 3), (c, h + 5, w), (c, 2 * h, w)]


def _size_works(subject: ModelSubject, shape: tuple[int, ...]) -> bool:
    if subject.fits and not _builds(subject, shape):
        return False
    x = subject.inputs(3, shape=shape)
    network = subject.settle_for(shape) if subject.fits else subject.settled
    if subject.fits:
        found = scores(network, x)
    else:
        try:
            with torch.no_grad():
                output = network(x)
        except Exception as error:  # whatever it says, it is refused
            _require_words(error)
            return False
        found = require_tensor(f"the output for {shape}", output)
    _require_scores(subject, found, 3)
    return True


def _builds(subject: ModelSubject, shape: tuple[int, ...]) -> bool:
    """Whether a size is taken; refusing it is right only by an error of ours, when the network is built."""
    try:
        with torch.device("meta"):
            _try_out(subject, shape, "meta")
    except ChainruleError as error:
        _require_words(error)
        return False
    except Exception:  # not everything is known of tensors without numbers: only the real ones decide
        return _really_builds(subject, shape)
    return True


def _really_builds(subject: ModelSubject, shape: tuple[int, ...]) -> bool:
    try:
        subject.network(shape=shape)
    except ChainruleError as error:
        _require_words(error)
        return False
    except Exception as error:
        raise Violation(f"{shape} is refused with {told(error)}, not by an error that says what it takes") from error
    try:
        _try_out(subject, shape, "cpu")
    except Exception as error:
        raise Violation(f"{shape} is accepted, but cannot be computed: {told(error)}", shape=list(shape)) from error
    return True


def _try_out(subject: ModelSubject, shape: tuple[int, ...], device: str) -> None:
    network = subject.network(shape=shape).eval()
    with torch.no_grad():
        network(torch.zeros(2, *shape, device=device))


def _require_words(error: Exception) -> None:
    if not str(error).strip():
        raise Violation(f"a wrong input is refused without a word ({type(error).__name__})")


@check(
    "no example and one example",
    "the last batch of an epoch, or of a request, may be short",
    "`squeeze()`, `view(len(x), -1)` (undecided for 0 examples), or a norm without a word for one value a channel",
)
def few_examples(subject: ModelSubject) -> Evidence:
    for count in (0, 1):
        _require_scores(subject, scores(subject.settled, subject.inputs(count)), count)
    network = subject.network().train()
    try:
        with torch.no_grad():
            require_tensor("the output for one example while training", everything(network(subject.inputs(1))))
    except (ValueError, ChainruleError) as error:
        _require_words(error)
        return Evidence(f"(0, K) and (1, K); one example while training is refused: {told(error)[:80]}")
    return Evidence("(0, K) and (1, K), one example while training too")


@check(
    "wrong inputs are refused, and NaN is not swallowed",
    "nobody is given plausible scores for what was no input",
    "a conversion of types, `nan_to_num`, a mean over channels, or `reshape` to whatever fits",
)
def wrong_inputs(subject: ModelSubject) -> Evidence:
    # numbers of examples and copies that no axis of an input has: a wrong shape must not fit by chance
    x, network = subject.inputs(5 if subject.shape[0] != 5 else 6), subject.settled
    wrong = {
        "an axis too few": x[..., 0],
        "an axis too many": torch.stack([x] * (2 if subject.shape[-1] != 2 else 3), -1),
        "float64": x.double(),
        "whole numbers": x.mul(50).long(),
    }
    if len(subject.shape) == 3:
        wrong["another number of channels"] = torch.cat([x, x[:, :1]], 1)
    else:
        wrong["another number of features"] = torch.cat([x, x[..., :1]], -1)
    for what, given in wrong.items():
        try:
            with torch.no_grad():
                output = network(given)
        except Exception as error:  # any error will do that says something
            _require_words(error)
        else:
            told_shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise Violation(f"{what}, {tuple(given.shape)} of {given.dtype}, is accepted: {told_shape}", wrong=what)
    _require_nan_shows(network, x)
    return Evidence(f"{len(wrong)} kinds of wrong input refused; NaN shows in its own example alone")


def _require_nan_shows(network: nn.Module, x: Tensor) -> None:
    given = x.clone()
    given[2] = float("nan")
    try:
        with torch.no_grad():
            output = network(given)
    except Exception as error:
        _require_words(error)
        return
    if bool(output[2].isfinite().all()):
        raise Violation("an example of NaN gets finite scores")
    rest = [place for place in range(len(x)) if place != 2]
    require_near("the scores beside an example of NaN", output[rest], scores(network, x)[rest], 1e-5)


INPUTS: tuple[Check[ModelSubject], ...] = (output_shape, sizes, few_examples, wrong_inputs)
"""Checks 12 to 15."""
