"""Search: the same settings whoever draws them, nothing done twice, and trials of dead processes taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.core.errors import DataError, RecipeError, StorageError, UsageError
from chainrule.tasks.tables import open_recipe
from chainrule.tuning._database import Database, hidden, sqlite_url
from chainrule.tuning._owner import is_gone, this_process
from chainrule.tuning._plan import plan_search
from chainrule.tuning._rows import row_of, rows_of
from chainrule.tuning._stage import MOST_DEATHS

QUICK = {"train.epochs": 4, "train.threads": 1}
SPACE = {
    "optim.lr": {"low": 1e-4, "high": 0.3, "scale": "log"},
    "optim.weight_decay": {"low": 1e-6, "high": 1e-2, "scale": "log"},
}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def quick(out: Path, **options: Any) -> dict[str, Any]:
    told: list[Any] = []
    given = {"space": SPACE, "count": 6, "settings": QUICK, "pruner": "none", "share": 0.5, **options}
    found = chainrule.search("digits-softmax", out=out, tell=lambda words, row: told.append(row or words), **given)
    return {**found, "told": [row["name"] for row in told if isinstance(row, dict)]}


def values(found: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: (row["settings"], row["value"]) for row in found["trials"]}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("search") / "first"
    return out, quick(out)


@pytest.mark.slow
def test_each_stage_is_there_and_the_best_is_the_best(done: tuple[Path, dict[str, Any]]) -> None:
    out, found = done
    assert found["stages"]["initial"]["expected"] == pytest.approx(2.302585, abs=1e-5)
    assert all(facts["passed"] for facts in found["stages"].values())
    assert [row["name"] for row in found["trials"]] == [f"{s}-00{i}" for s in ("coarse", "fine") for i in range(3)]
    fine = [row for row in found["trials"] if row["stage"] == "fine"]
    assert fine[0]["recipe"]
    assert fine[0]["settings"] == {}
    coarse = max((row for row in found["trials"] if row["stage"] == "coarse"), key=lambda row: row["value"])
    assert fine[1]["settings"] == pytest.approx(coarse["settings"], rel=1e-3)
    assert found["best"]["value"] == max(row["value"] for row in fine) >= found["as_it_is"]["value"]
    low, high = (found["searched"]["optim.lr"][end] for end in ("low", "high"))
    assert low > SPACE["optim.lr"]["low"]  # the range test says that smaller rates do nothing
    assert all(low <= row["settings"]["optim.lr"] <= high * 1.001 for row in found["trials"][:3])
    assert (out / "report.html").is_file()


def test_trials_are_runs_that_do_not_read_the_test_part(done: tuple[Path, dict[str, Any]]) -> None:
    out, found = done
    for row in found["trials"]:
        run = chainrule.Run.open(out / row["folder"])
        assert run.result is not None
        assert not run.result.get("test")
        assert run.result["valid"]["accuracy"] == row["value"]
        for name, value in row["settings"].items():
            assert getattr(run.recipe, name.split(".")[0]).options[name.split(".")[1]] == value
        assert run.recipe.train.epochs == (2 if row["stage"] == "coarse" else 4)
        assert row["rungs"][-1][0] == 1


def test_the_best_recipe_trains_to_the_value_that_is_told(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, found = done
    recipe = open_recipe(str(out / "best.yaml"))
    assert recipe.train.test
    run = chainrule.train(str(out / "best.yaml"), out=tmp_path / "again", report=False)
    assert run.result is not None
    assert run.result["valid"]["accuracy"] == found["best"]["value"]
    assert "accuracy" in run.result["test"]


@pytest.mark.slow
def test_the_same_call_does_nothing_again_and_a_larger_count_adds(
    done: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, found = done
    again = quick(out)
    assert again["told"] == []
    assert values(again) == values(found)
    other = quick(tmp_path / "grown", stages=["coarse"], count=2)
    grown = quick(tmp_path / "grown", stages=["coarse"], count=3)
    assert grown["told"] == ["coarse-002"]
    assert values(other).items() <= values(grown).items()


def test_random_settings_do_not_depend_on_order_pruning_or_the_other_axes(
    done: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, found = done
    fewer = {"optim.weight_decay": SPACE["optim.weight_decay"]}
    other = quick(tmp_path / "one", space=fewer, stages=["coarse"], count=3)
    for one, two in zip(found["trials"], other["trials"]):
        assert one["settings"]["optim.weight_decay"] == two["settings"]["optim.weight_decay"]
    seeded = quick(tmp_path / "two", space=fewer, stages=["coarse"], count=3, seed=1)
    assert seeded["trials"][0]["settings"] != other["trials"][0]["settings"]


def plan(**options: Any) -> Any:
    given = {"space": SPACE, "settings": QUICK, "count": 4, "stages": ["coarse"], "share": 0.5, "sampler": "random",
             "pruner": "none", "seed": 0, "name": "mine"}  # fmt: skip
    return plan_search("digits-softmax", **{**given, **options})


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_samplers_go_on_where_they_were(sampler: str, tmp_path: Path) -> None:
    """Trials drawn by one opened database, and by another one for each trial, are the same."""

    def drawn(path: Path, *, anew: bool) -> list[dict[str, Any]]:
        found, database = [], Database(sqlite_url(path), plan(sampler=sampler, count=12))
        database.stage("coarse").plan([{"space": SPACE, "settings": {}, "recipe": False}] * 12)
        for _ in range(12):
            if anew:
                database.close()
                database = Database(sqlite_url(path), plan(sampler=sampler, count=12))
            stage = database.stage("coarse")
            trial = stage.claim()
            assert trial is not None
            found.append(stage.draw(trial))
            reached = -abs(found[-1]["optim.lr"] - 0.01)
            assert stage.finish(trial, "finished", reached, {"settings": found[-1]})
        assert database.stage("coarse").claim() is None
        database.close()
        return found

    assert drawn(tmp_path / "a.db", anew=False) == drawn(tmp_path / "b.db", anew=True)


def test_a_trial_is_claimed_once_and_a_late_word_is_not_heard(tmp_path: Path) -> None:
    one, two = (Database(sqlite_url(tmp_path / "s.db"), plan()) for _ in range(2))
    stage, other = one.stage("coarse"), two.stage("coarse")
    stage.plan([{"space": SPACE, "settings": {}, "recipe": False}] * 3)
    other.plan([{"space": SPACE, "settings": {}, "recipe": False}] * 3)
    claimed = [stage.claim(), other.claim(), stage.claim(), other.claim()]
    assert [trial and trial.user_attrs["index"] for trial in claimed] == [0, 1, 2, None]
    first = claimed[0]
    assert first is not None
    settings = stage.draw(first)
    stage.put_back(first)
    assert stage.finish(first, "finished", 1.0, {}) is False
    retried = other.claim()
    assert retried is not None
    assert other.draw(retried) == settings
    assert not stage.is_over
    one.close(), two.close()


def test_a_process_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "s.db"), plan())
    stage = database.stage("coarse")
    stage.plan([{"space": SPACE, "settings": {}, "recipe": False}])
    gone = {**this_process(), "pid": 2**22 + 1}
    for death in range(MOST_DEATHS + 1):
        trial = stage.claim()
        assert trial is not None
        assert trial.user_attrs.get("deaths", 0) == death
        stage.draw(trial)
        stage._storage.set_trial_user_attr(trial._trial_id, "owner", gone)
        assert stage.put_back_dead() == [0]
    assert stage.claim() is None
    assert stage.is_over
    row = rows_of(stage)[0]
    assert row["state"] == "failed"
    assert row["why"] == f"its process died {MOST_DEATHS + 1} times"
    database.close()


def test_a_live_trial_is_not_taken_away_and_a_silent_one_elsewhere_is(tmp_path: Path) -> None:
    from sqlalchemy import text

    database = Database(sqlite_url(tmp_path / "s.db"), plan())
    stage = database.stage("coarse")
    stage.plan([{"space": SPACE, "settings": {}, "recipe": False}] * 2)
    mine, far = stage.claim(), stage.claim()
    assert mine is not None
    assert far is not None
    stage._storage.set_trial_user_attr(far._trial_id, "owner", {**this_process(), "host": "elsewhere"})
    assert stage.put_back_dead() == []
    with database._rdb.engine.begin() as connection:
        old = text("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour') WHERE trial_id = :id")
        connection.execute(old, {"id": far._trial_id})
    assert stage.put_back_dead() == [1]
    assert row_of("coarse", stage.newest()[0])["state"] == "running"
    database.close()


@linux
def test_owners_are_told_apart() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = this_process()
    owner = {
        **me,
        "pid": child.pid,
        "began": Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19],
    }
    assert is_gone(owner) is False
    assert is_gone({**owner, "began": "1"}) is True  # a later process with its number
    child.kill()
    deadline = time.monotonic() + 5
    while is_gone(owner) is False and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_gone(owner) is True  # though nobody has asked how it ended
    child.communicate()


def command(out: Path, *more: str) -> list[str]:
    (out.parent / "space.yaml").write_text(json.dumps(SPACE))
    words = ["digits-softmax", "--space", str(out.parent / "space.yaml"), "-n", "4", "--stages", "coarse",
             "--pruner", "none", "--share", "1", "--train.epochs", "60", "--train.evaluate_every", "100",
             "--train.keep_every", "50", "--threads", "1", "-o", str(out)]  # fmt: skip
    return [sys.executable, "-m", "chainrule", "search", *words, *more]


def has_begun(out: Path, name: str) -> bool:
    """Whether a trial has a checkpoint to go on from, and much before it."""
    steps = [int(path.name[5:]) for path in (out / "trials" / name / "checkpoints").glob("step-????????")]
    return max(steps, default=0) >= 100


def wait_for(condition: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = (path.parent / "cmdline").read_text()
        except OSError:
            continue
        if parent == process.pid and "chainrule.tuning._worker" in words:
            found.append(int(path.parent.name))
    return found


@linux
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_and_interrupted_searches_reach_what_an_undisturbed_one_does(tmp_path: Path) -> None:
    out = tmp_path / "killed"
    run = subprocess.Popen(command(out, "--workers", "2"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: has_begun(out, "coarse-000"), run)
    holder = int((out / "trials" / "coarse-000" / ".lock").read_text())
    assert holder in workers_of(run)
    os.kill(holder, signal.SIGKILL)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert "died of signal 9; another begins" in said
    killed = json.loads((out / "facts" / "search.json").read_text())
    assert [row["deaths"] for row in killed["trials"]] == [1, 0, 0, 0]
    assert [row["state"] for row in killed["trials"]] == ["finished"] * 4

    stopped = tmp_path / "stopped"
    run = subprocess.Popen(command(stopped), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: has_begun(stopped, "coarse-000"), run)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 130, said
    assert f"To go on: chainrule search digits-softmax --space {tmp_path / 'space.yaml'} -n 4" in said
    assert json.loads((stopped / "run.json").read_text())["status"] == "interrupted"
    chainrule.resume(stopped)
    events = (stopped / "trials" / "coarse-000" / "events.jsonl").read_text()
    assert '"resumed"' in events
    resumed = json.loads((stopped / "facts" / "search.json").read_text())
    assert values(resumed) == values(killed)
    assert [row["rungs"] for row in resumed["trials"]] == [row["rungs"] for row in killed["trials"]]


def test_wrong_settings_end_a_trial_and_not_the_search(tmp_path: Path) -> None:
    space: dict[str, Any] = {"optim.lr": {"choices": [0.05, 1e38]}, "model.name": {"choices": ["mlp", "linear"]}}
    space["model.hidden"] = {"choices": [[8], [9]]}
    found = chainrule.search("digits-mlp", space=space, out=tmp_path / "odd", stages=["coarse"], count=8,
                             settings=QUICK, pruner="none")  # fmt: skip
    for row in found["trials"]:
        if row["settings"]["model.name"] == "linear":  # which has no hidden layers
            assert row["state"] == "failed"
            assert 'no option "hidden"' in row["why"]
        else:
            assert row["state"] == ("finished" if row["settings"]["optim.lr"] == 0.05 else "diverged")
    assert {row["state"] for row in found["trials"]} == {"finished", "diverged", "failed"}
    assert found["best"]["settings"]["optim.lr"] == 0.05


def behind(out: Path, *, pruner: str, count: int, epochs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A search in which two rates learn nothing, and the trials that were ended; one of theirs is among them."""
    space = {"optim.lr": {"choices": [0.05, 0.04, 0.03, 1e-9, 2e-9]}}
    found = quick(out, space=space, stages=["coarse"], count=count, pruner=pruner, share=1.0,
                  settings={**QUICK, "train.epochs": epochs})  # fmt: skip
    ended = [row for row in found["trials"] if row["state"] == "pruned"]
    assert any(row["settings"]["optim.lr"] < 1e-6 for row in ended)
    return found, ended


