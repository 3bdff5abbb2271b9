"""Whether inputs and targets belong together: codes, mixtures, masks, boxes, circles, orders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks._check import Check
from chainrule.diagnosis.doctor.checks.data._augment import breaks_label
from chainrule.diagnosis.doctor.checks.data._circle import circle_cut_open
from chainrule.diagnosis.doctor.checks.data._codes import target_codes
from chainrule.diagnosis.doctor.checks.data._columns import scaled_over_wrong_axis
from chainrule.diagnosis.doctor.checks.data._drift import changed_in_place
from chainrule.diagnosis.doctor.checks.data._filled import unknown_for_no
from chainrule.diagnosis.doctor.checks.data._gross import gross_errors
from chainrule.diagnosis.doctor.checks.data._label_order import another_order
from chainrule.diagnosis.doctor.checks.data._masks import mask_blended
from chainrule.diagnosis.doctor.checks.data._mixed import mixed_labels
from chainrule.diagnosis.doctor.checks.data._smoothed import smoothed_with_future
from chainrule.diagnosis.doctor.checks.data._turned import not_turned_along
from chainrule.diagnosis.doctor.findings import Finding

Steps = Iterator[tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]


def fit(
    net: nn.Module, batches: Callable[[], Steps], loss: Loss, valid: tuple[Tensor, Tensor] | None, rate: float = 3e-3
) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for x, y in batches():
        value = loss(net(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    if valid is not None:
        net.eval()
        with torch.no_grad():
            answer, truth = net(valid[0]), valid[1]
            (
                answer.reshape(truth.shape) - truth if answer.numel() == truth.numel() else answer.argmax(1) == truth
            ).sum()


def asked(check: Check, run: Callable[[], Any], source: str = "") -> dict[str, Finding]:
    torch.manual_seed(0)
    with Watch() as watch:
        run()
    case = Case(watch.seen, Source.of(Path("train.py"), source) if source else None)
    return {f.label: f for f in diagnose(case, "test", checks=[check]).findings if f.level != "note"}


def epochs(x: Tensor, y: Tensor, size: int = 32, times: int = 1) -> Callable[[], Steps]:
    def run() -> Steps:
        for _ in range(times):
            for index in torch.randperm(len(x)).split(size):
                yield x[index], y[index]

    return run


def mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))


CODES = [("all", "target-code-of-all-rows"), ("own", "own-target-in-code"), ("others", "")]


@pytest.mark.parametrize(("kind", "expected"), CODES)
@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_codes_of_categories(kind: str, expected: str, weight: float) -> None:
    generator = torch.Generator().manual_seed(1)
    count, cut, groups = 1200, 900, 240
    group = torch.randint(groups, (count,), generator=generator)
    y = torch.randn(groups, generator=generator)[group] * 0.5 + torch.randn(count, generator=generator)
    known = slice(None) if kind == "all" else slice(cut)
    sums = torch.zeros(groups).index_add_(0, group[known], y[known])
    size = torch.bincount(group[known], minlength=groups).float()
    code = ((sums + weight * y.mean()) / (size + weight).clamp_min(1))[group]
    if kind == "others":
        code[:cut] = ((sums[group] - y + weight * y.mean()) / (size[group] - 1 + weight).clamp_min(1))[:cut]
    x = torch.stack([code, *torch.randn(3, count, generator=generator)], 1)
    x = (x - x.mean(0)) / x.std(0)
    squared = lambda a, b: (a[:, 0] - b).square().mean()  # noqa: E731
    found = asked(target_codes, lambda: fit(mlp(4, 1), epochs(x[:cut], y[:cut]), squared, (x[cut:], y[cut:])))
    assert [*found] == ([expected] if expected else [])


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("boxes", [True, False])
def test_targets_that_are_not_turned_along(turned: bool, boxes: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    size, count = 16, 300
    place = torch.randint(0, 9, (count, 2), generator=generator)
    extent = torch.randint(3, 7, (count, 2), generator=generator)
    rows, columns = torch.arange(size)[None, :, None], torch.arange(size)[None, None, :]
    inside = (rows >= place[:, :1, None]) & (rows < (place + extent)[:, :1, None])
    inside = inside & (columns >= place[:, 1:, None]) & (columns < (place + extent)[:, 1:, None])
    x = (inside + 0.3 * torch.randn(count, size, size, generator=generator))[:, None]
    corner = torch.cat([place.flip(1), extent.flip(1)], 1).float() / size
    y = corner if boxes else inside.long()

    def batches() -> Steps:
        for inputs, targets in epochs(x[:220], y[:220], 20)():
            mirrored = torch.rand(len(inputs)) < 0.5
            inputs, targets = inputs.clone(), targets.clone()
            inputs[mirrored] = inputs[mirrored].flip(-1)
            if not turned and boxes:
                targets[mirrored, 0] = 1 - targets[mirrored, 0] - targets[mirrored, 2]
            elif not turned:
                targets[mirrored] = targets[mirrored].flip(-1)
            yield inputs, targets

    net = mlp(256, 4) if boxes else nn.Conv2d(1, 2, 3, padding=1)
    loss = F.smooth_l1_loss if boxes else F.cross_entropy
    found = asked(not_turned_along, lambda: fit(net, batches, loss, (x[220:], y[220:])))
    assert [*found] == (["target-not-turned-along"] if turned else [])


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_masks_that_are_blended(mode: str) -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(200, 1, 12, 12)
    for i in range(200):
        r, c = torch.randint(2, 8, (2,), generator=generator).tolist()
        mask[i, 0, r : r + 4, c : c + 4] = 2
        mask[i, 0, :2] = 1
    x = mask + 0.1 * torch.randn(mask.shape, generator=generator)

    def batches() -> Steps:
        for inputs, targets in epochs(x[:140], mask[:140], 20)():
            align = {"align_corners": False} if mode == "bilinear" else {}
            larger = F.interpolate(targets, size=(18, 18), mode=mode, **align)  # type: ignore[arg-type]
            wanted = larger[:, :, 3:15, 3:15][:, 0].long()
            yield F.interpolate(inputs, size=(18, 18), mode="bilinear")[:, :, 3:15, 3:15], wanted

    text = f"mask = F.interpolate(mask, size=(18, 18), mode='{mode}')\n"
    run = lambda: fit(nn.Conv2d(1, 3, 3, padding=1), batches, F.cross_entropy, (x[140:], mask[140:, 0].long()))  # noqa: E731
    assert [*asked(mask_blended, run, text)] == (["mask-blended"] if mode == "bilinear" else [])


@pytest.mark.parametrize("two_losses", [False, True])
@pytest.mark.parametrize("how", ["right", "exchanged", "other"])
def test_labels_that_are_mixed(how: str, two_losses: bool, digits: Any) -> None:
    x, y, xv, yv = digits
    weight = torch.distributions.Beta(0.5, 0.5)

    def run() -> None:
        net = mlp(64, 10)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        for index in torch.randperm(800).split(40):
            lam, other = float(weight.sample()), torch.randperm(len(index))
            mixed = lam * x[index] + (1 - lam) * x[index][other]
            share = {"right": lam, "exchanged": 1 - lam, "other": float(weight.sample())}[how]
            scores, first, second = net(mixed), y[index], y[index][other]
            if two_losses:
                loss = share * F.cross_entropy(scores, first) + (1 - share) * F.cross_entropy(scores, second)
            else:
                soft = share * F.one_hot(first, 10) + (1 - share) * F.one_hot(second, 10)
                loss = F.cross_entropy(scores, soft)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            (net(xv).argmax(1) == yv).float().mean()

    assert [*asked(mixed_labels, run)] == ([] if how == "right" else ["mixed-labels-do-not-fit"])


@pytest.mark.parametrize("kind", ["angle", "line", "noise", "two heaps"])
def test_circles_that_are_cut_open(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1200, 3, generator=generator)
    y = {
        "angle": torch.atan2(x[:, 0], x[:, 1]) / math.pi,
        "line": torch.erf(x[:, 0] + 0.1 * x[:, 2]),
        "noise": torch.rand(1200, generator=generator),
        "two heaps": torch.tanh(4 * x[:, 0] * x[:, 1]),
    }[kind]
    found = asked(circle_cut_open, lambda: fit(mlp(3, 1), epochs(x, y[:, None]), F.mse_loss, None))
    assert [*found] == (["circle-cut-open"] if kind == "angle" else [])


@pytest.mark.parametrize("kind", ["gross", "none", "long tail"])
def test_gross_errors_among_targets(kind: str, numbers: Any) -> None:
    x, y, xv, yv = numbers
    y = y.exp() if kind == "long tail" else y + 5
    if kind == "gross":
        y = torch.where(torch.arange(len(y)) % 150 == 7, 1000 * y, y)
    y = ((y - y.mean()) / y.std())[:, None]
    found = asked(gross_errors, lambda: fit(mlp(6, 1), epochs(x, y, times=2), F.mse_loss, (xv, yv[:, None])))
    assert [*found] == (["gross-errors-kept"] if kind == "gross" else [])


@pytest.mark.parametrize("masked", [False, True])
def test_unknown_labels_that_are_filled(masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(800, 8, generator=generator)
    y = (x[:, :4] + 0.3 * torch.randn(800, 4, generator=generator) > 0.5).float()
    y[:600][torch.rand(600, 4, generator=generator) < 0.6] = torch.nan

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        known = ~targets.isnan()
        each = F.binary_cross_entropy_with_logits(scores, torch.nan_to_num(targets), reduction="none")
        return each[known].mean() if masked else each.mean()

    found = asked(unknown_for_no, lambda: fit(mlp(8, 4), epochs(x[:600], y[:600]), loss, (x[600:], y[600:])))
    assert [*found] == ([] if masked else ["unknown-taken-for-no"])


@pytest.mark.parametrize(("before", "after"), [(2, 2), (4, 0)])
def test_series_that_are_smoothed(before: int, after: int) -> None:
    raw = torch.zeros(700)
    noise = torch.randn(700, generator=torch.Generator().manual_seed(0))
    for t in range(1, 700):
        raw[t] = 0.8 * raw[t - 1] + noise[t]
    padded = F.pad(raw[None, None], (before, after), mode="replicate")
    smooth = F.avg_pool1d(padded, before + after + 1, 1)[0, 0]
    x, y = smooth[:-1].unfold(0, 12, 1), raw[12:, None]
    found = asked(
        smoothed_with_future, lambda: fit(mlp(12, 1), epochs(x[:500], y[:500]), F.mse_loss, (x[500:], y[500:]))
    )
    assert [*found] == (["smoothed-with-the-future"] if after else [])


@pytest.mark.parametrize("order", ["own", "text", "moved"])
def test_labels_in_another_order(order: str, digits: Any) -> None:
    x, y, xv, yv = digits
    if order == "text":
        x = x[sorted(range(len(x)), key=str)]
    labels = y.roll(1) if order == "moved" else y
    files = "paths = sorted(os.listdir(folder))\n" if order == "text" else ""
    found = asked(another_order, lambda: fit(mlp(64, 10), epochs(x, labels), F.cross_entropy, (xv, yv)), files)
    assert [*found] == ([] if order == "own" else ["labels-unrelated"])
    assert all({"text": "as text", "moved": "moved by"}[order] in each.title for each in found.values())


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_that_are_scaled_where_columns_are_alike(axis: int) -> None:
    """A note: what the rows have lost cannot be given back, and there are arrays that are rightly scaled so."""
    x = torch.rand(600, 8, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] * x[:, 1] + x[:, 2])[:, None]
    x = (x - x.mean(axis, keepdim=True)) / x.std(axis, keepdim=True)
    text = f"x = (x - x.mean({axis}, keepdim=True)) / x.std({axis}, keepdim=True)\n"
    with Watch() as watch:
        fit(mlp(8, 1), epochs(x, y), F.mse_loss, None)
    case = Case(watch.seen, Source.of(Path("train.py"), text))
    found = diagnose(case, "test", checks=[scaled_over_wrong_axis]).findings
    assert [(f.label, f.level) for f in found] == ([("scaled-over-wrong-axis", "note")] if axis else [])


class Noted(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Pictures that are covered at random, in place or not; or moved far away."""

    def __init__(self, x: Tensor, y: Tensor, change: str) -> None:
        self.x, self.y, self.change = x.reshape(-1, 1, 8, 8).clone(), y, change

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.x[index] if self.change == "in place" else self.x[index].clone()
        if self.change != "far":
            row = int(torch.randint(0, 6, ()))
            image[:, row : row + 2, 2:5] = 0
            return image, int(self.y[index])
        shift = torch.randint(0, 21, (2,)).tolist()
        return F.pad(image, (10, 10, 10, 10))[:, shift[0] : shift[0] + 8, shift[1] : shift[1] + 8], int(self.y[index])


