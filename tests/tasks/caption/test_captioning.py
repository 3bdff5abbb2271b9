"""A network that writes captions, from its recipe to what it says of pictures."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import chainrule
from chainrule.core.errors import ChainruleError, CheckpointError, DataError, RecipeError, UsageError, WeightsError
from chainrule.data import CaptionedImages
from chainrule.data.fetch import data_folder
from chainrule.models import squeezenet
from chainrule.recipes import recipe_names
from chainrule.runtime.weights import write_weights
from chainrule.tasks import Run, begin_run, continue_run, open_recipe
from chainrule.tasks.caption import Captioning, _regions
from chainrule.tasks.tables import check_options

COLORS = {"red": (230, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 230), "white": (245, 245, 245)}
PLACES = {"left": 0, "right": 1}


def made(folder: Path) -> Path:
    """A folder in the form of Flickr8k: a square of a color on one side of a picture of another one."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for number, (color, ground, place) in enumerate(itertools.product(COLORS, COLORS, PLACES)):
        if color == ground:
            continue
        pixels = np.empty((64, 80, 3), dtype=np.uint8)
        pixels[:] = COLORS[ground]
        begin = 10 + 34 * PLACES[place]
        pixels[18:46, begin : begin + 26] = COLORS[color]
        name = f"{number}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        texts = [f"A {color} square on {ground} .", f"On the {place} is a {color} square ."]
        lines += [f"{name}#{k}\t{text}\n" for k, text in enumerate(texts)]
    (folder / "Flickr8k.token.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("squares") / "squares")


MODELS: dict[str, dict[str, Any]] = {
    "caption_recurrent": {"name": "caption_recurrent", "width": 48, "cell": "gru"},
    "caption_attention": {"name": "caption_attention", "width": 48, "cell": "gru", "value": 32},
    "caption_transformer": {"name": "caption_transformer", "width": 32, "num_heads": 2, "layers": 1},
}


def recipe(folder: Path, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "data": {"name": "flickr8k", "folder": str(folder), "validation": 0.15, "test_share": 0.15},
        "encoder": {"name": "squeezenet", "size": 64, "classes": 10},
        "model": MODELS["caption_attention"],
        "optim": {"name": "adamw", "lr": 0.005},
        "train": {"steps": 10, "batch": 16, "evaluate_every": 0, "keep_every": 0, "threads": 1},
        "decode": {"beam": 2, "length": 12},
    }
    merged = {name: {**base[name], **changes.pop(name, {})} for name in base}
    return {"task": "caption", **merged, **changes}


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return chainrule.train(recipe(folder), out=tmp_path_factory.mktemp("attention") / "run")


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_is_measured_and_writes(name: str, folder: Path, tmp_path: Path) -> None:
    plain = recipe(folder, train={"steps": 150, "evaluate_every": 150})
    plain["model"] = MODELS[name]
    trained = chainrule.train(plain, out=tmp_path / "run")
    assert trained.result is not None
    assert trained.result["train"]["bleu"] > 90
    assert trained.result["train"]["exact"] > 0.8
    # two templates for each picture, about eight tokens each: 2^(1/8) at best, 1.45 for who does not look at it
    assert 1.05 < trained.result["train"]["perplexity"] < 1.2
    opened = Run.open(trained.path)
    again = opened.evaluate("test")
    assert again["bleu"] == pytest.approx(trained.result["test"]["bleu"])
    assert again["orders"][3] == pytest.approx(again["bleu"])
    assert again["orders"] == sorted(again["orders"], reverse=True)
    assert again["signature"].startswith("nrefs:2|case:lc")
    job = opened.job()
    assert isinstance(job, Captioning)
    names = [job.images.paths[number] for number in job.parts["train"].tolist()]
    found = opened.caption(names)
    assert [one.source for one in found] == names
    right = [[text.lower().replace(" .", ".") for text in job.images.captions[i]] for i in job.parts["train"].tolist()]
    share = sum(one.output in texts for one, texts in zip(found, right)) / len(names)
    assert share == pytest.approx(trained.result["train"]["exact"])
    page = (trained.path / "report.html").read_text(encoding="utf-8")
    for said in ("Captions", "Test BLEU", "BLEU-1", "nrefs:2", "learned by heart", "padding of a step"):
        assert said in page
    facts = json.loads((trained.path / "facts" / "captions.json").read_text())
    assert [part["part"] for part in facts["parts"]] == ["test", "valid", "train"]
    first, *others = facts["parts"][0]["examples"]
    assert len(first["references"]) == 2
    assert ("looked" in first) == (name != "caption_recurrent") == ("Where it looked" in page)
    assert not any("looked" in one for one in others[1:])
    if "looked" in first:
        assert first["looked"][-1]["word"] == "</s>"


def test_pictures_together_are_captioned_as_they_are_alone(run: Run, folder: Path) -> None:
    names = [str(path) for path in sorted((folder / "images").iterdir())][:19]
    together = run.caption(names, best=2)
    for name, one in list(zip(names, together))[:3]:
        (alone,) = run.caption([name], best=2)
        assert alone.output == one.output
        assert alone.log_p == pytest.approx(one.log_p, abs=1e-4)
        assert len(one.others) == 1
    assert run.caption([Path(names[0]).read_bytes()])[0].source == "standard input"
    told: list[dict[str, Any]] = []
    run.caption(names[:1], beam=3, candidates=told)
    assert {"a", "on"} <= {one["text"].lower() for one in told if one["step"] == 0}
    with pytest.raises(UsageError, match="beam: input should be greater"):
        run.caption(names[:1], beam=0)
    with pytest.raises(UsageError, match="a run of the task caption"):
        run.translate(["a"])
    with pytest.raises(UsageError, match="a run of the task caption"):
        run.predict(names[:1])
    with pytest.raises(DataError, match=r"nowhere\.png"):
        run.caption(["nowhere.png"])


def test_a_run_needs_no_file_of_weights_and_none_of_the_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    weights = tmp_path / "mine.safetensors"
    write_weights(weights, squeezenet((3, 64, 64), 10).state_dict())
    asked = recipe(folder, encoder={"weights": str(weights)}, train={"steps": 2, "evaluate_every": 0})
    trained = chainrule.train(asked, out=tmp_path / "run", report=False)
    before = trained.evaluate("valid")
    weights.unlink()
    opened = Run.open(trained.path)
    assert opened.evaluate("valid")["loss"] == pytest.approx(before["loss"], rel=1e-5)
    (name,) = opened.job().images.paths[:1]  # type: ignore[attr-defined]
    copy = tmp_path / "one.png"
    shutil.copy(name, copy)
    wanted = opened.caption([copy])[0]
    shutil.move(folder, tmp_path / "gone")
    try:
        assert opened.caption([copy])[0].log_p == pytest.approx(wanted.log_p)
    finally:
        shutil.move(tmp_path / "gone", folder)


def test_the_encoder_is_the_one_that_was_given_and_stays_as_it_was(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = squeezenet((3, 64, 64), 10)
    weights = tmp_path / "mine.safetensors"
    write_weights(weights, network.state_dict())
    asked = recipe(folder, encoder={"weights": str(weights)}, train={"steps": 3, "evaluate_every": 0})
    model = chainrule.train(asked, out=tmp_path / "run", report=False).model()
    for name, value in network.features.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], value), name
    moved = [name for name, value in model.decoder.named_parameters() if value.abs().sum() > 0]
    assert len(moved) > 5
    with torch.inference_mode():
        maps = network.eval().features(torch.ones(1, 3, 64, 64))
        assert torch.allclose(model.regions(torch.ones(1, 3, 64, 64))[0].T.reshape(maps[0].shape), maps[0], atol=1e-5)