@pytest.mark.slow
def test_trials_that_fall_behind_are_ended(tmp_path: Path) -> None:
    found, ended = behind(tmp_path / "cut", pruner="median", count=14, epochs=3)
    late = [row for row in found["trials"][4:] if row["settings"]["optim.lr"] < 1e-6]
    assert late
    assert all(row["state"] == "pruned" for row in late)
    for row in ended:
        info = chainrule.Run.open(tmp_path / "cut" / row["folder"]).info
        assert info["status"] == "pruned"
        assert row["rungs"][-1][0] < 1


@pytest.mark.slow
def test_hyperband_ends_trials_in_its_brackets(tmp_path: Path) -> None:
    found, ended = behind(tmp_path / "cut", pruner="hyperband", count=18, epochs=4)
    whole = [row for row in found["trials"] if row["state"] == "finished"]
    assert max(len(row["rungs"]) for row in ended) < min(len(row["rungs"]) for row in whole)
    assert found["best"]["settings"]["optim.lr"] > 0.01


@pytest.mark.parametrize(
    ("recipe", "options", "error", "words"),
    [
        ("digits-sofmax", {}, RecipeError, 'did you mean "digits-softmax"'),
        ("digits-softmax", {"space": {"optim.rate": {"low": 0.1, "high": 1.0}}}, RecipeError, 'no option "rate"'),
        ("digits-softmax", {"space": {"optmi.lr": {"low": 0.1, "high": 1.0}}}, RecipeError, 'no section "optmi"'),
        ("digits-softmax", {"space": {"optim.lr": {"low": -1.0, "high": 1.0}}, "settings": {"optim.lr": 0.1}},
         RecipeError, "is set and searched"),
        ("digits-softmax", {"space": {"train.batch": {"low": 0, "high": 8}}}, RecipeError, "train.batch"),
        ("digits-softmax", {"space": {"train.seed": {"low": 0, "high": 8}}}, RecipeError, "luck"),
        ("digits-softmax", {"space": {"data.validation": {"low": 0.1, "high": 0.2}}}, RecipeError, "same validation"),
        ("digits-softmax", {"space": "nothing.yaml"}, RecipeError, "cannot be read"),
        ("digits-softmax", {"count": 3}, UsageError, "4 to 2000"),
        ("digits-softmax", {"share": 0.0}, UsageError, "at most 1"),
        ("digits-softmax", {"stages": ["coarse", "fein"]}, UsageError, 'did you mean "fine"'),
        ("digits-softmax", {"stages": ["fine"]}, UsageError, "--stages coarse,fine"),
        ("digits-softmax", {"sampler": "grid"}, UsageError, "random"),
        ("digits-softmax", {"pruner": "all"}, UsageError, "hyperband"),
        ("digits-softmax", {"workers": 0}, UsageError, "1 to 256"),
        ("digits-softmax", {"storage": "nosuch://here"}, UsageError, "is no address of a database"),
        ("digits-softmax", {"storage": "sqlite:////nowhere/at/all.db"}, StorageError, "does not answer"),
        ("digits-knn", {}, RecipeError, "--space FILE.yaml"),
        ("cifar10-depth", {}, RecipeError, "is a study"),
        ("digits-softmax", {"settings": {"data.validation": 0.0}}, RecipeError, "data.validation"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_made(
    recipe: str, options: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as said:
        chainrule.search(recipe, out=tmp_path / "none", **options)
    assert words in str(said.value)
    assert not (tmp_path / "none").exists()


def test_another_search_is_not_mixed_in(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, _ = done
    with pytest.raises(UsageError, match="holds something else"):
        quick(out, share=0.75)
    with pytest.raises(UsageError, match="is another search: its share differs"):
        quick(tmp_path / "other", share=0.75, storage=sqlite_url(out / "study.db"))
    assert not (tmp_path / "other").exists()


def test_a_model_that_is_fitted_at_once_is_searched_without_rates(tmp_path: Path) -> None:
    found = chainrule.search("digits-knn", space={"model.k": {"low": 1, "high": 15, "step": 2}}, count=4,
                             out=tmp_path / "knn", settings={"train.threads": 1})  # fmt: skip
    assert all("skipped" in facts for facts in found["stages"].values())
    assert all(row["settings"]["model.k"] % 2 == 1 for row in found["trials"] if not row["recipe"])
    assert found["best"]["value"] >= found["as_it_is"]["value"]


def test_passwords_are_not_written_down(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    assert hidden("mysql+pymysql://me:p@ss@host/n").endswith("@host/n")
    quick(tmp_path / "one", storage=url, study="both", stages=["coarse"], count=2,
          command=f"chainrule search digits-softmax --storage {url} -o one")  # fmt: skip
    info = json.loads((tmp_path / "one" / "run.json").read_text())
    assert info["storage"] == url
    assert not (tmp_path / "one" / "study.db").exists()
    other = quick(tmp_path / "two", storage=url, study="both", stages=["coarse"], count=2)
    assert other["told"] == []  # the trials were another folder's, and are known here too
    assert len(other["trials"]) == 2


def test_data_without_a_validation_part_choose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.tasks.images import Classification

    whole = Classification.begun.__func__  # type: ignore[attr-defined]

    def begun(cls: Any, recipe: Any, **options: Any) -> Any:
        job = whole(cls, recipe, **options)
        job.parts = {name: index for name, index in job.parts.items() if name != "valid"}
        return job

    monkeypatch.setattr(Classification, "begun", classmethod(begun))
    with pytest.raises(DataError, match="no validation part"):
        quick(tmp_path / "none")
    assert not (tmp_path / "none").exists()