@pytest.mark.parametrize("change", ["in place", "copy"])
def test_stored_pictures_that_are_changed(change: str, digits: Any) -> None:
    x, y, *_ = digits
    loader = lambda: torch.utils.data.DataLoader(Noted(x[:320], y[:320], change), batch_size=32, shuffle=True)  # noqa: E731

    def batches() -> Steps:
        once = loader()
        for _ in range(3):
            yield from once

    found = asked(changed_in_place, lambda: fit(mlp(64, 10), batches, F.cross_entropy, None))
    assert [*found] == (["data-changed-in-place"] if change == "in place" else [])


def test_stored_rows_that_noise_is_added_to(numbers: Any) -> None:
    x, y, *_ = numbers
    for in_place in (True, False):
        stored = x.clone()

        def batches(stored: Tensor = stored, in_place: bool = in_place) -> Steps:
            for start in [*range(0, len(stored), 60)] * 2:
                inputs = stored[start : start + 60]
                if in_place:
                    inputs += 0.1 * torch.randn_like(inputs)
                yield (inputs if in_place else inputs + 0.1 * torch.randn_like(inputs)), y[start : start + 60, None]

        found = asked(changed_in_place, lambda b=batches: fit(mlp(6, 1), b, F.mse_loss, None))  # type: ignore[misc]
        assert [*found] == (["data-changed-in-place"] if in_place else [])


@pytest.mark.parametrize("change", ["far", "copy"])
def test_augmentation_that_hides_what_is_to_be_seen(change: str, digits: Any) -> None:
    x, y, xv, yv = digits

    def run() -> None:
        loader = torch.utils.data.DataLoader(Noted(x, y, change), batch_size=60, shuffle=True)
        fit(mlp(64, 10), lambda: iter(loader), F.cross_entropy, (xv.reshape(-1, 1, 8, 8), yv), rate=1e-2)

    assert [*asked(breaks_label, run)] == (["augmentation-breaks-label"] if change == "far" else [])
