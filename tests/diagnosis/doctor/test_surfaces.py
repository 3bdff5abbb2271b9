"""A diagnosis in words, as data, as a page, and asked for in Python."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import chainrule
from chainrule.core.errors import NonFiniteError, UsageError
from chainrule.core.plain import to_json
from chainrule.diagnosis.doctor import _own, _recipe
from chainrule.diagnosis.doctor._diagnose import diagnose
from chainrule.diagnosis.doctor._ending import with_error
from chainrule.diagnosis.doctor._page import diagnosis_page
from chainrule.diagnosis.doctor._shown import diagnosis_text
from chainrule.diagnosis.doctor._words import verdict
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.findings import LEVELS, Diagnosis, Fact, Finding, Plot, Tried

TEXT = st.text(st.sampled_from("ab -.:<>&[]|\x1b\x07\r\n\x00é☃\ud800"), max_size=20)
NUMBERS = st.sampled_from([0.0, -1.5, 3.0, 1e300, 1e-300, 1e308, math.inf, -math.inf])
FINDINGS = st.builds(
    Finding,
    st.text("abc-", min_size=1, max_size=8),
    TEXT,
    st.sampled_from(LEVELS),
    st.sampled_from([0.0, 0.4, 0.5, 0.85, 0.97, 1.0]),
    st.lists(st.builds(Fact, TEXT, TEXT), max_size=3).map(tuple),
    TEXT,
    TEXT,
    st.none() | st.builds(Tried, TEXT, TEXT, TEXT, st.booleans()),
    st.lists(TEXT, max_size=2).map(tuple),
    st.none()
    | st.builds(
        Plot, TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4), max_size=3)
    ),
    TEXT,
)
DIAGNOSES = st.builds(
    Diagnosis,
    TEXT,
    st.lists(FINDINGS, max_size=8).map(tuple),
    st.fixed_dictionaries(
        {"steps": st.sampled_from([0, 1, 10**9]), "first loss": st.none() | NUMBERS, "last loss": NUMBERS}
    ),
    st.lists(TEXT, max_size=3).map(tuple),
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.sampled_from([0.0, 0.01, 77.7]),
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(DIAGNOSES)
def test_it_comes_back_from_json_as_it_was(diagnosis: Diagnosis) -> None:
    assert Diagnosis.from_dict(json.loads(json.dumps(diagnosis.as_dict()))) == diagnosis


@settings(deadline=None, derandomize=True, max_examples=40)
@given(DIAGNOSES)
def test_whatever_is_in_it_can_be_shown(diagnosis: Diagnosis) -> None:
    text = diagnosis_text(diagnosis)
    assert text == str(diagnosis)
    assert not set(text) & {"\x1b", "\x07", "\r", "\x00"}
    page = diagnosis_page(diagnosis, command="chainrule doctor \ud800.py").encode()  # as it is written
    assert page.startswith(b"<!doctype html>")
    assert b"<p>" in diagnosis._repr_html_().encode()


def test_numbers_that_json_lacks_come_back(tmp_path: Path) -> None:
    plot = Plot("range", "rate", "loss", {"loss": [(0.1, math.nan), (1.0, math.inf)]})
    found = Diagnosis("x", (Finding("a", "b", "fault", 0.9, plot=plot),), {"last loss": math.nan, "steps": 3})
    again = Diagnosis.from_dict(json.loads(to_json(found.as_dict())))
    assert again.findings[0].plot is not None
    points = again.findings[0].plot.lines["loss"]
    assert math.isnan(points[0][1])
    assert points[1] == (1.0, math.inf)
    assert "NaN at last" in str(Diagnosis("x", (), {**again.seen, "first loss": 1.0}))
    assert "1 of 2" in diagnosis_page(again) or "2 of 2" in diagnosis_page(again)  # values that are not finite


def example(**changes: Any) -> Diagnosis:
    findings = [
        Finding(
            "rate-too-high",
            "The learning rate is too high",
            "fault",
            0.9,
            (Fact("rate", "30"), Fact("loss", "grows from 2.3 to 9")),
            "Lower it to 0.1",
            "train.py:12",
            Tried("rate 0.1", "loss 9.0", "loss 0.4", True),
            code="optimizer = SGD(model.parameters(), lr=30)",
        ),
        *(Finding(f"warning-{n}", f"Warning <{n}> [/b]", "warning", 0.5) for n in range(6)),
        Finding("few-steps", "Few steps", "note", 0.5, where="train.py:3"),
    ]
    told: dict[str, Any] = {"seen": {"steps": 5, "seconds": 2.0}, "skipped": {"overfits": "no time was left"}}
    return Diagnosis("train.py", tuple(findings), **{**told, **changes})


def test_the_first_screen() -> None:
    text = str(example(broken={"odd": "KeyError: 'a'"}))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.splitlines()[:12] == [
        "train.py: This is wrong: The learning rate is too high.",
        "",
        "1. The learning rate is too high",
        "   fault, almost certain (90 %) [rate-too-high]",
        "   where   train.py:12",
        "           optimizer = SGD(model.parameters(), lr=30)",
        "   seen    rate: 30",
        "           loss: grows from 2.3 to 9",
        "   change  Lower it to 0.1",
        "   tried   rate 0.1. Before: loss 9.0; then: loss 0.4. It helped.",
        "",
        "2. Warning <0> [/b]",
    ]
    assert "\nMore\n  6. Warning <4> [/b] [warning-4]\n  7. Warning <5> [/b] [warning-5]\n" in text
    assert "\nNotes\n  - Few steps (train.py:3) [few-steps]\n" in text
    assert "Watched: 5 steps in 2 s." in text
    assert "Not looked for, as no time was left: overfits." in text
    assert "The check odd failed itself (KeyError: 'a'): a bug of ours" in text.replace("\n", " ")


def test_the_verdict_says_how_bad_it_is() -> None:
    def said(*findings: Finding) -> str:
        return verdict(Diagnosis("x", findings)).partition(": ")[2]

    assert said() == "nothing is wrong with this training as far as can be seen."
    assert said(Finding("a", "A", "note", 0.99)) == said()
    assert said(Finding("a", "A", "fault", 0.7)) == "This is probably wrong: A."
    assert said(Finding("a", "A!", "warning", 0.7)) == "no clear fault. First worth a look: A!"


def test_nothing_in_a_page_can_run() -> None:
    evil = "<script>alert(1)</script>"
    plot = Plot(evil, evil, evil, {evil: [(0.0, 1.0), (1.0, 2.0)]})
    found = Finding(
        "a", evil, "fault", 0.9, (Fact(evil, evil),), evil, evil, Tried(evil, evil, evil, False), (), plot, evil
    )
    both = Diagnosis(
        evil, (found, Finding("b", evil, "note", 0.1, (Fact(evil, evil),), where=evil)), {}, (), {evil: evil}
    )
    assert evil not in diagnosis_page(both, command=evil)
    assert evil not in both._repr_html_()


def test_an_error_is_the_fault_where_nothing_else_is() -> None:
    alone = with_error(Diagnosis("x", (), {"steps": 4}), ValueError("no\nmore"), "train.py:3", "f()").findings[0]
    assert (alone.label, alone.level, alone.where, alone.code) == ("ends-in-error", "fault", "train.py:3", "f()")
    assert alone.title == "The training ends with an error: ValueError: no"
    assert alone.evidence == (Fact("steps before it", "4"),)
    assert with_error(example(), ValueError()).findings[0].label == "rate-too-high"
    ours = with_error(Diagnosis("x", ()), NonFiniteError("the loss is nan", remedy="lower it")).findings[0]
    assert (ours.title, ours.change) == ("The training ends with an error: the loss is nan", "Lower it.")


class Parts:
    """A small training."""

    def __init__(self, rate: float = 0.1) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=0.9)
        inputs = torch.randn(64, 4)
        self.data = [(part, (part[:, 0] > 0).long()) for part in inputs.split(16)]
        self.loss = nn.CrossEntropyLoss()

    def values(self) -> list[Tensor]:
        return [tensor.detach().clone() for tensor in (*self.model.parameters(), *self.model.buffers())]


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture(autouse=True)
def only_our_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The surfaces are tested here and not the checks: one that always finds something takes their place."""

    @check("few-steps")
    def one(case: Any) -> Iterator[Finding]:
        batch = case.batches[-1] if case.batches else None
        passes = Fact("passes", f"{len(case.evaluations)} of {sum(map(len, case.evaluations))} calls")
        where = case.place(batch.event.line) if batch else ""
        yield Finding("few-steps", "Few steps", "warning", 0.5, (passes,), "Take more.", where)

    for module in (_own, _recipe):
        monkeypatch.setattr(module, "diagnose", lambda case, name: diagnose(case, name, checks=(one,)))


