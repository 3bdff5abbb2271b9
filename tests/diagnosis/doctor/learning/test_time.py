"""Time that goes to something else than learning, and labels of the lesser kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._events import Forward, Observation
from chainrule.diagnosis.doctor._observe import Watch
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks import learning, network

Data = tuple[Tensor, Tensor]
First = Callable[..., tuple[str, str]]
Above = Callable[..., list[str]]
Asked = Callable[..., tuple[Any, ...]]

PROGRAM = """
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
def load():
    open({here!r}).close()
    x, y = load_digits(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)

x, y = load()
net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout({drop}), nn.Linear(32, 10))
optimizer = torch.optim.SGD(net.parameters(), lr={rate}, momentum=0.9)
best, bad = float("inf"), 0
for epoch in range({epochs}):
    {each_epoch}
    net.train()
    for batch in torch.randperm(1200).split(40):
        {each_batch}
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    net.eval()
    valid_batches = torch.arange(1200, 1600).split(100)
    for valid in valid_batches:
        loss = nn.functional.cross_entropy(net(x[valid]), y[valid])
        {each_valid}
    valid_loss = loss.item()
    print(epoch)
    if valid_loss {sign} best:
        best, bad = valid_loss, 0
    else:
        bad += 1
    if bad > {patience}:
        break
