"""How much of what was written stands in the references: BLEU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from chainrule.core.errors import DataError, UsageError


@dataclass(frozen=True)
class Bleu:
    """BLEU of a whole corpus.

    Args:
        score: 0 to 100: brevity times the geometric mean of the precisions.
        precisions: Shares of the sequences of 1, 2, 3 and 4 words that stand in a reference, in percent.
        brevity: exp(1 - r/c) where the output (c words) is shorter than the references (r), else 1.
        signature: How it was computed, as SacreBLEU writes it, so that it can be compared.
    """

    score: float
    precisions: tuple[float, ...]
    brevity: float
    signature: str

    @property
    def orders(self) -> tuple[float, ...]:
        """BLEU-1 to BLEU-4: brevity times the geometric mean of the precisions of sequences up to that length."""
        logs = [math.log(share / 100) if share > 0 else -math.inf for share in self.precisions]
        return tuple(100 * self.brevity * math.exp(sum(logs[:n]) / n) for n in range(1, len(logs) + 1))


def bleu(outputs: Sequence[str], references: Sequence[Sequence[str]], *, lower: bool = False) -> Bleu:
    """Return BLEU as SacreBLEU computes it: of text as people write it, cased, with its own division into words.

    Args:
        outputs: What was written, a sentence each.
        references: Of each sentence one or more.
        lower: Whether upper and lower case are one.

    Raises:
        UsageError: The package sacrebleu is not installed, or the references of a sentence are a plain text.
        DataError: There is nothing to measure, or a sentence has no reference.

    Example:
        >>> found = bleu(["the cat sat on the mat"], [["the cat sat on a mat", "the cat is on the mat"]])
        >>> round(found.score, 1), found.brevity
        (70.7, 1.0)
        >>> [round(score, 1) for score in found.orders]
        [100.0, 100.0, 90.9, 70.7]

    Source:
        LECTURES G6. Papineni et al. 2002; Post 2018, A call for clarity in reporting BLEU scores.
    """
    if any(isinstance(one, str) for one in references):
        raise UsageError(
            "the references of a sentence are a list",
            expected="[[reference, ...], ...]: one or more of each sentence",
            got="a plain text",
            remedy="[[text] for text in references] where each sentence has one",
        )
    if not outputs or len(outputs) != len(references) or not all(references):
        raise DataError(
            "BLEU compares sentences with references",
            expected="at least one reference for each of at least one sentence",
            got=f"{len(outputs)} sentences, {sum(map(bool, references))} with references",
        )
    package = require_sacrebleu()
    most = max(map(len, references))
    streams = [[one[number] if number < len(one) else None for one in references] for number in range(most)]
    metric = package.metrics.BLEU(lowercase=lower)
    found = metric.corpus_score(list(outputs), streams)
    return Bleu(float(found.score), tuple(found.precisions), float(found.bp), str(metric.get_signature()))


def require_sacrebleu() -> ModuleType:
    """Return the package, or say how it is got.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import sacrebleu as package
        import sacrebleu.metrics
    except ImportError:
        raise UsageError("BLEU needs the package sacrebleu", remedy="pip install 'chainrule[text]'") from None
    return package