def test_without_weights_the_encoder_is_a_function_of_the_seed(folder: Path) -> None:
    one, same, other = (Captioning(open_recipe(recipe(folder, train={"seed": seed}))) for seed in (0, 0, 1))  # type: ignore[arg-type]
    assert torch.equal(one.regions, same.regions)
    assert not torch.allclose(one.regions, other.regions)
    assert one.regions.shape == (24, 9, 512)


def test_many_regions_are_kept_in_a_file_and_not_computed_twice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Any = open_recipe(recipe(folder))
    wanted = Captioning(asked).regions
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_regions, "IN_MEMORY", 1)
    job = Captioning(asked)
    assert torch.equal(job.regions, wanted)
    (kept,) = (tmp_path / "cache" / "captions").iterdir()
    assert kept.stat().st_size == 4 * wanted.numel()
    computed = []
    monkeypatch.setattr(_regions, "_fill", lambda *given: computed.append(given))
    assert torch.equal(Captioning(asked).regions, wanted)
    assert not computed
    kept.write_bytes(kept.read_bytes()[:-4])  # cut short: made again
    assert len(Captioning(asked).regions) == len(wanted)
    assert len(computed) == 1
    Captioning(open_recipe(recipe(folder, encoder={"grid": 2}))).regions  # type: ignore[arg-type]  # noqa: B018
    assert len(computed) == 2