def test_doctor_puts_everything_back(parts: Parts) -> None:
    parts.model[0].eval()
    parts.model[0].weight.grad = torch.ones(8, 4)
    before, drawn = parts.values(), torch.get_rng_state()
    found = chainrule.doctor(parts.model, parts.loss, parts.optimizer, parts.data, steps=10, evaluation=parts.data[:3])
    assert found.seen["steps"] == 10
    assert found.findings[0].evidence == (Fact("passes", "2 of 6 calls"),)
    assert all(torch.equal(old, new) for old, new in zip(before, parts.values()))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert parts.optimizer.state_dict()["state"] == {}
    assert torch.equal(parts.model[0].weight.grad, torch.ones(8, 4))
    assert parts.model[4].weight.grad is None
    assert [module.training for module in parts.model] == [False, True, True, True, True]
    assert "Few steps" in str(found)


def test_doctor_takes_ones_own_step_and_answers(parts: Parts) -> None:
    answered: list[int] = []

    def step(batch: Any) -> None:
        parts.optimizer.zero_grad()
        nn.functional.cross_entropy(parts.model(batch["x"]), batch["y"]).backward()
        parts.optimizer.step()

    def predict(inputs: Tensor) -> Tensor:
        answered.append(len(inputs))
        return parts.model(inputs).argmax(1)

    found = chainrule.doctor(
        parts.model, None, parts.optimizer, ({"x": x, "y": y} for x, y in parts.data), step, predict,
        evaluation=parts.data[:2],
    )  # fmt: skip
    assert found.seen["steps"] == 4  # what cannot be begun anew is gone through once
    assert answered == [16, 16]
    assert found.findings[0].where.startswith("test_surfaces.py:")
    assert found.findings[0].code == 'nn.functional.cross_entropy(parts.model(batch["x"]), batch["y"]).backward()'


