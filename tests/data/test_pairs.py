"""Pairs of sentences: files, parts, sums, and the batches that are made of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import DataError, UsageError
from chainrule.data import PAIRS
from chainrule.data.addition import addition
from chainrule.data.fetch import data_folder
from chainrule.data.lines import read_lines
from chainrule.data.pair_examples import PairExamples
from chainrule.data.pairs import Pairs
from chainrule.data.parallel_files import parallel_files
from chainrule.data.ragged import Ragged
from chainrule.data.windows import IGNORED


def written(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sentences=st.lists(st.integers(0, 30), min_size=20, max_size=80), seed=st.integers(0, 10**6))
def test_parts_are_disjoint_whole_and_share_no_sentence(sentences: list[int], seed: int) -> None:
    pairs = Pairs("made", [str(n) for n in sentences], [f"{n}!" for n in sentences])
    if len(set(sentences)) < 10:
        return
    parts = pairs.split(validation=0.2, test_share=0.2, seed=seed)
    assert sorted(i for part in parts.values() for i in part.tolist()) == list(range(len(sentences)))
    said = {name: {pairs.source[i] for i in part.tolist()} for name, part in parts.items()}
    assert sum(map(len, said.values())) == len(set(sentences))
    again = pairs.split(validation=0.2, test_share=0.2, seed=seed)
    assert all(torch.equal(parts[name], again[name]) for name in parts)
    small = pairs.split(validation=0.2, test_share=0.2, seed=seed, limit=3)
    assert len(small["train"]) <= 3
    assert set(small["train"].tolist()) <= set(parts["train"].tolist())
    assert torch.equal(small["test"], parts["test"])


def test_targets_that_are_known_from_training_are_counted() -> None:
    pairs = Pairs("made", [str(n) for n in range(60)], [str(n // 3) for n in range(60)])
    parts = pairs.split(validation=0.2, test_share=0.2, seed=0)
    known = set(parts["train"].div(3, rounding_mode="floor").tolist())
    wanted = {name: sum(n // 3 in known for n in parts[name].tolist()) / 12 for name in ("valid", "test")}
    assert pairs.known_targets(parts) == wanted
    assert 0 < wanted["test"] < 1


def test_official_parts_stay_and_what_is_missing_is_split_off() -> None:
    texts = [str(n) for n in range(30)]
    pairs = Pairs("made", texts, texts, parts={"train": range(20), "test": range(20, 30)})
    parts = pairs.split(validation=0.1, test_share=0.5, seed=3)
    assert parts["test"].tolist() == list(range(20, 30))
    assert len(parts["valid"]) == 2
    assert sorted([*parts["train"].tolist(), *parts["valid"].tolist()]) == list(range(20))


def test_another_seed_splits_otherwise_and_too_few_are_refused() -> None:
    texts = [str(n) for n in range(100)]
    one, other = (
        Pairs("made", texts, texts).split(validation=0.2, test_share=0.2, seed=seed)["test"] for seed in (0, 1)
    )
    assert not torch.equal(one, other)
    with pytest.raises(DataError, match="part valid is empty"):
        Pairs("made", ["a", "b"], ["c", "d"]).split(validation=0.1, test_share=0.3, seed=0)
    with pytest.raises(DataError, match="not equally many"):
        Pairs("made", ["a"], [])


def test_lines_end_with_line_feeds_alone(tmp_path: Path) -> None:
    text = "\ufeffone\r\ntwo\u2028still two\n\nfour"
    plain = Path(written(tmp_path / "a.txt", text))
    packed = Path(written(tmp_path / "a.gz", gzip.compress(text.encode())))
    assert read_lines(plain, name="it") == ["one", "two\u2028still two", "", "four"] == read_lines(packed, name="it")


def test_a_line_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "a.txt", b"fine\nfine\ncaf\xe9\n"))
    with pytest.raises(DataError, match=r"line 3 of .* is no text in UTF-8: got the byte 0xe9"):
        read_lines(path, name="it")
    with pytest.raises(DataError, match="cannot be read"):
        read_lines(tmp_path / "none.txt", name="it")
    with pytest.raises(DataError, match="damaged or cut short"):
        read_lines(Path(written(tmp_path / "b.gz", gzip.compress(b"x" * 9000)[:-9])), name="it")


def test_two_files_are_read_line_by_line(tmp_path: Path) -> None:
    source = written(tmp_path / "a.en", "one\n\nthree \nfour\n")
    target = written(tmp_path / "a.de", "eins\nzwei\ndrei\n \n")
    pairs = parallel_files(source=source, target=target)
    assert (list(pairs.source), list(pairs.target)) == (["one", "three"], ["eins", "drei"])
    assert pairs.facts["empty"] == 2
    long = written(tmp_path / "b.de", "eins\nzwei\n")
    with pytest.raises(DataError, match=r"equally many lines: expected .*, got 4 in .*a\.en.* and 2 in .*b\.de"):
        parallel_files(source=source, target=long)
    empty = written(tmp_path / "empty", "\n\n\n\n")
    with pytest.raises(DataError, match="hold no pair"):
        parallel_files(source=source, target=empty)


def test_sums_are_right_different_and_made_by_the_seed() -> None:
    for reverse in (False, True):
        sums = addition(digits=2, count=300, seed=4, reverse=reverse)
        assert len(set(sums.source)) == 300
        for given_, result in zip(sums.source, sums.target):
            first, second = given_.removesuffix("=").split("+")
            assert int(first) + int(second) == int(result[::-1] if reverse else result)
        assert len({frozenset(one.removesuffix("=").split("+")) for one in sums.source}) == 300  # 3+4 is 4+3
    assert addition(count=50, seed=1).source == addition(count=50, seed=1).source != addition(count=50, seed=2).source
    for options in ({"digits": 1, "count": 51}, {"digits": 0}, {"digits": 10}, {"count": 0}):
        with pytest.raises(UsageError, match="not so many sums"):
            addition(**options)


def test_a_batch_holds_the_source_the_target_so_far_and_what_follows() -> None:
    source = Ragged([torch.tensor([7, 8, 3]), torch.tensor([9, 3])])
    target = Ragged([torch.tensor([2, 5, 3]), torch.tensor([2, 5, 6, 7, 3])])
    pairs = PairExamples(source, target)
    index = torch.tensor([1, 0])
    batch = pairs.fetch(index, index)
    assert batch.inputs.source.tolist() == [[9, 3, 0], [7, 8, 3]]
    assert batch.inputs.target.tolist() == [[2, 5, 6, 7], [2, 5, 3, 0]]
    assert batch.targets.tolist() == [[5, 6, 7, 3], [5, 3, IGNORED, IGNORED]]
    assert pairs.lengths.tolist() == [3, 4]


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_multi30k_is_whole() -> None:
    pairs = PAIRS.resolve("multi30k")()
    assert {part: len(place) for part, place in pairs.parts.items()} == {"train": 29_000, "valid": 1_014, "test": 1_000}
    first = pairs.parts["test"].start
    assert pairs.source[first] == "A man in an orange hat starring at something."
    assert pairs.target[first] == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."
    french = PAIRS.resolve("multi30k")(source="de", target="fr")
    assert french.source[first] == pairs.target[first]
    with pytest.raises(UsageError, match="another language"):
        PAIRS.resolve("multi30k")(source="de", target="de")


@pytest.mark.real_data
@pytest.mark.skipif(data_folder() is None, reason="real_data: CHAINRULE_DATA is not set")
def test_tatoeba_is_whole() -> None:
    pairs = PAIRS.resolve("tatoeba-eng-fra")()
    assert (len(pairs), len(set(pairs.source))) == (5_000, 2_597)
    assert (pairs.source[0], pairs.target[0]) == ("Go.", "Va !")
    turned = PAIRS.resolve("tatoeba-eng-fra")(source="fra")
    assert (turned.source[0], turned.target[0]) == ("Va !", "Go.")
