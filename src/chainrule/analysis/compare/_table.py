"""The formulas that code can be compared with, by name."""

from __future__ import annotations

from chainrule.analysis.compare import slips_activations as activations
from chainrule.analysis.compare import slips_attention as attention
from chainrule.analysis.compare import slips_layers as layers
from chainrule.analysis.compare import slips_losses as losses
from chainrule.analysis.compare import slips_norms as norms
from chainrule.analysis.compare import slips_recurrent as recurrent
from chainrule.analysis.compare import slips_spatial as spatial
from chainrule.analysis.compare import slips_updates as updates
from chainrule.analysis.compare._formula import Formula
from chainrule.analysis.compare._signature import plain
from chainrule.core.errors import UsageError, unknown

_ENDINGS = ("forward", "backward", "naive", "vectorized", "fast", "layer", "fn", "function")


def formulas() -> list[Formula]:
    """All of them, in the order of the lectures' families."""
    families = (layers, activations, losses, spatial, norms, updates, recurrent, attention)
    return [formula for family in families for formula in family.FORMULAS]


def formula_named(name: str) -> Formula:
    """Find a formula by its own name or the courses': `conv`, `conv_forward_naive`, `batchnorm`.

    Raises:
        UsageError: There is none of that name.

    Example:
        >>> formula_named("batchnorm_forward").name
        'batch_norm'
    """
    known = {plain(word): formula for formula in formulas() for word in (*formula.words, formula.name)}
    word = plain(name)
    while word not in known:
        ending = next((e for e in _ENDINGS if word.endswith(e) and word != e), None)
        if ending is None:
            remedy = unknown("formula", name, [formula.name for formula in formulas()])
            raise UsageError(f'there is no formula "{name}" to compare with', remedy=remedy)
        word = word.removesuffix(ending)
    return known[word]
