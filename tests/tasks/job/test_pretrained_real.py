"""SqueezeNet 1.0 with its published weights, on the 40 photographs, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainrule.cli import main
from chainrule.data.fetch import data_folder

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set"),
]


def test_31_and_36_of_40(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "imagenet-squeezenet", "-o", "run", "--train.threads", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert main(["evaluate", "run", "--part", "test", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["result"]
    assert facts["count"] == 40
    assert (40 * facts["accuracy"], 40 * facts["top5"]) == (31, 36)
    assert result["test"]["accuracy"] == facts["accuracy"]
    missed = {facts["classes"][row["truth"]] for row in facts["mistakes"]}
    assert missed == {
        "American alligator", "otterhound", "Siberian husky", "accordion", "microphone", "paper towel", "quilt", "sax",
        "teddy",
    }  # fmt: skip
