"""Text that a trained network writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from chainrule.core.errors import DataError
from chainrule.core.recipe import LanguageRecipe
from chainrule.data.tokenizers import END, PADDING, START, UNKNOWN, Tokenizer
from chainrule.decoding import Sampling, sample
from chainrule.nn import packed_weights
from chainrule.tasks.sequences._tokenizer import stored_tokenizer

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def generate(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompt: str,
    length: int,
    how: Sampling,
    *,
    seed: int,
    reach: int | None = None,
) -> Iterator[str]:
    """Yield what the network writes after a prompt, as soon as it is written.

    A network has seen few texts begin, but many lines: as one of those it reads the prompt, after a line break.

    Args:
        model: In evaluation mode.
        tokenizer: Of its run.
        prompt: What the text begins with.
        length: Tokens that are written.
        how: Temperature, top-k, top-p.
        seed: Of what is drawn.
        reach: How many tokens the network has learned to see at once, if it carries no state on.

    Raises:
        DataError: No token of the prompt is known.

    Source:
        LECTURES G4.
    """
    tokens = line_of(tokenizer, prompt)
    generator = torch.Generator().manual_seed(seed)
    drawn: list[int] = []
    told = ""
    special = (PADDING, UNKNOWN, START, END)
    asked = tokens.unsqueeze(0)
    for token in sample(model, asked, length, how, generator=generator, forbidden=special, reach=reach):
        drawn.append(int(token))
        text = tokenizer.decode(drawn)
        if text.startswith(told) and not text.endswith("\ufffd"):  # a character may take several tokens
            yield text[len(told) :]
            told = text


def line_of(tokenizer: Tokenizer, prompt: str) -> Int64[Tensor, " n"]:
    """Return the tokens of a prompt with a line break before it: its own, or one more where the vocabulary has any.

    Raises:
        DataError: No token of the prompt is known.

    Example:
        >>> from chainrule.data.tokenizers._characters import characters
        >>> lines, words = characters(["to be\\nor not"]), characters(["to be or not"])
        >>> lines.decode(line_of(lines, "to")), words.decode(line_of(words, "to"))
        ('\\nto', 'to')
    """
    tokens = known_tokens(tokenizer, prompt)
    has_lines = bool((tokenizer.encode("\n") != UNKNOWN).any())
    return tokenizer.encode("\n" + prompt) if has_lines and not prompt.startswith("\n") else tokens


def known_tokens(tokenizer: Tokenizer, text: str) -> Int64[Tensor, " n"]:
    """Return the tokens of a text.

    Raises:
        DataError: None of them is known.
    """
    tokens = tokenizer.encode(text)
    if not bool((tokens != UNKNOWN).any()):
        raise DataError(
            "the network knows nothing of the prompt" if text else "the prompt is empty",
            expected="at least one token of its vocabulary",
            got=repr(text[:40]),
        )
    return tokens


def written(
    run: Run,
    prompt: str,
    *,
    length: int | None,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    module: nn.Module | None,
    int8: bool,
) -> Iterator[str]:
    """Yield what the network of a run writes; see `Run.generate`."""
    assert isinstance(run.recipe, LanguageRecipe)
    usual = run.recipe.generate
    how = Sampling(
        usual.temperature if temperature is None else temperature,
        usual.top_k if top_k is None else top_k,
        usual.top_p if top_p is None else top_p,
    )
    tokenizer = stored_tokenizer(run.processing)
    reach = None if run.recipe.data.order == "lanes" else run.recipe.data.length
    count = usual.length if length is None else length
    model = packed_weights(run.model(module, int8=int8))
    return generate(model, tokenizer, prompt or "\n", count, how, seed=seed, reach=reach)
