"""What a contract's report says, and how exceptions are kept honest."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import chainrule
from chainrule.core.errors import CheckFailed, UsageError
from chainrule.core.plain import to_json
from chainrule.diagnosis import ContractReport, check_dataset, check_loss, check_model
from chainrule.diagnosis._check import Check, DoesNotApply, Evidence, Violation, check, judged
from chainrule.diagnosis._loss_checks import LOSS_CHECKS
from chainrule.diagnosis._loss_subject import LossSubject
from chainrule.diagnosis._metric_checks import METRIC_CHECKS
from chainrule.diagnosis._model_sharing import threads
from chainrule.diagnosis._model_subject import ModelSubject
from chainrule.diagnosis.contracts import DATASET_CHECKS, MODEL_CHECKS
from chainrule.losses import softmax_loss

DOCS = Path(__file__).parents[2] / "docs" / "contracts.md"
CONTRACTS = {"model": MODEL_CHECKS, "dataset": DATASET_CHECKS, "loss": LOSS_CHECKS, "metric": METRIC_CHECKS}


@check("it is small", "small is beautiful", "a number that grew")
def small(number: float) -> Evidence:
    if number > 10:
        raise Violation(f"{number:g} is more than 10", number=number)
    return Evidence(f"{number:g}", number=number)


@check("it is even", "halves are whole", "a one that was added")
def even(number: float) -> Evidence:
    if number != round(number):
        raise DoesNotApply("only whole numbers are even or odd")
    if number % 2:
        raise Violation(f"{number:g} is odd")
    return Evidence("no rest")


@check("its inverse exists", "it can be divided by", "a zero")
def inverse(number: float) -> Evidence:
    return Evidence(f"{1 / number:.3g}", inverse=1 / number)


CHECKS: tuple[Check[float], ...] = (small, even, inverse)


def verdicts(report: ContractReport) -> list[str]:
    return [result.verdict for result in report]


def test_verdicts_and_evidence() -> None:
    assert verdicts(judged("number", "4", CHECKS, 4)) == ["passed", "passed", "passed"]
    report = judged("number", "10.5", CHECKS, 10.5)
    assert verdicts(report) == ["failed", "does not apply", "passed"]
    assert report["small"].numbers == {"number": 10.5}
    assert report[2].evidence == "only whole numbers are even or odd"
    assert not report.good
    broken = judged("number", "0", CHECKS, 0)["inverse"]
    assert (broken.verdict, broken.evidence) == ("failed", "ZeroDivisionError: division by zero")
    with pytest.raises(KeyError):
        report["odd"]


def test_exceptions_need_a_reason_and_a_failure() -> None:
    report = judged("number", "11", CHECKS, 11, {"small": "it may grow", 2: "odd on purpose"})
    assert verdicts(report) == ["excepted", "excepted", "passed"]
    assert report.good
    assert report.counts == {"passed": 1, "failed": 0, "excepted": 2, "does not apply": 0}
    assert report.summary == "number 11: 3 checks, 1 passed, 2 excepted"
    assert "11 is more than 10 [excepted: it may grow]" in str(report)
    for number, verdict in ((4, "passed"), (0.5, "does not apply")):
        stale = judged("number", "4", CHECKS, number, {"even": "odd on purpose"})["even"]
        assert stale.verdict == "failed"
        assert f"an exception is declared, but the check says: {verdict}" in stale.evidence
    for exceptions, message in (
        ({"evn": "x"}, "no check 'evn'.*did you mean \"even\""),
        ({0: "x"}, "no check 0 .*they are 1 to 3"),
        ({4: "x"}, "no check 4 "),
        ({"even": ""}, "an exception needs a reason: check 'even'"),
        ({"even": None}, "needs a reason"),
    ):
        with pytest.raises(UsageError, match=message):
            judged("number", "4", CHECKS, 4, exceptions)  # type: ignore[arg-type]


def test_texts_and_data() -> None:
    report = judged("number", "11", CHECKS, 11)
    text = str(report)
    assert text.splitlines()[0] == "number 11: 3 checks, 1 passed, 2 failed"
    assert "look for: a number that grew" in text
    data = json.loads(to_json(report.to_json()))
    assert data["counts"] == {"passed": 1, "failed": 2, "excepted": 0, "does not apply": 0}
    assert [row["number"] for row in data["checks"]] == [1, 2, 3]
    assert data["checks"][0] == {
        "number": 1,
        "name": "small",
        "title": "it is small",
        "means": "small is beautiful",
        "look": "a number that grew",
        "verdict": "failed",
        "evidence": "11 is more than 10",
        "numbers": {"number": 11},
        "reason": None,
    }
    stream = io.StringIO()
    Console(file=stream, width=100, color_system=None).print(report)
    for word in ("it is small", "failed", "11 is more than 10", "look for: a one that was added"):
        assert word in stream.getvalue()
    assert "&lt;b&gt;" in judged("number", "<b>", CHECKS, 4)._repr_html_()


def test_a_failure_can_be_required_away() -> None:
    report = judged("number", "4", CHECKS, 4)
    assert report.require() is report
    with pytest.raises(CheckFailed, match="number 11 fails check 1 .it is small. and 1 more: got 11 is more") as caught:
        judged("number", "11", CHECKS, 11).require()
    assert caught.value.exit_status == 9
    assert "\n" not in str(caught.value)


def test_errors_of_many_lines_are_told_in_one() -> None:
    @check("it works", "it works", "what does not")
    def works(subject: None) -> Evidence:
        raise RuntimeError("\n\n  first line\nsecond line")

    assert judged("thing", "x", [works], None)["works"].evidence == "RuntimeError: first line"


def test_the_doors_stand_in_the_package() -> None:
    for name in ("check_dataset", "check_loss", "check_metric", "check_model"):
        assert getattr(chainrule, name) is getattr(chainrule.diagnosis, name)  # type: ignore[attr-defined]


def test_what_cannot_be_asked_is_said() -> None:
    def own() -> nn.Module:
        return nn.Linear(3, 2)

    with pytest.raises(UsageError, match="options belong to a registered model"):
        check_model(own, (3,), 2, options={"depth": 1})
    with pytest.raises(UsageError, match='no option "dept".*did you mean "depth"'):
        check_model("resnet", (3, 32, 32), 2, options={"dept": 18})
    with pytest.raises(UsageError, match='no model "resnt"'):
        check_model("resnt", (3, 32, 32), 2)
    with pytest.raises(UsageError, match="options belong to a registered data set"):
        check_dataset(own, options={"size": 3})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='no loss "softmx"'):
        check_loss("softmx")


def test_what_is_no_network_fails_and_does_not_stop() -> None:
    report = check_model(lambda: 3, (3,), 2)  # type: ignore[arg-type, return-value]
    assert report["builds"].evidence == "what is built is no torch.nn.Module but int"
    assert {result.verdict for result in report} == {"failed", "does not apply"}

    def cannot() -> nn.Module:
        raise RuntimeError("no weights today")

    report = check_model(cannot, (3,), 2)
    assert report["builds"].evidence == "RuntimeError: no weights today"
    assert len(report) == 32


def test_seeds_draw_other_numbers_and_give_the_same_verdict(own_checks: None) -> None:
    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        return softmax_loss(scores, targets)

    first, second = check_loss(loss, seed=0), check_loss(loss, seed=1)
    assert first.good
    assert second.good
    assert check_loss(loss, seed=1).to_json()["checks"] == second.to_json()["checks"]
    drawn = [LossSubject(loss, seed=seed).scores(3) for seed in (0, 1)]
    assert not torch.equal(*drawn)


def test_names_are_unique_and_the_numbers_are_those_of_the_contract() -> None:
    assert {name: len(checks) for name, checks in CONTRACTS.items()} == {
        "model": 32,
        "dataset": 20,
        "loss": 15,
        "metric": 15,
    }
    for checks in CONTRACTS.values():
        assert len({each.name for each in checks}) == len({each.title for each in checks}) == len(checks)
        assert all(each.title and each.means and each.look for each in checks)


@pytest.mark.parametrize(
    ("heading", "contract"),
    [("Networks", "model"), ("Data sets", "dataset"), ("Losses", "loss"), ("Metrics", "metric")],
)
def test_the_page_lists_every_check(heading: str, contract: str) -> None:
    section = re.split(r"^## ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(heading)]
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    checks: Any = CONTRACTS[contract]
    assert rows == [f"| {n} | `{c.name}` | {c.title} | {c.means} |" for n, c in enumerate(checks, 1)]


def test_threads_are_left_as_they_were() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert "100 predictions" in threads.judge(ModelSubject(lambda shape: nn.Linear(6, 3), (6,), 3)).text
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
