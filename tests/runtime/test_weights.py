"""Tensors come back as they were, in a format that others read, and fit a network or leave it alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from chainrule.core.errors import StorageError, WeightsError
from chainrule.runtime import _safetensors
from chainrule.runtime.weights import from_bytes, load_weights, read_weights, to_buffers, to_bytes, write_weights

DTYPES = list(_safetensors.DTYPES.values())
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def values(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    """Any bits at all: NaN payloads, infinities, negative zero."""
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.tensor(shape).prod()) * dtype.itemsize
    raw = torch.randint(0, 2 if dtype == torch.bool else 256, (count,), generator=generator, dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


def bits(tensor: Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == sorted(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert bits(found[name]) == bits(tensor)


TABLES = st.dictionaries(
    st.text(max_size=12).filter(lambda name: name != "__metadata__"),  # the one that the format keeps for itself
    st.tuples(SHAPES, st.sampled_from(DTYPES), st.integers(0, 99), st.booleans()),
    max_size=6,
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(TABLES)
def test_what_is_written_is_read_by_us_and_by_others(
    table: dict[str, tuple[tuple[int, ...], torch.dtype, int, bool]],
) -> None:
    tensors = {name: values(shape, dtype, seed) for name, (shape, dtype, seed, _) in table.items()}
    tensors = {name: t.t() if table[name][3] and t.ndim == 2 else t for name, t in tensors.items()}
    data = to_bytes(tensors, {"made": "here"})
    assert_same(from_bytes(data), tensors)
    theirs = safetensors.torch.load(data)
    assert_same(dict(sorted(theirs.items())), tensors)
    assert_same(from_bytes(safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})), tensors)
    assert to_bytes(dict(reversed(tensors.items())), {"made": "here"}) == data


def test_each_tensor_begins_at_a_multiple_of_its_numbers_size() -> None:
    tensors = {
        "a": torch.zeros(3, dtype=torch.uint8),
        "b": torch.zeros(5, dtype=torch.float64),
        "c": torch.zeros(1, dtype=torch.half),
    }
    data = to_bytes(tensors)
    length = int.from_bytes(data[:8], "little")
    assert (8 + length) % 8 == 0
    assert data[8 + length :] == bytes(3 + 40 + 2)
    header = data[8 : 8 + length].decode()
    assert header.index('"b"') < header.index('"c"') < header.index('"a"')


@pytest.mark.parametrize("protocol", range(1, 6))
def test_a_header_whose_length_begins_as_a_pickle_does_is_read(protocol: int, tmp_path: Path) -> None:
    wanted = 0x80 + 256 * protocol  # as two bytes: 80 and the protocol, the mark of a pickle
    for length in range(wanted):
        data = to_bytes({"w": torch.ones(2)}, {"note": "x" * length})
        if len(data) == 8 + wanted + 8:
            break
    assert data[:2] == bytes([0x80, protocol])
    (tmp_path / "w").write_bytes(data)
    assert read_weights(tmp_path / "w")["w"].tolist() == [1, 1]


def test_strides_sharing_gradients_and_signs() -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {
        "transposed": base.permute(2, 0, 1),
        "strided": base[:, ::2, 1:3],
        "expanded": torch.tensor([7.0]).expand(3, 2),
        "parameter": nn.Parameter(base),
        "tied": base,
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "negated": torch.view_as_complex(torch.ones(2, 2)).conj().imag,
        "offset": base.reshape(-1)[5:7],
    }
    assert tensors["negated"].is_neg()
    found = from_bytes(to_bytes(tensors))
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor.detach())
        assert not found[name].requires_grad
    assert found["tied"].data_ptr() != found["parameter"].data_ptr()


def test_buffers_alias_and_tensors_read_do_not() -> None:
    tensor = torch.zeros(3)
    buffers = to_buffers({"w": tensor})
    tensor += 1
    assert torch.equal(from_bytes(b"".join(buffers))["w"], torch.ones(3))
    data = bytearray(to_bytes({"w": tensor}))
    found = from_bytes(data)["w"]
    data[:] = bytes(len(data))
    assert torch.equal(found, torch.ones(3))
    found += 1


def test_the_other_order_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a big-endian machine the file is still little-endian: there every number is turned once each way."""
    tensors = {
        "a": torch.tensor([1.0, -2.5], dtype=torch.float64),
        "b": torch.tensor([[258]], dtype=torch.int16),
        "c": torch.tensor(True),
    }
    little = to_bytes(tensors)
    monkeypatch.setattr(sys, "byteorder", "big")
    turned = to_bytes(tensors)
    start = 8 + int.from_bytes(little[:8], "little")
    assert turned[start : start + 8] == little[start : start + 8][::-1]
    assert turned[start + 16 : start + 18] == little[start + 16 : start + 18][::-1]
    assert_same(from_bytes(turned), tensors)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(2, dtype=torch.complex64), torch.zeros(2).to_sparse(), torch.zeros(2, device="meta")],
    ids=["complex", "sparse", "meta"],
)
def test_what_has_no_place_in_the_format(tmp_path: Path, tensor: Tensor) -> None:
    with pytest.raises(WeightsError, match=r'"odd" cannot be stored: expected BOOL.* got torch'):
        write_weights(tmp_path / "w", {"fine": torch.zeros(1), "odd": tensor})
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------------- files


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w", "w.txt", "two words.zip"])
def test_the_content_tells_the_format_and_not_the_name(tmp_path: Path, name: str) -> None:
    state = network().state_dict()
    path = tmp_path / name
    write_weights(path, state)
    assert_same(read_weights(path), dict(state))
    safetensors.torch.save_file(dict(state), path)
    assert_same(read_weights(path), dict(state))


