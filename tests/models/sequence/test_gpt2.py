"""GPT-2's published layout, against a forward pass written out here from its paper and published shapes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chainrule.core.errors import WeightsError
from chainrule.models import load_published
from chainrule.models.sequence._gpt import GPT
from chainrule.models.sequence._gpt2 import check_gpt2_form, from_gpt2, to_gpt2
from chainrule.runtime.weights import write_weights

V, T, D, L, H = 23, 16, 12, 3, 4
FORM: dict[str, Any] = {
    "width": D,
    "layers": L,
    "num_heads": H,
    "activation": "gelu-tanh",
    "positions": "learned",
    "length": T,
}


def published(prefix: str = "", *, masks: bool = False, head: bool = False) -> dict[str, torch.Tensor]:
    """Random weights with the names and shapes of the published files."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (V, D), "wpe.weight": (T, D)}
    for i in range(L):
        shapes |= {
            f"h.{i}.ln_1.weight": (D,),
            f"h.{i}.ln_1.bias": (D,),
            f"h.{i}.attn.c_attn.weight": (D, 3 * D),
            f"h.{i}.attn.c_attn.bias": (3 * D,),
            f"h.{i}.attn.c_proj.weight": (D, D),
            f"h.{i}.attn.c_proj.bias": (D,),
            f"h.{i}.ln_2.weight": (D,),
            f"h.{i}.ln_2.bias": (D,),
            f"h.{i}.mlp.c_fc.weight": (D, 4 * D),
            f"h.{i}.mlp.c_fc.bias": (4 * D,),
            f"h.{i}.mlp.c_proj.weight": (4 * D, D),
            f"h.{i}.mlp.c_proj.bias": (D,),
        }
    shapes |= {"ln_f.weight": (D,), "ln_f.bias": (D,)}
    found = {prefix + name: torch.from_numpy(rng.normal(0, 0.4, shape)) for name, shape in shapes.items()}
    if masks:
        for i in range(L):
            found[f"{prefix}h.{i}.attn.bias"] = torch.tril(torch.ones(1, 1, T, T, dtype=torch.bool))
            found[f"{prefix}h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    if head:
        found["lm_head.weight"] = found[f"{prefix}wte.weight"].clone()
    return found


def reference(w: dict[str, torch.Tensor], tokens: list[int]) -> np.ndarray:
    """GPT-2 in NumPy, one sequence, with loops over heads and queries."""
    p = {name: value.numpy() for name, value in w.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return p[f"{name}.weight"] * (x - mean) / np.sqrt(variance + 1e-5) + p[f"{name}.bias"]

    def conv1d(x: np.ndarray, name: str) -> np.ndarray:
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    x = p["wte.weight"][tokens] + p["wpe.weight"][: len(tokens)]
    for i in range(L):
        q, k, v = np.split(conv1d(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, axis=1)
        mixed, size = np.zeros_like(x), D // H
        for head in range(H):
            part = slice(head * size, (head + 1) * size)
            for t in range(len(tokens)):
                e = k[: t + 1, part] @ q[t, part] / math.sqrt(size)
                a = np.exp(e - e.max())
                mixed[t, part] = (a / a.sum()) @ v[: t + 1, part]
        x = x + conv1d(mixed, f"h.{i}.attn.c_proj")
        h = conv1d(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        h = 0.5 * h * (1 + np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + conv1d(h, f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ p["wte.weight"].T


def test_the_published_weights_give_the_published_networks_scores() -> None:
    model = GPT(V, **FORM).double().eval()
    model.load_state_dict(from_gpt2(published()))
    tokens = [3, 1, 4, 1, 5, 9, 2, 6, 5]
    found = model(torch.tensor([tokens]))[0][0].detach().numpy()
    np.testing.assert_allclose(found, reference(published(), tokens), atol=1e-12)


def test_there_and_back() -> None:
    given = published()
    model = GPT(V, **FORM).double()
    model.load_state_dict(from_gpt2(given))
    back = to_gpt2(model)
    assert back.keys() == given.keys()
    assert all(torch.equal(back[name], given[name]) for name in given)


@pytest.mark.parametrize(
    ("prefix", "masks", "head"), [("", True, False), ("transformer.", False, True), ("transformer.", True, False)]
)
def test_other_files_of_the_same_weights(prefix: str, masks: bool, head: bool) -> None:
    wanted, found = from_gpt2(published()), from_gpt2(published(prefix, masks=masks, head=head))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_is_loaded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"gpt2{suffix}"
    if suffix == ".pth":
        torch.save(published("transformer.", masks=True), path)
    else:
        write_weights(path, published())
    model = GPT(V, **FORM).double().eval()
    load_published(model, path)
    found = model(torch.tensor([[7, 7, 2]]))[0][0].detach().numpy()
    np.testing.assert_allclose(found, reference(published(), [7, 7, 2]), atol=1e-12)
    own = tmp_path / "own.safetensors"
    write_weights(own, model.state_dict())  # its own layout still loads
    load_published(GPT(V, **FORM).double(), own)


def test_the_base_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        size: dict[str, Any] = {"width": 768, "layers": 12, "num_heads": 12, "length": 1024}
        model = GPT(50257, **{**FORM, **size})
    assert sum(p.numel() for p in model.parameters()) == 124_439_808


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"activation": "gelu"}, "activation gelu-tanh, got.*approximate='none'"),
        ({"activation": "relu"}, "got.*ReLU"),
        ({"order": "inner"}, "got order inner"),
        ({"order": "post"}, "got order post"),
        ({"positions": "rotary", "width": 16}, "positions rotary"),
        ({"positions": "sinusoidal"}, "expected.*positions learned"),
    ],
)
def test_a_network_that_computes_something_else_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    write_weights(tmp_path / "gpt2.safetensors", published())
    model = GPT(V, **{**FORM, **options})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=f"GPT-2 is another network: .*{said}"):
        load_published(model, tmp_path / "gpt2.safetensors")
    with pytest.raises(WeightsError, match=said):
        to_gpt2(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_published_networks_have_heads_of_64_numbers() -> None:
    with torch.device("meta"):
        for dim, heads in ((768, 12), (1024, 16), (1280, 20), (1600, 25)):
            check_gpt2_form(GPT(50257, **{**FORM, "width": dim, "num_heads": heads}))
        for dim, heads, said in ((768, 8, "num_heads 12, got 8 heads of 96"), (96, 4, "64 numbers, got 4 heads of 24")):
            with pytest.raises(WeightsError, match=f"other heads.*{said}"):
                check_gpt2_form(GPT(50257, **{**FORM, "width": dim, "num_heads": heads}))


def test_scores_with_weights_of_their_own_begin_as_the_embeddings(tmp_path: Path) -> None:
    write_weights(tmp_path / "gpt2.safetensors", published())
    model = GPT(V, **FORM, tie=False).double().eval()
    load_published(model, tmp_path / "gpt2.safetensors")
    found = model(torch.tensor([[7, 7, 2]]))[0][0].detach().numpy()
    np.testing.assert_allclose(found, reference(published(), [7, 7, 2]), atol=1e-12)


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    other = {**published(), "h.0.attn.rotary.weight": torch.zeros(2)}
    with pytest.raises(WeightsError, match="no weights .h.0.attn.rotary.weight"):
        from_gpt2(other)
    with pytest.raises(WeightsError, match="equal to wte.weight"):
        from_gpt2({**published(), "lm_head.weight": torch.ones(V, D)})
    with pytest.raises(WeightsError, match="a tensor wte.weight"):
        from_gpt2({"h.0.ln_1.bias": torch.zeros(2)})
    with pytest.raises(WeightsError, match="tie: true"):
        to_gpt2(GPT(V, **FORM, tie=False))
    write_weights(tmp_path / "gpt2.safetensors", published())
    model = GPT(V, **{**FORM, "layers": 2})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"gpt2.safetensors. do not fit the network: 12 additional"):
        load_published(model, tmp_path / "gpt2.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