def test_all_captions_of_a_picture_are_in_one_part(folder: Path) -> None:
    job = Captioning(open_recipe(recipe(folder)))  # type: ignore[arg-type]
    seen: dict[int, str] = {}
    for part in job.parts:
        examples = job.examples(part)
        assert len(examples) == 2 * len(job.parts[part])
        for number in examples.picture.tolist():
            assert seen.setdefault(number, part) == part
    assert len(seen) == len(job.images)


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(folder: Path, tmp_path: Path) -> None:
    plain = recipe(folder, train={"steps": 8, "keep_every": 4, "evaluate_every": 4}, teaching={"name": "linear"})
    whole = chainrule.train(plain, out=tmp_path / "whole", report=False)
    asked: Any = open_recipe(plain)
    job = begin_run(asked, tmp_path / "half", name="it")
    short = asked.model_copy(update={"train": asked.train.model_copy(update={"steps": 8})})
    job.recipe = short  # type: ignore[misc]
    continue_run(tmp_path / "half", job)
    shutil.rmtree(tmp_path / "half" / "checkpoints" / "step-00000008")
    continue_run(tmp_path / "half", Run.open(tmp_path / "half").job())
    for name, value in whole.model().state_dict().items():
        assert torch.equal(Run.open(tmp_path / "half").model().state_dict()[name], value), name


class Writer(nn.Module):
    """A network of one's own that writes about the mean of the regions."""

    def __init__(self, vocabulary: int, features: int, width: int = 16) -> None:
        super().__init__()
        self.embed, self.see = nn.Embedding(vocabulary, width), nn.Linear(features, width)
        self.head = nn.Linear(width, vocabulary)

    def encode(self, regions: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"seen": self.see(regions.mean(1))}

    def forward(self, tokens: torch.Tensor, state: Any) -> Any:
        return self.head(self.embed(tokens) + state["seen"].unsqueeze(1)), state


class Forgetful(Writer):
    """Its state is no dictionary of tensors."""

    def forward(self, tokens: torch.Tensor, state: Any) -> Any:
        return super().forward(tokens, state)[0], {"steps": 3}


