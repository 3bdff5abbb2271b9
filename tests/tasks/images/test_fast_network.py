"""Predictions: in groups, folded, compiled where that can be; always what evaluation gives, up to rounding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import chainrule
from chainrule.cli import main
from chainrule.data import open_image
from chainrule.data.images import fitted
from chainrule.runtime import compiled as compiler
from chainrule.tasks.images import _fast_network
from chainrule.tasks.images._fast_network import Predictor, at_once, in_groups
from chainrule.tasks.images._processing import ImageProcessing


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    with torch.no_grad():
        model[1].running_mean.normal_()
        model[1].running_var.uniform_(0.5, 2.0)
    return model.eval()


X = torch.randn(11, 3, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> chainrule.Run:
    out = tmp_path_factory.mktemp("predictor") / "run"
    settings = {"train.steps": 30, "train.threads": 1, "model.spec": "CONV3-8 nobias | BN | RELU | POOL2 | FC-10"}
    return chainrule.train("digits-cnn", out=out, settings=settings, report=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    files = [folder / f"{place}.png" for place in range(11)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).save(file)
    return files


def chances(run: chainrule.Run, files: list[Path], **options: Any) -> Tensor:
    """Probabilities in the order of the classes."""
    found = run.predict(files, top=len(run.classes), **options)
    assert [one.source for one in found] == [str(file) for file in files]
    return torch.tensor([[dict(one.top)[name] for name in run.classes] for one in found])


def test_predictions_are_those_of_the_network_that_is_evaluated(run: chainrule.Run, pictures: list[Path]) -> None:
    model = run.model()
    processing = ImageProcessing.read(run.processing)
    pixels = torch.stack([fitted(open_image(file), processing.shape) for file in pictures])
    with torch.no_grad():
        wanted = model(processing.normalization.apply(pixels)).softmax(1)
    torch.testing.assert_close(chances(run, pictures), wanted, rtol=1e-4, atol=1e-6)
    assert wanted.std(0).max() > 1e-3  # pictures are told apart


def test_groups_do_not_change_what_is_predicted(
    run: chainrule.Run, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = chances(run, pictures)
    monkeypatch.setattr(_fast_network, "MOST_AT_ONCE", 4)
    torch.testing.assert_close(chances(run, pictures), together, rtol=1e-5, atol=1e-7)
    alone = torch.cat([chances(run, [file]) for file in pictures])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-7)


def test_sources_are_read_a_group_at_a_time(
    run: chainrule.Run, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fast_network, "MOST_AT_ONCE", 3)
    sizes: list[int] = []
    forward = Predictor.forward

    def watched(self: Predictor, inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        return forward(self, inputs)

    monkeypatch.setattr(Predictor, "forward", watched)
    given = iter(pictures)
    assert len(run.predict(given)) == 11
    assert sizes == [3, 3, 3, 2]
    assert run.predict([]) == []


@pytest.mark.parametrize("size", [1, 3, 4])
def test_in_groups(size: int) -> None:
    groups = list(in_groups(iter(range(10)), size))
    assert [item for group in groups for item in group] == list(range(10))
    assert {len(group) for group in groups[:-1]} == {size}


def test_a_group_takes_bounded_memory() -> None:
    for shape in [(3, 224, 224), (1, 8, 8), (3, 8192, 8192), (1, 1, 1)]:
        size = at_once(shape)
        assert size == 1 or size * np.prod(shape) <= _fast_network.AT_ONCE
        assert 1 <= size <= 256


def test_norms_are_folded_and_the_last_layout_is_used() -> None:
    seen: list[Tensor] = []
    model = network()
    predictor = Predictor(model)
    with torch.inference_mode():
        assert torch.equal(predictor(X), model(X.contiguous(memory_format=torch.channels_last)))
        assert predictor.run is None  # one group alone is not worth getting ready for
        predictor(X)
        assert isinstance(predictor.run, nn.Module)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in predictor.run.modules())
        predictor.run.register_forward_hook(lambda module, given, output: seen.append(given[0]))
        torch.testing.assert_close(predictor(X), model(X), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(predictor(X[:2]), model(X[:2]), rtol=1e-5, atol=1e-5)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


class Disguised(nn.Module):
    """Its way depends on the class of what it is given, which is another one while it is followed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        between = self.conv(x)
        if isinstance(x, Tensor):
            between = between.relu()
        return self.norm(between).flatten(1)


