"""Translating transformers for CTranslate2, an engine that runs them fast and in small numbers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from chainrule.core.errors import UsageError, unknown
from chainrule.core.recipe import TranslateRecipe
from chainrule.core.store import write_file
from chainrule.exporting._ctranslate2_outputs import compared, sentences
from chainrule.exporting._ctranslate2_weights import ctranslate2_spec
from chainrule.exporting._export import Outcome, Sample
from chainrule.tasks.runs._run import Run
from chainrule.tasks.translate._decode import NEVER
from chainrule.tasks.translate._tokens import Tokens

PLACES = 1024
"""Positions of a table that is computed, at least: as many tokens as CTranslate2 reads where nothing else is said."""
EXACT = "float32"
"""The numbers that the run itself computes in."""
README = """\
The run {name} for CTranslate2 {version}, weights in {quantization}, written by `chainrule export`.

model.bin, config.json and the vocabularies are CTranslate2's; how a text becomes tokens stands in {tokenizers}.
In this folder, in Python (pip install chainrule ctranslate2), this translates a line:

    import pathlib
    import ctranslate2
    from chainrule.data.tokenizers import read_tokenizer

    source = read_tokenizer(pathlib.Path("{source}").read_text(encoding="utf-8"))
    target = read_tokenizer(pathlib.Path("{target}").read_text(encoding="utf-8"))
    translator = ctranslate2.Translator(".")
    tokens = [source.vocabulary.tokens[token] for token in source.encode(input())]
    found = translator.translate_batch(
        [tokens],
{options}
    )
    print(target.decode(target.vocabulary[token] for token in found[0].hypotheses[0]))

The options are the search of the run's recipe. Tokens of byte pairs are read by the package tokenizers as well.
"""


def ctranslate2(run: Run, model: nn.Module, folder: Path, sample: Sample, *, quantization: str = EXACT) -> Outcome:
    """Write a folder that `ctranslate2.Translator` opens, with the tokenizers, and compare the translations.

    Args:
        run: Of a transformer that translates.
        model: Its network.
        folder: Empty.
        sample: Sentences that both translate.
        quantization: Numbers of the weights, as CTranslate2 names them: float32, float16, bfloat16, int16, int8,
            int8_float32, int8_float16, int8_bfloat16.

    Raises:
        UsageError: CTranslate2 is not installed, has no such network, or no such numbers.
        DataError: The sentences cannot be read, or the network knows nothing of them.

    Source:
        LECTURES H5, H6, H9; Klein et al. 2020, The OpenNMT neural machine translation toolkit.
    """
    package = require_ctranslate2()
    known = package.specs.model_spec.ACCEPTED_MODEL_TYPES
    if quantization not in known:
        raise UsageError(
            f'ctranslate2 has no quantization "{quantization}"', remedy=unknown("quantization", quantization, known)
        )
    if not isinstance(run.recipe, TranslateRecipe):
        raise UsageError("ctranslate2 runs translating transformers alone", got=f"a run of the task {run.recipe.task}")
    recipe, tokens = run.recipe, Tokens.stored(run.recipe, run.processing)
    spec = ctranslate2_spec(package, model, tokens, places=max(PLACES, recipe.data.length, recipe.decode.length) + 1)
    given = sentences(run, tokens, sample)
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    search = search_options(recipe, tokens)
    _write_rest(folder, run, tokens, package.__version__, quantization, search)
    facts: dict[str, Any] = {"quantization": quantization, "version": package.__version__, "search": search}
    if not given.texts:
        return Outcome({**facts, "compared": None, "why": given.why}, (f"not compared: {given.why}",))
    with _warnings_off(package):  # of numbers that this machine computes in otherwise, which is told
        translator = package.Translator(str(folder))
    found = compared(translator, model, tokens, given, recipe.decode, search)
    agrees = quantization != EXACT or found.difference <= found.TOLERANCE
    return Outcome({**facts, "compared": found.as_dict()}, found.said(), agrees)


def require_ctranslate2() -> ModuleType:
    """Return the package, or say how it is got.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import ctranslate2 as package
        import ctranslate2.specs
    except ImportError:
        raise UsageError(
            "this export needs the package ctranslate2", remedy="pip install 'chainrule[export]'"
        ) from None
    return package


@contextlib.contextmanager
def _warnings_off(package: Any) -> Iterator[None]:
    before = package.get_log_level()
    package.set_log_level(logging.ERROR)
    try:
        yield
    finally:
        package.set_log_level(before)


def search_options(recipe: TranslateRecipe, tokens: Tokens) -> dict[str, Any]:
    """Return the options of `ctranslate2.Translator.translate_batch` that are the search of a recipe.

    Its scores are sums of log p over length^alpha too. The end counts as a token there where it is returned. It takes
    forbidden tokens out before the softmax, we do after it; and where no more tokens may be written it compares
    hypotheses that have ended with those that have not.

    Source:
        LECTURES G7.
    """
    how = recipe.decode
    return {
        "beam_size": how.beam,
        "length_penalty": how.length_exponent,
        "no_repeat_ngram_size": how.no_repeat,
        "max_input_length": recipe.data.length + 1,  # with the end
        "max_decoding_length": how.length,
        "min_decoding_length": 0,
        "suppress_sequences": [[tokens.target.vocabulary.tokens[token]] for token in NEVER],
        "return_end_token": True,
    }


def _write_rest(
    folder: Path,
    run: Run,
    tokens: Tokens,
    version: str,
    quantization: str,
    search: Mapping[str, Any],
) -> None:
    """Write the tokenizers and what to do with the folder."""
    names = ["tokenizer.json"] if tokens.joint else ["source_tokenizer.json", "target_tokenizer.json"]
    for name, text in zip(names, tokens.to_data()):
        write_file(folder / name, text)
    readme = README.format(
        name=run.path.resolve().name,
        version=version,
        quantization=quantization,
        tokenizers=" and ".join(names),
        source=names[0],
        target=names[-1],
        options="\n".join(f"        {name}={value!r}," for name, value in search.items()),
    )
    write_file(folder / "README.txt", readme)