"""


def retimed(seen: Observation, **seconds: float) -> Observation:
    """The same as if each event had come a millisecond after the one before, and so many seconds after some kinds."""
    now, before = 0.0, ""
    for place, event in enumerate(seen.events):
        now += seconds.get(before, 0.001)
        seen.events[place] = replace(event, at=now)
        before = type(event).__name__
        if isinstance(event, Forward) and not event.grad:
            before = "Evaluated"
    seen.seconds = now
    return seen


def program(tmp_path: Path, *, after_print: float = 0.001, **changes: Any) -> tuple[str, str]:
    """The first finding of a program, some of whose lines are others."""
    usual = {"here": str(tmp_path / "data"), "drop": 0.2, "rate": 0.1, "epochs": 5, "each_epoch": "pass",
             "each_batch": "pass", "each_valid": "pass", "sign": "<", "patience": 9}  # fmt: skip
    (tmp_path / "data").write_text("")
    path = tmp_path / "train.py"
    path.write_text(PROGRAM.format(**{**usual, **changes}))
    with Watch(prints=True) as watch:
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__"})
    case = Case(retimed(watch.seen, Printed=after_print), Source.read(path))
    found = diagnose(case, "program", checks=learning.CHECKS).findings
    return (found[0].label, found[0].level) if found and found[0].level != "note" else ("", "")


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        (("data-loading-slow", "warning"), {"each_epoch": "x, y = load()", "after_print": 0.5}),
        (("", ""), {"after_print": 0.0}),
        (("seeded-in-every-step", "fault"), {"each_batch": "torch.manual_seed(3)", "drop": 0.5}),
        (("", ""), {"each_epoch": "torch.manual_seed(epoch)", "drop": 0.5}),
        (("best-in-wrong-direction", "fault"), {"sign": ">"}),
        (("learns-from-validation", "fault"), {"each_valid": "loss.backward(); optimizer.step()"}),
        (("stopped-too-early", "fault"), {"rate": 0.02, "patience": -1, "epochs": 30}),
        (("", ""), {}),
    ],
    ids=["read", "read-once", "seeded", "seeded-by-epoch", "direction", "learns", "impatient", "healthy"],
)
def test_what_the_text_and_the_run_say(tmp_path: Path, found: tuple[str, str], changes: dict[str, Any]) -> None:
    assert program(tmp_path, **changes) == found


def fit(digits: Data, *, size: int = 60, evaluate: int = 0, rate: float = 0.1, **options: Any) -> None:
    net = options.get("net") or nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=options.get("momentum", 0.9))
    plan = lr_scheduler.LambdaLR(optimizer, options["plan"]) if "plan" in options else None
    for _ in range(options.get("epochs", 2)):
        for batch in torch.randperm(1200).split(size):
            optimizer.zero_grad()
            F.cross_entropy(net(digits[0][batch]), options.get("y", digits[1])[batch]).backward()
            optimizer.step()
            if plan is not None:
                plan.step()
            with torch.no_grad():
                for _ in range(evaluate):
                    net(digits[0].repeat(4, 1))


def labels_at(digits: Data, seconds: dict[str, float], **options: Any) -> set[str]:
    """What is said of where the time goes, had it gone there."""
    with Watch() as watch:
        fit(digits, epochs=3, **options)
    checks = [each for each in learning.CHECKS if "data-loading-slow" in each.labels]
    return {each.label for each in diagnose(Case(retimed(watch.seen, **seconds)), "time", checks=checks).findings}


def test_waiting_for_batches(digits: Data) -> None:
    assert labels_at(digits, {"Moved": 0.1}) == {"data-loading-slow"}
    assert labels_at(digits, {}) == set()


def test_evaluating_after_each_step(digits: Data) -> None:
    assert labels_at(digits, {"Evaluated": 0.05}, evaluate=2) == {"evaluates-too-often"}
    assert labels_at(digits, {}, evaluate=1) == set()


def test_a_warm_up_longer_than_the_training(digits: Data, first: First, above: Above) -> None:
    def training(length: int) -> None:
        fit(digits, size=20, epochs=3, rate=0.05, plan=lambda t: min(1.0, (t + 1) / length))

    assert first(lambda: training(9_000)) == ("warm-up-too-long", "fault")
    assert above(lambda: training(30)) == []


def test_a_loss_that_jumps(digits: Data, asked: Asked) -> None:
    def labels(rate: float) -> set[str]:
        net = nn.Linear(64, 10)
        return {each.label for each in asked(lambda: fit(digits, net=net, size=4, rate=rate, momentum=0.0, epochs=1))}

    assert "loss-oscillates" in labels(500.0)
    assert "loss-oscillates" not in labels(0.1)


def test_not_even_one_batch(digits: Data, asked: Asked) -> None:
    class Blind(nn.Module):
        def __init__(self, seeing: float) -> None:
            super().__init__()
            self.head, self.seeing = nn.Linear(64, 10, bias=False), seeing

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.seeing * x)

    def labels(seeing: float) -> set[str]:
        return {each.label for each in asked(lambda: fit(digits, net=Blind(seeing), epochs=2))}

    assert "one-batch-is-not-learned" in labels(0.0)
    assert "one-batch-is-not-learned" not in labels(1.0)


def test_parts_in_another_mode_and_gradients_nobody_needs(digits: Data, asked: Asked) -> None:
    def training(off: bool, recording: bool) -> None:
        norm = nn.BatchNorm1d(32)
        net = nn.Sequential(nn.Linear(64, 32), norm, nn.ReLU(), nn.Linear(32, 10))
        for _ in range(2):
            net.train()
            norm.train(not off)
            fit(digits, net=net, epochs=1)
            net.eval()
            with torch.set_grad_enabled(recording):
                (net(digits[0][1200:]).argmax(1) == digits[1][1200:]).float().mean()

    wrong = {each.label: each.level for each in asked(lambda: training(True, True))}
    right = {each.label for each in asked(lambda: training(False, False))}
    assert wrong["modules-in-another-mode"] == "warning"
    assert wrong["gradients-in-evaluation"] == "note"
    assert not right & {"modules-in-another-mode", "gradients-in-evaluation"}


def test_noise_in_evaluation(digits: Data) -> None:
    class Noisy(nn.Module):
        def __init__(self, always: bool) -> None:
            super().__init__()
            self.head, self.always = nn.Linear(64, 10), always

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x + 0.3 * torch.randn_like(x) if self.training or self.always else x)

    def labels(always: bool) -> set[str]:
        net = Noisy(always)
        with Watch() as watch:
            fit(digits, net=net)
            net.eval()
            with torch.no_grad():
                (net(digits[0][1200:]).argmax(1) == digits[1][1200:]).float().mean()
        return {each.label for each in diagnose(Case(watch.seen), "noise", checks=network.CHECKS).findings}

    assert "random-in-evaluation" in labels(True)
    assert "random-in-evaluation" not in labels(False)
