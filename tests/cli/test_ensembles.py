"""Ensembles from the command line: members, snapshots, dropout; measured, asked, listed, gone on with."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chainrule
from chainrule import formulas as f
from chainrule.cli import main

SHORT = ["--train.steps", "60", "--train.evaluate_every", "30"]
WORDS = ["train", "digits-mlp", *SHORT, "--ensemble", "3"]
CYCLES = ["--schedule.name", "cyclic", "--schedule.cycles", "3", "--train.snapshots", "3"]


def info(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ensemble") / "all"
    assert main([*WORDS, "-o", str(out), "-q"]) == 0
    return out


@pytest.fixture(scope="module")
def cyclic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cyclic") / "run"
    assert main(["train", "digits-cnn", *SHORT, *CYCLES, "--train.keep", "1", "-o", str(out), "-q"]) == 0
    return out


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("pictures") / "one.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return path


def fails(words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(words) == status
    assert said in capsys.readouterr().err


def probabilities(run: chainrule.Run, model: torch.nn.Module, part: str) -> tuple[np.ndarray, np.ndarray]:
    examples = run.examples(part)
    index = torch.arange(len(examples))
    batch = examples.fetch(index, index)
    with torch.no_grad():
        return torch.softmax(model(batch.inputs).double(), 1).numpy(), batch.targets.numpy()


def test_what_is_written_down_is_what_the_formulas_say(folder: Path) -> None:
    found = info(folder)
    assert (found["kind"], found["status"], found["count"], found["task"]) == ("ensemble", "finished", 3, "classify")
    ensemble = chainrule.Run.open(folder)
    for part in ("valid", "test"):
        each = []
        for number in range(1, 4):
            run = chainrule.Run.open(folder / f"member-{number}")
            p, y = probabilities(run, run.model(), part)
            each.append(p)
        p = np.stack(each)
        mean, result = f.mean_probability(p), found["result"]
        right = (mean.argmax(1) == y).mean()
        assert result[part]["accuracy"] == pytest.approx(right, abs=1e-9)
        assert result[part]["nll"] == pytest.approx(f.negative_log_likelihood(mean, y), rel=1e-4)
        assert result[part]["ece"] == pytest.approx(f.expected_calibration_error(mean, y), rel=1e-3, abs=1e-4)
        assert result["vote"][part]["accuracy"] == pytest.approx((f.vote_of_members(p) == y).mean(), abs=1e-9)
        shares = [(one.argmax(1) == y).mean() for one in p]
        assert result["members"][part]["accuracy"]["values"] == pytest.approx(shares, abs=1e-9)
        gain = right - statistics.fmean(shares)
        assert result["gain"][part]["accuracy"] == pytest.approx(gain, abs=1e-9)
        asked, _ = probabilities(ensemble, ensemble.model(), part)
        np.testing.assert_allclose(asked, mean, rtol=1e-4, atol=1e-6)


def test_members_share_a_split_differ_in_weights_and_leave_the_test_part_alone(folder: Path) -> None:
    runs = [chainrule.Run.open(folder / f"member-{number}") for number in range(1, 4)]
    assert [run.recipe.train.seed for run in runs] == [0, 1, 2]
    assert {run.recipe.data.split_seed for run in runs} == {0}
    assert all(run.result is not None and run.result["test"] is None for run in runs)
    assert len({float(next(iter(run.weights().values())).sum()) for run in runs}) == 3
    assert all(torch.equal(runs[0].job().parts["test"], run.job().parts["test"]) for run in runs)


def test_a_member_can_be_made_again_by_its_command(folder: Path, tmp_path: Path) -> None:
    command = info(folder / "member-2")["command"].split()
    assert main([*command[1:], "-q", "-o", str(tmp_path / "again")]) == 0
    name = "model.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (folder / "member-2" / name).read_bytes()


def test_other_verbs_take_an_ensemble_as_they_take_a_run(
    folder: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--part", "test", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["result"]
    assert facts["accuracy"] == info(folder)["result"]["test"]["accuracy"]
    assert len(facts["members"]) == 3
    assert facts["combined"]["vote"]["accuracy"] == info(folder)["result"]["vote"]["test"]["accuracy"]
    assert main(["evaluate", str(folder), "--part", "test", "--combine", "vote", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["accuracy"] == facts["combined"]["vote"]["accuracy"]
    assert main(["predict", str(folder), str(picture), "-n", "10", "--json"]) == 0
    told = dict(json.loads(capsys.readouterr().out)["result"][0]["top"])
    each = [dict(chainrule.Run.open(folder / f"member-{n}").predict([picture], top=10)[0].top) for n in (1, 2, 3)]
    assert told == pytest.approx({name: statistics.fmean(one[name] for one in each) for name in told}, abs=1e-5)
    assert main(["runs", "show", str(folder)]) == 0
    assert "member-3" in capsys.readouterr().out
    assert main(["runs", "list", str(folder.parent), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["result"]
    assert [Path(row["run"]).name for row in rows] == ["all", "member-1", "member-2", "member-3"]
    assert rows[0]["test"] == facts["accuracy"]
    assert main(["runs", "compare", str(folder), str(folder / "member-1")]) == 0
    assert "data.split_seed" in capsys.readouterr().out
    both = tmp_path / "both"
    shutil.copytree(folder, both)
    assert main(["report", str(both), str(folder / "member-1")]) == 0
    assert "2 runs compared" in (both / "report.html").read_text()


def test_the_page_shows_members_and_calibration(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    for words in ("an ensemble: networks that answer together", "Members", "majority vote", "Calibration", "member 3"):
        assert words in page
    assert "Calibration" in (folder / "member-1" / "report.html").read_text()


def test_what_asks_for_one_network_names_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = f"name one: {folder}/member-1"
    fails(["explain", str(folder), "--method", "attention", "--text", "a"], 4, one, capsys)
    fails(["evaluate", str(folder), "--snapshots"], 2, one, capsys)
    fails(["evaluate", str(folder), "--dropout-samples", "3"], 2, one, capsys)
    fails(["evaluate", str(folder), "--int8"], 2, "have no weights of 8 bits", capsys)
    fails(["evaluate", str(folder / "member-1"), "--combine", "vote"], 2, "there is nothing to combine", capsys)
    fails(["evaluate", str(folder), "--combine", "votes"], 2, '"vote"', capsys)


def test_what_cannot_be_an_ensemble_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["-o", str(tmp_path / "no")]
    fails(["train", "digits-mlp", "--ensemble", "1", *out], 2, "at least two members", capsys)
    fails(["train", "digits-mlp", "--ensemble", "2", "--repeats", "2", *out], 2, "an ensemble is of one recipe", capsys)
    fails(["train", "cifar10-depth", "--ensemble", "2", *out], 2, "an ensemble is of one recipe", capsys)
    fails(["train", "addition-transformer", "--ensemble", "2", *out], 2, "probabilities of classes", capsys)
    assert not (tmp_path / "no").exists()


def test_an_interrupted_one_goes_on_and_members_are_added(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "member-3")
    known = info(copy)
    (copy / "run.json").write_text(json.dumps({**known, "status": "interrupted", "result": None}))
    weights = (copy / "member-1" / "model.safetensors").stat().st_mtime_ns
    assert main(["resume", str(copy), "-q"]) == 0
    assert {**info(copy)["result"], "seconds": 0} == {**info(folder)["result"], "seconds": 0}
    assert (copy / "member-1" / "model.safetensors").stat().st_mtime_ns == weights, "what is trained stays"
    assert main([*WORDS[:-1], "4", "-o", str(copy), "-q"]) == 0
    assert len(info(copy)["result"]["members"]["test"]["accuracy"]["values"]) == 4
    assert main([*WORDS, "--data.bootstrap", "true", "-o", str(copy), "-q"]) == 2, "another ensemble"


def test_by_bootstrap_each_member_draws_its_own_training_part(tmp_path: Path) -> None:
    out = tmp_path / "bagged"
    assert main([*WORDS[:-1], "2", "--data.bootstrap", "true", "-o", str(out), "-q"]) == 0
    jobs = [chainrule.Run.open(out / f"member-{number}").job() for number in (1, 2)]
    drawn = [job.parts["train"] for job in jobs]
    assert len(drawn[0]) == len(drawn[1])
    assert not torch.equal(drawn[0], drawn[1])
    assert all(0.5 < len(one.unique()) / len(one) < 0.75 for one in drawn)
    held = set(jobs[0].parts["valid"].tolist()) | set(jobs[0].parts["test"].tolist())
    assert not held & set(drawn[0].tolist()), "nothing that is held out is drawn"
    assert chainrule.Run.open(out).evaluate("test")["accuracy"] == info(out)["result"]["test"]["accuracy"]


def test_snapshots_stay_and_answer_together(cyclic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [path.name for path in sorted((cyclic / "checkpoints").iterdir())]
    assert {"step-00000020", "step-00000040", "step-00000060"} <= set(steps)
    run = chainrule.Run.open(cyclic)
    found = run.combined(snapshots=True).evaluate("test")
    assert len(found["members"]) == 3
    assert len({one["nll"] for one in found["members"]}) == 3
    capsys.readouterr()
    assert main(["evaluate", str(cyclic), "--snapshots", "--combine", "vote", "--part", "test", "--json"]) == 0
    vote = json.loads(capsys.readouterr().out)["result"]
    assert vote["accuracy"] == found["combined"]["vote"]["accuracy"]
    shutil.copytree(cyclic, cyclic.parent / "less")
    shutil.rmtree(cyclic.parent / "less" / "checkpoints" / "step-00000020")
    fails(["evaluate", str(cyclic.parent / "less"), "--snapshots"], 4, "the snapshot of step 20", capsys)


def test_weights_are_averaged_and_statistics_measured_anew(cyclic: Path) -> None:
    run = chainrule.Run.open(cyclic)
    members = run.combined(snapshots=True).model().members
    average = run.combined("average", snapshots=True).model()
    weights = [dict(member.named_parameters()) for member in members]
    for name, value in average.named_parameters():
        mean = f.average_parameters([one[name].detach().double().numpy() for one in weights])
        np.testing.assert_allclose(value.detach().numpy(), mean, rtol=1e-4, atol=1e-6)
    norms = [layer for layer in average.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    theirs = [layer for layer in members[2].modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert norms
    assert all(not torch.equal(a.running_mean, b.running_mean) for a, b in zip(norms, theirs, strict=True))
    assert run.combined("average", snapshots=True).evaluate("test")["accuracy"] > 0.5


def test_dropout_kept_on_is_the_same_each_time(cyclic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        capsys.readouterr()
        assert main(["evaluate", str(cyclic), "--dropout-samples", "5", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["result"])
    assert found[0] == found[1]
    assert len(found[0]["members"]) == 5
    assert len({one["nll"] for one in found[0]["members"]}) == 5
    plain = chainrule.Run.open(cyclic).evaluate()
    assert "members" not in plain
    assert plain["nll"] != found[0]["nll"]
    fails(["evaluate", str(cyclic), "--dropout-samples", "5", "--snapshots"], 2, "cannot answer together", capsys)
    fails(["evaluate", str(cyclic), "--dropout-samples", "5", "--combine", "average"], 2, "cannot answer", capsys)


def test_a_run_without_snapshots_says_how_to_keep_some(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fails(["evaluate", str(folder / "member-1"), "--snapshots"], 2, "--train.snapshots 5", capsys)


def test_one_s_own_network(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef Net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    target, out = f"{tmp_path / 'net.py'}:Net", tmp_path / "own"
    assert main(["train", "digits-mlp", *SHORT, "--ensemble", "2", "--model", target, "-o", str(out), "-q"]) == 0
    assert main(["evaluate", str(out), "--model", target, "-q"]) == 0
    assert main(["evaluate", str(out), "-q"]) == 4


TRUNK = ["--model.name", "shared_trunk", "--model.trunk", "CONV3-8 | BN | RELU | POOL2", "--model.heads", "3"]


def test_heads_of_a_trunk_learn_by_terms_of_their_own(tmp_path: Path, picture: Path) -> None:
    lines = {}
    for name, settings in {"all": [], "drawn": ["--data.bootstrap", "true"]}.items():
        out = tmp_path / name
        assert main(["train", "digits-cnn", *SHORT, *TRUNK, *settings, "-o", str(out), "-q"]) == 0
        first = json.loads((out / "metrics.jsonl").read_text().splitlines()[0])
        lines[name] = [first[f"head-{number}"] for number in (1, 2, 3)]
        mean = statistics.fmean(lines[name])
        assert (first["loss"] == pytest.approx(mean, rel=1e-5)) == (name == "all")
    assert lines["all"] != lines["drawn"]
    run = chainrule.Run.open(tmp_path / "drawn")
    found = run.evaluate("test")
    assert len(found["members"]) == 3
    assert found["combined"]["mean"]["accuracy"] == found["accuracy"] == run.result["test"]["accuracy"]
    assert len(run.job().parts["train"].unique()) == len(run.job().parts["train"]), "heads draw, not the part"
    assert len(run.predict([picture])[0].top) == 5


def test_texts_are_drawn_and_answered_together(tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    rows = [f"good fine great {n},yes\nbad poor awful {n},no" for n in range(60)]
    texts.write_text("\n".join(["text,label", *rows]) + "\n")
    words = [
        "train",
        "sentiment-average",
        "--data.name",
        "text-table",
        "--data.file",
        str(texts),
        "--train.steps",
        "10",
    ]
    out = tmp_path / "out"
    assert main([*words, "--data.bootstrap", "true", "--ensemble", "2", "-o", str(out), "-q"]) == 0
    run = chainrule.Run.open(out)
    told = [dict(chainrule.Run.open(out / f"member-{n}").predict(["good fine"])[0].top) for n in (1, 2)]
    for name, chance in run.predict(["good fine"])[0].top:
        assert chance == pytest.approx(statistics.fmean(one[name] for one in told), abs=1e-5)


@pytest.mark.slow
def test_the_experiments_with_regularizers_differ_in_one_thing_each(tmp_path: Path) -> None:
    """LECTURES B11: each regularizer alone, against the same training without it."""
    from chainrule.tasks.tables import open_study

    _, recipes = open_study("digits-regularizers")

    def other(label: str, without: str) -> set[str]:
        data, plain = recipes[label].to_data(), recipes[without].to_data()
        return {
            f"{key}.{k}"
            for key in data
            if isinstance(data[key], dict)
            for k in data[key]
            if data[key][k] != plain[key].get(k)
        }

    assert other("larger-rate", "plain") == {"optim.lr"}
    assert other("noise", "plain") == {"augment.noise"}
    assert other("shortcuts", "plain") == {"model.shortcut"}
    assert other("early-stopping", "to-the-end") == {"train.evaluate_every", "train.patience"}
    out = tmp_path / "study"
    words = ["train", "digits-regularizers", "--train.epochs", "40", "--train.test", "false"]
    assert main([*words, "--train.threads", "1", "-o", str(out), "-q"]) == 0
    reached = {name: member["valid"] for name, member in info(out)["result"]["members"].items()}
    assert set(reached) == set(recipes)
    for label in ("larger-rate", "noise", "shortcuts"):
        assert reached[label]["accuracy"] > reached["plain"]["accuracy"] + 0.02
        assert reached[label]["loss"] < reached["plain"]["loss"]
    assert reached["early-stopping"]["loss"] < reached["to-the-end"]["loss"]
