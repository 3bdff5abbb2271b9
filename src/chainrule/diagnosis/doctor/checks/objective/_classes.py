"""Classes that do not count, count too much, or are places that are none."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._consequences import STANDSTILL
from chainrule.diagnosis.doctor.checks.objective._comparisons import CLASSES, Comparison, comparisons, gradients
from chainrule.diagnosis.doctor.findings import Fact, Finding

_PADDED = 0.1
"""Share of padding in the targets from which it matters that it counts."""


@check("real-class-ignored")
def ignored_class(case: Case) -> Iterator[Finding]:
    """`ignore_index` on a class that examples have."""
    for each in comparisons(case):
        ignored, target = each.criterion.options.get("ignore_index"), each.target
        if each.kind not in CLASSES or not isinstance(ignored, int) or target is None or target.is_floating_point():
            continue
        if not 0 <= ignored < each.prediction.shape[each.classes] or not target.numel():
            continue
        share = float((target == ignored).float().mean())
        reason = _no_padding(each, target, ignored)
        if share == 0 or reason is None:
            continue
        seen = sorted(set(target.reshape(-1).tolist()))
        yield Finding(
            "real-class-ignored",
            f"ignore_index={ignored} names a real class: its examples never count.",
            "fault",
            0.96,
            (
                Fact("targets that do not count", f"{share:.0%}, all of class {ignored}"),
                Fact("why it is no padding", reason),
                Fact("classes in the targets", ", ".join(map(str, seen[:12])) + (" ..." if len(seen) > 12 else "")),
            ),
            "Remove ignore_index (torch's default is -100), or give the number of the padding.",
            each.where(case),
            explains=(*STANDSTILL, "classes-uneven", "class-missing"),
        )
        return


def _no_padding(each: Comparison, target: Tensor, ignored: int) -> str | None:
    """Why the ignored number is no padding; None where it may be some."""
    inputs = each.batch.inputs
    if target.ndim == 1 and inputs and len(inputs[0]) == len(target) and _rows(each) is None:
        return "each example has one target, and nothing to pad"
    rows = _rows(each)
    if rows is None or target.numel() != rows[0] * rows[1]:
        return None
    gone = target.reshape(rows) == ignored
    inside = gone & ~_run(gone) & ~_run(gone.flip(1)).flip(1)
    share = float(inside.sum() / gone.sum().clamp_min(1))
    return f"{share:.0%} of it stands between other targets" if share > 0.5 else None


def _run(marked: Tensor) -> Tensor:
    """The marked places (n, t) from which on all are marked."""
    return marked.flip(1).long().cumprod(1).flip(1).bool()


def _rows(each: Comparison) -> tuple[int, int] | None:
    """Sequences and places, where the network gives one answer for each place of a sequence of numbers."""
    shapes = [each.batch.tape.values[index].shape for index in each.batch.outputs]
    classes = each.prediction.shape[each.classes]
    target = each.target
    for shape in shapes:
        if len(shape) == 3 and shape[-1] == classes and target is not None and target.numel() == shape[0] * shape[1]:
            return shape[0], shape[1]
        if len(shape) == 3 and shape[1] == classes and target is not None and target.numel() == shape[0] * shape[2]:
            return shape[0], shape[2]
    return None


@check("padding-in-loss")
def padding_counted(case: Case) -> Iterator[Finding]:
    """A number that only ends sequences, and at which the loss has a gradient."""
    for each in comparisons(case):
        target, rows = each.target, _rows(each)
        if each.kind not in CLASSES or target is None or target.is_floating_point() or rows is None:
            continue
        places = target.reshape(rows)
        padding = _padding(places, each.batch.inputs)
        if padding is None or each.criterion.options.get("ignore_index") == padding:
            continue
        ends = _run(places == padding)
        found = gradients(each.batch, case.rehearsal.start(), [each.criterion.prediction])
        gradient = found.get(each.criterion.prediction)
        if gradient is None:
            continue
        sizes = gradient.movedim(each.classes, -1).norm(dim=-1).reshape(rows)
        counted = float(sizes[ends].mean() / sizes[~ends].mean().clamp_min(1e-12))
        if counted < 0.01:
            continue
        yield Finding(
            "padding-in-loss",
            f"Padding (class {padding}) counts in the loss as if it were something to predict.",
            "fault",
            0.85,
            (
                Fact("targets that are padding", f"{float(ends.float().mean()):.0%}"),
                Fact("gradient there, as a share of that at real places", f"{counted:.0%}"),
            ),
            f"cross_entropy(..., ignore_index={padding}), or a mask times the loss of each place.",
            each.where(case),
            explains=("padding-in-metric", "classes-uneven", "input-mostly-padding"),
        )
        return


def _padding(places: Tensor, inputs: list[Tensor]) -> int | None:
    """The number that fills up sequences (n, t): it stands only at their ends, in runs of different lengths."""
    if places.shape[1] < 4 or len(places) < 4 or not inputs or inputs[0].is_floating_point():
        return None
    number = int(places[:, -1].mode().values)
    ends = _run(places == number)
    lengths = ends.sum(1)
    only = bool(((places == number) == ends).all())
    share = float(ends.float().mean())
    return number if only and share >= _PADDED and len(torch.unique(lengths)) > 2 and number >= 0 else None


@check("label-smoothing-too-strong", experiment=True)
def smoothing(case: Case) -> Iterator[Finding]:
    """Label smoothing that leaves little of the label."""
    for each in comparisons(case):
        amount = each.criterion.options.get("label_smoothing")
        if not isinstance(amount, float) or amount < 0.4 or not case.moves:
            continue
        classes = each.prediction.shape[each.classes]
        true = 1 - amount + amount / classes
        yield Finding(
            "label-smoothing-too-strong",
            f"label_smoothing={amount:g} leaves the true class {true:.0%} of the target.",
            "fault" if amount >= 0.7 else "warning",
            0.9 if amount >= 0.7 else 0.5,
            (Fact("target of the true class", f"{true:.3f}"), Fact("usual smoothing", "0.05 to 0.2")),
            "label_smoothing=0.1.",
            each.where(case),
        )
        return
