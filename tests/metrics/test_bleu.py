"""BLEU against its definition, computed here."""

from __future__ import annotations

import builtins
import math
from collections import Counter
from typing import Any

import pytest

from chainrule.core.errors import DataError, UsageError
from chainrule.metrics import bleu


def by_hand(outputs: list[str], references: list[list[str]]) -> float:
    """Papineni et al. 2002, of texts whose words are divided by single spaces."""
    right, total, long, short = [0] * 4, [0] * 4, 0, 0
    for output, several in zip(outputs, references):
        words, others = output.split(), [one.split() for one in several]
        long += len(words)
        short += min((abs(len(one) - len(words)), len(one)) for one in others)[1]
        for n in range(1, 5):

            def pieces(text: list[str], n: int = n) -> Counter[tuple[str, ...]]:
                return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))

            most: Counter[tuple[str, ...]] = Counter()
            for one in others:
                most |= pieces(one)
            right[n - 1] += sum((pieces(words) & most).values())
            total[n - 1] += max(0, len(words) - n + 1)
    brevity = 1.0 if long >= short else math.exp(1 - short / long)
    return 100 * brevity * math.exp(sum(math.log(r / t) for r, t in zip(right, total)) / 4)


OUTPUTS = ["the cat sat on the mat today", "a dog runs over the green field", "two men talk"]
REFERENCES = [
    ["the cat sat on a mat today", "today the cat is on the mat"],
    ["the dog runs over the green field quickly"],
    ["two men are talking to each other"],
]


def test_it_is_the_definition() -> None:
    found = bleu(OUTPUTS, REFERENCES)
    assert found.score == pytest.approx(by_hand(OUTPUTS, REFERENCES), abs=1e-9)
    assert found.brevity < 1
    assert "tok:13a" in found.signature
    assert "case:mixed" in found.signature
    assert bleu([one[0] for one in REFERENCES], REFERENCES).score == pytest.approx(100)


def test_orders_are_those_of_sacrebleu() -> None:
    """Some of the sequences of four words stand in no reference: precisions are smoothed as the package does it."""
    import sacrebleu

    for outputs in (OUTPUTS, ["the cat sat", "a dog", "two men talk"]):
        found = bleu(outputs, REFERENCES)
        streams = [[one[number] if number < len(one) else None for one in REFERENCES] for number in range(2)]
        wanted = [sacrebleu.metrics.BLEU(max_ngram_order=n).corpus_score(outputs, streams).score for n in range(1, 5)]
        assert found.orders == pytest.approx(wanted, abs=1e-9)
        assert found.orders[3] == pytest.approx(found.score, abs=1e-9)
    assert bleu(["x y"], [["a b"]]).orders[0] < 100


def test_case_counts_unless_it_is_asked_otherwise() -> None:
    loud = [one.upper() for one in OUTPUTS]
    assert bleu(loud, REFERENCES).score < 1
    assert bleu(loud, REFERENCES, lower=True).score == pytest.approx(bleu(OUTPUTS, REFERENCES).score)


@pytest.mark.parametrize(("outputs", "references"), [([], []), (["a"], []), (["a"], [[]])])
def test_what_cannot_be_compared_is_refused(outputs: list[str], references: list[list[str]]) -> None:
    with pytest.raises(DataError, match="BLEU compares"):
        bleu(outputs, references)


def test_references_that_are_a_plain_text_are_not_read_letter_by_letter() -> None:
    for references in ("abc", ["the cat", "a dog", "two"], [["the cat"], "a dog", ["two"]]):
        with pytest.raises(UsageError, match=r"references of a sentence are a list.*Remedy: \[\[text\] for text"):
            bleu(OUTPUTS, references)  # type: ignore[arg-type]


def test_without_the_package_it_says_how_it_is_got(monkeypatch: pytest.MonkeyPatch) -> None:
    true = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("sacrebleu"):
            raise ImportError(name)
        return true(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"needs the package sacrebleu. Remedy: pip install 'chainrule\[text\]'"):
        bleu(OUTPUTS, REFERENCES)
