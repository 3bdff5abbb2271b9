"""The log of a hand-written loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import chainrule
from chainrule.core.errors import UsageError


def test_a_hand_written_loop_has_the_same_folder_and_report(tmp_path: Path) -> None:
    with chainrule.run(tmp_path / "mine", name="by hand") as log:
        for step in range(5):
            log.log(loss=torch.tensor(1.0 / (step + 1)), rate=0.1)
        log.log(step=5, part="valid", accuracy=0.5)
        with pytest.raises(UsageError, match="no number"):
            log.log(loss="low")
    run = chainrule.Run.open(tmp_path / "mine")
    assert run.info["status"] == "finished"
    assert run.result is not None
    assert run.result["valid"] == {"accuracy": 0.5}
    assert (tmp_path / "mine" / "report.html").stat().st_size > 1000


def test_a_loop_that_fails_is_said_to_have_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), chainrule.run(tmp_path / "mine") as log:
        log.log(loss=1 / 0)
    assert chainrule.Run.open(tmp_path / "mine").info["status"] == "failed"
