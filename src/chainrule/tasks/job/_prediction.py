"""What a trained network answers to one picture or text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Neighbor:
    """A training example that is near to a picture.

    Args:
        index: Its position in the training part.
        label: Its class.
        distance: From the picture: between pixels of 0..255 where they are of 8 bits, else between the numbers that the
            network is given.
        votes: Whether it is among the k that vote.
        source: Its file, if the data are files and there.
    """

    index: int
    label: str
    distance: float
    votes: bool
    source: str | None = None


@dataclass(frozen=True)
class Prediction:
    """The network's answer for one picture or text.

    Args:
        source: Its file, or the text.
        label: The most probable class.
        probability: Its probability.
        top: The most probable classes with their probabilities, best first.
        neighbors: By nearest neighbors: the training examples that voted, and at least five, the nearest first.
    """

    source: str
    label: str
    probability: float
    top: Sequence[tuple[str, float]]
    neighbors: Sequence[Neighbor] = ()
