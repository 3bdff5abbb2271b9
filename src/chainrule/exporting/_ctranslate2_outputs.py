"""What CTranslate2 makes of a network beside what the network itself answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError
from chainrule.core.paths import shown
from chainrule.core.sections import Decode
from chainrule.data.lines import read_lines
from chainrule.data.tokenizers import END
from chainrule.exporting._export import Sample
from chainrule.tasks.runs._run import Run
from chainrule.tasks.translate import Translated, Translation, translate
from chainrule.tasks.translate._attention import written
from chainrule.tasks.translate._decode import GROUP
from chainrule.tasks.translate._tokens import Tokens


@dataclass(frozen=True)
class Sentences:
    """What two engines translate.

    Args:
        texts: Different sentences.
        references: The translation of each in the data; none for sentences of a file.
        why: Why there are no sentences, where there are none.
    """

    texts: Sequence[str] = ()
    references: Sequence[str] | None = None
    why: str = ""


@dataclass(frozen=True)
class Compared:
    """How two engines answer the same sentences.

    Args:
        sentences: How many.
        equal: Share of them whose translations are the same text.
        beam: Hypotheses that both followed.
        tokens: Tokens of translations, with their ends, of which both tell log p: the references, or what we translate.
        difference: The most by which both differ in log p of one of these tokens, given the sentence and those before.
        computed: The numbers that CTranslate2 computed in on this machine, which need not have all that weights have.
    """

    TOLERANCE: ClassVar[float] = 1e-3
    """Of `difference`, where both compute in float32."""

    sentences: int
    equal: float
    beam: int
    tokens: int
    difference: float
    computed: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def said(self) -> tuple[str, ...]:
        """Return the same for a reader."""
        return (
            f"compared on {self.sentences:,} sentences: {self.equal:.1%} of the translations are equal, "
            f"by a beam of {self.beam}; CTranslate2 computed in {self.computed}",
            f"log p of {self.tokens:,} tokens, each given those before it, differs by {self.difference:.2g} at most",
        )


def sentences(run: Run, tokens: Tokens, sample: Sample) -> Sentences:
    """Return the sentences that both engines translate.

    Args:
        run: Of a translator.
        tokens: Its tokenizers.
        sample: Where the sentences stand, and how many.

    Raises:
        DataError: A file cannot be read, or holds no sentence.
    """
    if not sample.count:
        return Sentences(why="no sentences were asked for")
    if sample.file is not None:
        lines = dict.fromkeys(read_lines(sample.file, name="the sentences to compare on"))
        texts = [text for text in lines if len(tokens.source.encode(text))][: sample.count]
        if not texts:
            raise DataError(f"{shown(sample.file)} holds no sentence", expected="a sentence a line")
        return Sentences(texts)
    try:
        job = run.job()
    except DataError as error:
        return Sentences(why=f"the data of the run are not there: {error.what}")
    assert isinstance(job, Translation)
    found: dict[str, str] = {}
    for text, reference in zip(*job.texts("valid" if "valid" in job.parts else "test")):
        if len(found) < sample.count and len(tokens.source.encode(text)):
            found.setdefault(text, reference)
    return Sentences(list(found), list(found.values()), "" if found else "the sentences of the data have no tokens")


def compared(
    translator: Any, model: nn.Module, tokens: Tokens, given: Sentences, how: Decode, search: Mapping[str, Any]
) -> Compared:
    """Translate sentences with both engines, and let both tell log p of tokens that are given.

    Args:
        translator: A `ctranslate2.Translator`.
        model: The network of the run.
        tokens: Its tokenizers.
        given: The sentences.
        how: Search of the recipe.
        search: The same for `translate_batch`.

    Raises:
        DataError: The network knows nothing of any sentence.
    """
    texts = given.texts
    ours = translate(model, tokens, texts, how)
    sources = [[tokens.source.vocabulary.tokens[i] for i in tokens.source.encode(text).tolist()] for text in texts]
    theirs = translator.translate_batch(sources, max_batch_size=GROUP, **search)
    outputs = [target_text(tokens, one.hypotheses[0]) for one in theirs]
    forced = [_ended(one) for one in ours] if given.references is None else _right(ours, given.references, tokens)
    scored = translator.score_batch(
        [source[: tokens.length] for source in sources],
        [[tokens.target.vocabulary.tokens[i] for i in one.tokens[:-1]] for one in forced],
        max_batch_size=GROUP,
        max_input_length=0,
    )
    differences = torch.cat(
        [torch.tensor(found.log_probs) - log_p(model, tokens, one) for found, one in zip(scored, forced)]
    )
    return Compared(
        len(texts),
        sum(one.output == output for one, output in zip(ours, outputs)) / len(texts),
        how.beam,
        len(differences),
        float(differences.abs().max()),
        translator.compute_type,
    )


def target_text(tokens: Tokens, found: Sequence[str]) -> str:
    """Return the text of tokens as CTranslate2 writes them."""
    return tokens.target.decode(tokens.target.vocabulary[token] for token in found).strip()


def log_p(model: nn.Module, tokens: Tokens, one: Translated) -> Tensor:
    """Return log p of each token of a translation, given the sentence and the tokens before, (T,)."""
    with torch.inference_mode():
        scores, _ = model(*written(model, tokens, one).inputs)
    return torch.log_softmax(scores[0].float(), dim=1)[torch.arange(len(one.tokens)), torch.tensor(one.tokens)]


def _ended(one: Translated) -> Translated:
    """The translation with an end: CTranslate2 scores no other. Of one that is too long to have it, its last token."""
    return one if one.ended else replace(one, tokens=(*one.tokens[:-1], END))


def _right(ours: Sequence[Translated], references: Sequence[str], tokens: Tokens) -> list[Translated]:
    """The sentences with their translations in the data, and the end."""
    rows, _ = tokens.targets(references)
    return [replace(one, tokens=tuple(rows[number][1:].tolist())) for number, one in enumerate(ours)]
