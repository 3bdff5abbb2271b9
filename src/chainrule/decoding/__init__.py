"""Writing with a network: the next token, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.decoding._beam import WHY as WHY
    from chainrule.decoding._beam import Beam as Beam
    from chainrule.decoding._beam import Candidate as Candidate
    from chainrule.decoding._beam import Found as Found
    from chainrule.decoding._beam import beam_search as beam_search
    from chainrule.decoding._sample import Sampling as Sampling
    from chainrule.decoding._sample import next_probabilities as next_probabilities
    from chainrule.decoding._sample import sample as sample

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "WHY": "_beam",
        "Beam": "_beam",
        "Candidate": "_beam",
        "Found": "_beam",
        "Sampling": "_sample",
        "beam_search": "_beam",
        "next_probabilities": "_sample",
        "sample": "_sample",
    },
)