def test_an_archive_of_torch(tmp_path: Path) -> None:
    """One guarded child reads what there is of ordinary things: all number types, ties, views, parameters."""
    path = tmp_path / "w.safetensors"
    state = {f"t.{dtype}": values((2, 3), dtype, 1) for dtype in DTYPES}
    base = torch.arange(12.0)
    state |= {
        "view": base[2:8:2],
        "tied": base,
        "again": base,
        "parameter": nn.Parameter(torch.ones(2)),
        "none": torch.empty(0, 3),
        "one": torch.tensor(5),
    }
    torch.save(state, path)
    assert_same(read_weights(path), {name: tensor.detach() for name, tensor in state.items()})


def test_a_table_inside_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = network().state_dict()
    torch.save({"epoch": 3, "state_dict": state, "note": "x"}, path)
    with pytest.raises(
        WeightsError,
        match=r'its entry "epoch" is no tensor: got int. Remedy: its table "state_dict" may be meant: key="state_dict"',
    ):
        read_weights(path)
    assert_same(read_weights(path, key="state_dict"), dict(state))
    with pytest.raises(
        WeightsError, match=r'it has nothing named "model". Remedy: its names are: epoch, note, state_dict'
    ):
        read_weights(path, key="model")
    write_weights(path, {"a": torch.zeros(1)})
    with pytest.raises(WeightsError, match="one table of tensors"):
        read_weights(path, key="model")


def save_legacy(path: Path) -> None:
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: torch.save(network(), p), "its pickle names .*, which is no tensor. Remedy: save the weights alone"),
        (save_legacy, "a bare pickle, PyTorch's format before 1.6. Remedy: in Python: torch.save"),
        (lambda p: torch.save(network().state_dict(), p, pickle_protocol=4), "has the opcode PROTO"),
        (lambda p: p.write_bytes(b""), "no weights file"),
        (lambda p: p.write_bytes(b"{}"), "no weights file"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)), "no weights file"),
        (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(100)), "it does not end as an archive does"),
        (lambda p: p.mkdir(), "is a folder, no file"),
        (os.mkfifo, "is no file"),
        (lambda p: None, "there is no weights file"),
        (lambda p: p.symlink_to("nowhere"), "there is no weights file"),
    ],
)
def test_what_is_refused_says_why(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "w.pth"
    make(path)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=said) as caught:
        read_weights(path)
    assert f'"{path}"' in str(caught.value)
    assert caught.value.exit_status == 4
    assert "\n" not in str(caught.value)


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file/x", "a\0", "x" * 256):
        with pytest.raises(StorageError):
            read_weights(tmp_path / name)
    with pytest.raises(StorageError):
        write_weights(tmp_path / "missing/x", {})