def test_a_network_that_answers_otherwise_when_folded_is_used_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    model = Disguised().eval()
    model.norm.running_mean.fill_(1.0)
    with torch.inference_mode():
        predictor = Predictor(model)
        for _ in range(3):
            assert torch.equal(predictor(X), model(X.contiguous(memory_format=torch.channels_last)))
    assert "with its batch norms folded" in caplog.text


class Aliased(nn.Module):
    """It adds onto a value that it reads again under another name; followed symbolically it is another network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        value = x.tanh()
        kept = value
        value += self.conv(x)
        return (value * kept).flatten(1)


def test_a_network_that_answers_otherwise_when_fused_is_used_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    model = Aliased().eval()
    with torch.inference_mode():
        predictor = Predictor(model)
        for _ in range(3):
            torch.testing.assert_close(predictor(X), model(X), rtol=1e-5, atol=1e-5)
    assert "with fused operations" in caplog.text


def test_values_that_are_not_finite_are_no_disagreement(caplog: pytest.LogCaptureFixture) -> None:
    model = network()
    with torch.no_grad():
        model[4].bias[0] = float("nan")
    with torch.inference_mode():
        predictor = Predictor(model)
        for _ in range(3):
            assert predictor(X)[:, 0].isnan().all()
    assert caplog.text == ""


def test_without_a_compiler_it_is_said_and_the_answer_is_the_same(
    run: chainrule.Run, pictures: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiler, "missing_compiler", lambda: "there is no C++ compiler (g++ or clang++)")
    words = ["predict", str(run.path), *map(str, pictures[:3]), "--json"]
    assert main([*words, "--compile"]) == 0
    told = capsys.readouterr()
    assert (
        told.err
        == "chainrule: warning: not compiled: there is no C++ compiler (g++ or clang++); it is computed without\n"
    )
    assert main(words) == 0
    assert json.loads(told.out) == json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_compiled_where_that_can_be_the_answer_is_the_same(run: chainrule.Run, pictures: list[Path]) -> None:
    """In a process of its own, as the compiler would also translate the checks that tests add to functions."""
    words = [sys.executable, "-m", "chainrule", "predict", str(run.path), *map(str, pictures), "-n", "10", "--json"]
    told = {}
    for option in ((), ("--compile",)):
        done = subprocess.run([*words, *option], capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        told[option] = json.loads(done.stdout)["result"]
    for plain, quick in zip(told[()], told["--compile",], strict=True):
        assert plain["source"] == quick["source"]
        assert dict(plain["top"]) == pytest.approx(dict(quick["top"]), rel=1e-3, abs=1e-6)


def test_a_smaller_last_group_is_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def pretend(model: nn.Module, inputs: Tensor) -> Any:
        def program(given: Tensor) -> Tensor:
            sizes.append(len(given))
            return model(given)

        return program

    monkeypatch.setattr(_fast_network, "compiled", pretend)
    model = network()
    predictor = Predictor(model, compile_it=True)
    with torch.inference_mode():
        for part in X.split(4):
            torch.testing.assert_close(predictor(part), model(part), rtol=1e-5, atol=1e-5)
    assert set(sizes) == {4}


def test_a_compiled_network_that_answers_otherwise_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_fast_network, "compiled", lambda model, inputs: lambda given: model(given) + 1)
    model = network()
    with torch.inference_mode():
        torch.testing.assert_close(Predictor(model, compile_it=True)(X), model(X), rtol=1e-5, atol=1e-5)
    assert "answers otherwise compiled" in caplog.text