def test_an_error_of_the_training_is_a_finding_and_all_is_put_back(parts: Parts) -> None:
    before = parts.values()
    data = [*parts.data, (torch.zeros(3, 5), torch.zeros(3))]
    found = chainrule.doctor(parts.model, parts.loss, parts.optimizer, data)
    assert found.seen["steps"] == 4
    assert "ends-in-error" in [each.label for each in found.findings]
    assert all(torch.equal(old, new) for old, new in zip(before, parts.values()))
    with pytest.raises(KeyError, match="mine"):
        chainrule.doctor(parts.model, None, parts.optimizer, parts.data, lambda batch: {}["mine"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "net"}, "the model is no network"),
        ({"optimizer": None}, "that is no optimizer"),
        ({"optimizer": 3}, "that is no optimizer"),
        ({"loss_fn": None}, "there is no loss"),
        ({"loss_fn": 3}, "loss_fn cannot be called"),
        ({"data": []}, "data has no batch"),
        ({"data": torch.zeros(3, 4)}, "data gives single examples"),
        ({"data": [torch.zeros(3, 4)]}, "a batch is no pair of inputs and targets: got Tensor of 3"),
        ({"predict": print}, "predict has nothing to answer"),
        ({"steps": 0}, "nothing would be trained"),
        ({"seconds": math.nan}, "nothing would be trained"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: Parts, changes: dict[str, Any], said: str) -> None:
    given = {"model": parts.model, "loss_fn": parts.loss, "optimizer": parts.optimizer, "data": parts.data, **changes}
    with pytest.raises(UsageError, match=said):
        chainrule.doctor(**given)


def test_watch_in_a_loop_of_ones_own(parts: Parts) -> None:
    with chainrule.watch(parts.model, parts.optimizer) as watch:
        with pytest.raises(UsageError, match="still watched"):
            _ = watch.diagnosis
        for inputs, targets in parts.data:
            parts.optimizer.zero_grad()
            parts.loss(parts.model(inputs), targets).backward()
            parts.optimizer.step()
    found = watch.diagnosis
    assert found is watch.diagnosis
    assert found.seen["steps"] == 4
    assert found.findings[0].where.startswith("test_surfaces.py:")
    assert found.findings[0].code == "parts.loss(parts.model(inputs), targets).backward()"
    with pytest.raises(UsageError, match="watched already"), watch:
        pass


def test_watch_without_a_training_and_with_an_error(parts: Parts) -> None:
    with chainrule.watch() as watch:
        parts.model(parts.data[0][0])
    with pytest.raises(UsageError, match="nothing was trained while it was watched"):
        _ = watch.diagnosis
    with pytest.raises(RuntimeError), chainrule.watch() as failed:
        parts.model(torch.zeros(2, 9))
    assert "ends-in-error" in [each.label for each in failed.diagnosis.findings]


def test_a_recipe_is_ended_with_an_evaluation_and_its_options_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_recipe.OPTIONS, "few-steps", ("train.epochs", "optim.lr"))
    monkeypatch.setattr(_recipe, "LOOKED", 7)
    found = _recipe.diagnose_recipe("digits-softmax", settings={"train.epochs": 99, "optim.lr": 0.5}, seconds=0.0)
    assert found.seen["steps"] == 1
    assert found.seen["complete"] is False
    first = found.findings[0]
    assert first.evidence == (Fact("passes", "1 of 1 calls"),)
    assert first.where == "train.epochs"
    assert first.change == "Take more. In the recipe: --train.epochs (now 99.0), --optim.lr (now 0.5)"