def test_a_network_of_ones_own(folder: Path, tmp_path: Path) -> None:
    plain = {**recipe(folder, train={"steps": 2, "evaluate_every": 0}), "model": {"name": "own", "width": 8}}
    own = chainrule.train(plain, model=Writer, out=tmp_path / "run", report=False)
    fresh = own.own_module(Writer)
    assert own.caption([str(folder / "images" / "2.png")], module=fresh)[0].log_p < 0
    with pytest.raises(CheckpointError, match="cannot be rebuilt"):
        own.caption([str(folder / "images" / "2.png")])
    with pytest.raises(RecipeError, match="cannot be taken apart by sentence"):
        chainrule.train(plain, model=Forgetful, out=tmp_path / "other", report=False)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"encoder": {"name": "mlp"}}, RecipeError, "encoder.name: mlp has no part that makes maps.*squeezenet"),
        ({"encoder": {"name": "squeeznet"}}, RecipeError, 'did you mean "squeezenet"'),
        ({"encoder": {"versoin": 1.1}}, RecipeError, "encoder.versoin: .*version"),
        ({"encoder": {"grid": 5}}, RecipeError, "encoder.grid asks for more regions.*at most 3"),
        ({"encoder": {"size": 16}}, RecipeError, "SqueezeNet shrinks its images"),
        ({"encoder": {"resize": 32}}, UsageError, "resize is what the shorter side"),
        ({"encoder": {"weights": "squeezenet1_1"}}, RecipeError, "no published weights"),
        ({"encoder": {"weights": "squeezenet1_0", "version": 1.1}}, RecipeError, "--encoder.version 1.0"),
        ({"encoder": {"weights": "nowhere.safetensors"}}, ChainruleError, "nowhere.safetensors"),
        ({"model": {"name": "attention"}}, RecipeError, "attention is for the task translate"),
        ({"data": {"name": "coco-captions"}}, DataError, "there are no captions in"),
        ({"data": {"validation": 0.01}}, DataError, "its part valid is empty"),
    ],
)
def test_what_does_not_go_together_is_refused(
    changes: dict[str, Any], error: type[ChainruleError], said: str, folder: Path, tmp_path: Path
) -> None:
    asked = recipe(folder, **changes)
    with pytest.raises(error, match=f"(?s){said}"):
        chainrule.train(asked, out=tmp_path / "run", report=False)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_encoder_are_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    weights = str(run.path / "model.safetensors")
    again = recipe(folder, model={"weights": weights}, train={"steps": 0, "evaluate_every": 0})
    begun = chainrule.train(again, out=tmp_path / "same", report=False)
    assert begun.result is not None
    assert run.result is not None
    assert begun.result["train"]["loss"] == pytest.approx(run.result["train"]["loss"], rel=1e-5)
    other = recipe(folder, model={"weights": weights}, train={"steps": 0, "seed": 4})
    with pytest.raises(WeightsError, match="another encoder than the recipe"):
        chainrule.train(other, out=tmp_path / "other", report=False)


@pytest.mark.parametrize("entry", ["shape", "regions", "normalization", "tokenizer", "length"])
def test_a_damaged_processing_is_named(run: Run, folder: Path, tmp_path: Path, entry: str) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    path = tmp_path / "run" / "processing.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), entry: None}))
    with pytest.raises(CheckpointError, match=r"processing\.json"):
        Run.open(tmp_path / "run").caption([str(folder / "images" / "2.png")])


OURS = [name for name in recipe_names() if name.startswith("coco-caption")]


@pytest.mark.parametrize("name", OURS)
def test_each_recipe_runs_two_steps_on_made_pictures(name: str, folder: Path, tmp_path: Path) -> None:
    small = {"encoder.weights": None, "encoder.size": 64, "encoder.grid": 3, "train.steps": 2, "train.threads": 1}
    asked: Any = open_recipe(name, {**small, "train.batch": 4, "decode.beam": 2, "decode.length": 5})
    check_options(asked)
    paths = sorted(map(str, (folder / "images").iterdir()))
    images = CaptionedImages("made", paths, [["a square", "it is red"] for _ in paths])
    job = begin_run(asked, tmp_path / "run", name=name, data=images)
    continue_run(tmp_path / "run", job)
    result = Run.open(tmp_path / "run").result
    assert result is not None
    assert result["steps"] == 2
    assert {"valid", "test", "train"} <= set(result)


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_a_step_on_the_open_pictures_of_coco(tmp_path: Path) -> None:
    settings = {"train.steps": 1, "train.evaluate_every": 0, "train.threads": 1, "data.limit": 4, "decode.most": 2}
    asked = open_recipe("coco-caption-attention", {**settings, "encoder.size": 96, "encoder.grid": 4})
    trained = chainrule.train(asked, out=tmp_path / "run")
    assert trained.result is not None
    assert trained.result["steps"] == 1
    page = (trained.path / "report.html").read_text(encoding="utf-8")
    for said in ("This is a small set", "CC BY-SA 2.0", "nrefs:5"):
        assert said in page
    model = trained.model()
    assert model.encoder[0].weight.std() > 0.01
