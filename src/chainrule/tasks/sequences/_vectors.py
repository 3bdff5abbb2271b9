"""Vectors of words: put into a network before it learns, and taken out of one that has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import DataError, RecipeError, UsageError
from chainrule.core.paths import shown
from chainrule.core.sections import WordModel
from chainrule.data.embeddings import WordVectors, read_vectors
from chainrule.data.tokenizers import END, Vocabulary

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run


def embedding_weight(network: nn.Module, vocabulary: int) -> Tensor | None:
    """Return the weights (V, D) of the embedding of a network: the first that has a row for each token."""
    for module in network.modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.num_embeddings == vocabulary:
            return module.weight
    return None


def load_vectors(model: WordModel, network: nn.Module, vocabulary: Vocabulary) -> dict[str, Any]:
    """Put the vectors that a recipe names into the embedding of its network.

    A word that is not in the file, also not in lower case, keeps what the network drew for it.

    Args:
        model: The section of the recipe.
        network: Changed in place.
        vocabulary: Which tokens its embedding is of.

    Returns:
        What became of it, `{"words found": share, "words": how many there are}`; empty where no vectors are named.

    Raises:
        RecipeError: The network has no such embedding, or one of another size.
        DataError: The file is damaged, or knows none of the words.
    """
    if model.vectors is None:
        return {}
    weight = embedding_weight(network, len(vocabulary))
    if weight is None:
        raise RecipeError(
            f"model.vectors: the network {model.name} has no embedding to put them into",
            expected=f"an nn.Embedding of {len(vocabulary)} tokens",
        )
    tokens = vocabulary.tokens[END + 1 :]
    found = read_vectors(model.vectors, wanted={*tokens, *(token.lower() for token in tokens)})
    if found.dim != weight.shape[1]:
        raise RecipeError(
            "model.vectors: the file has vectors of another size than the network",
            expected=f"{weight.shape[1]} numbers",
            got=f"{found.dim} in {shown(model.vectors)}",
            remedy=f"an embedding of {found.dim}: `chainrule models {model.name}` shows the option",
        )
    places = [place for place, token in enumerate(tokens, END + 1) if token in found or token.lower() in found]
    if not places:
        raise DataError(
            f"model.vectors: {shown(model.vectors)} knows none of the {len(tokens):,} words of the vocabulary",
            remedy="vectors of words go with data.tokenizer: words",
        )
    with torch.no_grad():
        rows = torch.stack([found[vocabulary.tokens[place]] for place in places])
        weight[torch.tensor(places)] = rows.to(weight)
    share = len(places) / len(tokens)
    return {"words found": round(share, 4), "words": len(tokens)}


def learned_vectors(run: Run, module: nn.Module | None = None) -> WordVectors:
    """Return the vectors of a run's words; see `Run.vectors`."""
    from chainrule.tasks.sequences._tokenizer import stored_tokenizer

    if "tokenizer" not in run.processing:
        raise UsageError(f"{run.path} knows no words", got=f"a run of the task {run.recipe.task}")
    vocabulary = stored_tokenizer(run.processing).vocabulary
    return vectors_of(run.model(module), vocabulary)


def vectors_of(network: nn.Module, vocabulary: Vocabulary) -> WordVectors:
    """Return the vectors that a network has for the words of its vocabulary; not of the special tokens.

    Raises:
        UsageError: It has no embedding.
    """
    weight = embedding_weight(network, len(vocabulary))
    if weight is None:
        raise UsageError("the network has no vectors of words", expected=f"an nn.Embedding of {len(vocabulary)} tokens")
    ordinary = list(vocabulary.ordinary)
    words = tuple(vocabulary.tokens[place] for place in ordinary)
    return WordVectors(words, weight.detach()[ordinary].float().contiguous())