# -------------------------------------------------------------------------------------------------------------- fitting


def changed(module: nn.Module, **changes: Tensor | None) -> dict[str, Tensor]:
    tensors = {name: tensor + 1 for name, tensor in module.state_dict().items()}
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name.replace("__", ".")]
        else:
            tensors[name.replace("__", ".")] = tensor
    return tensors


def test_weights_that_fit_are_copied() -> None:
    module = network()
    tensors = changed(module)
    addresses = [p.data_ptr() for p in module.parameters()]
    matched = load_weights(module, tensors)
    assert matched.loaded == sorted(tensors)
    assert (matched.missing, matched.extra, matched.unlike) == ([], [], [])
    assert_same(dict(sorted(module.state_dict().items())), tensors)
    assert [p.data_ptr() for p in module.parameters()] == addresses
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


MISFITS = {
    "missing": ({"0__weight": None}, r'1 missing \("0.weight"\)'),
    "additional": ({"extra": torch.zeros(1)}, r'1 additional \("extra"\)'),
    "renamed": (
        {"3__weight": None, "3__wieght": torch.zeros(2, 4)},
        r'1 missing \("3.weight"\), 1 additional \("3.wieght", for "3.weight"\?\)',
    ),
    "shape": ({"3__bias": torch.zeros(3)}, r'1 unlike \("3.bias", expected \(2,\) of float32, got \(3,\) of float32\)'),
    "transposed": ({"3__weight": torch.zeros(4, 2)}, r"expected \(2, 4\) of float32, got \(4, 2\) of float32"),
    "scalar": ({"3__bias": torch.tensor(1.0)}, r"expected \(2,\) of float32, got \(\) of float32"),
    "type": ({"1__num_batches_tracked": torch.tensor(1.0)}, r"expected \(\) of int64, got \(\) of float32"),
    "integers": ({"3__bias": torch.zeros(2, dtype=torch.int64)}, r"expected \(2,\) of float32, got \(2,\) of int64"),
    "newline": ({"a\nb": torch.zeros(2)}, r'1 additional \("a\\nb"\)'),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_weights_that_do_not_fit_change_nothing(kind: str) -> None:
    module = network()
    changes, said = MISFITS[kind]
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(WeightsError, match=said) as caught:
        load_weights(module, changed(module, **changes))
    assert "\n" not in str(caught.value)
    assert_same(dict(sorted(module.state_dict().items())), before)


@pytest.mark.parametrize(("prefix", "origin"), [("module.", "DataParallel"), ("_orig_mod.", "torch.compile")])
def test_prefixes_are_named_and_not_stripped(prefix: str, origin: str) -> None:
    module = network()
    tensors = {prefix + name: tensor for name, tensor in changed(module).items()}
    with pytest.raises(
        WeightsError, match=f'the names begin with "{prefix}", which {origin} puts there; remove it'
    ) as caught:
        load_weights(module, tensors)
    assert f"{len(tensors)} missing" in str(caught.value)
    assert "..." in str(caught.value)
    remedy = caught.value.remedy
    assert remedy is not None
    load_weights(module, eval(remedy.partition("remove it: ")[2], {"tensors": tensors}))


def test_lenient_loading_counts_and_has_a_floor() -> None:
    module = network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors = changed(module, **{"0__weight": None, "3__bias": torch.zeros(9), "extra": torch.zeros(1)})
    matched = load_weights(module, tensors, strict=False)
    assert (matched.missing, matched.extra, matched.unlike) == (["0.weight"], ["extra"], ["3.bias"])
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, tensors[name] if name in matched.loaded else before[name])
    with pytest.raises(WeightsError, match="missing"):
        load_weights(module, {"other": torch.zeros(1)}, strict=False)
    with pytest.raises(WeightsError, match="missing"):
        load_weights(module, {}, strict=False)


def test_other_precisions_are_converted() -> None:
    module = nn.Linear(2, 2)
    load_weights(module, {"weight": torch.ones(2, 2, dtype=torch.float64), "bias": torch.ones(2, dtype=torch.bfloat16)})
    assert module.weight.dtype == module.bias.dtype == torch.float32
    assert torch.equal(module.weight, torch.ones(2, 2))
