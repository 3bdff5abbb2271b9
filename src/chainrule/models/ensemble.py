"""Ensembles: several networks that answer together.

What a combination gives are scores again, the logarithms of its probabilities, so that an ensemble can stand wherever a
network does.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chainrule.core.errors import UsageError
from chainrule.runtime.rng import derive, keys, uniform

Combine = Callable[[Tensor], Tensor]
"""Scores of the members (M, N, K) -> scores (N, K), logarithms of probabilities."""


@runtime_checkable
class Several(Protocol):
    """What a network offers in which several answer: members of an ensemble, heads of a trunk."""

    combine: Combine

    def each(self, inputs: Tensor) -> Tensor:
        """Return the scores of each, (M, N, K)."""
        ...


def log_mean_probability(scores: Float[Tensor, "m n k"]) -> Float[Tensor, "n k"]:
    """Return log p(y|x), p = 1/M sum_m p_m: the mean of the members' probabilities, computed in logarithms.

    Args:
        scores: Of each member; softmax makes them probabilities.

    Example:
        >>> scores = torch.tensor([[[0.9, 0.1]], [[0.4, 0.6]]]).log()
        >>> log_mean_probability(scores).exp()
        tensor([[0.6500, 0.3500]])

    Source:
        LECTURES B14.
    """
    wide = scores if scores.dtype == torch.float64 else scores.float()
    return torch.logsumexp(torch.log_softmax(wide, dim=2), dim=0) - math.log(len(scores))


def log_votes(scores: Float[Tensor, "m n k"]) -> Float[Tensor, "n k"]:
    """Return log p, p = (votes + mean probability) / (M + 1): each member votes for its most probable class.

    The one vote more, divided as the mean probability is, decides between classes with as many votes and never against
    the majority; and a class that nobody votes for is not ruled out.

    Args:
        scores: Of each member.

    Example:
        >>> scores = torch.tensor([[[0.9, 0.1]], [[0.4, 0.6]], [[0.4, 0.6]]]).log()
        >>> log_votes(scores).exp()
        tensor([[0.3917, 0.6083]])

    Source:
        LECTURES B14.
    """
    count, _, classes = scores.shape
    votes = nn.functional.one_hot(scores.argmax(dim=2), classes).sum(dim=0)  # (N, K)
    return ((votes + log_mean_probability(scores).exp()) / (count + 1)).log()


COMBINATIONS: Mapping[str, Combine] = {"mean": log_mean_probability, "vote": log_votes}
"""How the answers of members become one."""


class Ensemble(nn.Module):
    """Networks that answer together.

    Args:
        members: At least one; they are given the same inputs.
        combine: How their scores become one.

    Raises:
        UsageError: There are no members.

    Example:
        >>> members = [nn.Linear(4, 3) for _ in range(5)]
        >>> scores = Ensemble(members)(torch.randn(2, 4))
        >>> torch.allclose(scores.exp().sum(1), torch.ones(2))
        True

    Source:
        LECTURES B14.
    """

    def __init__(self, members: Sequence[nn.Module], combine: Combine = log_mean_probability) -> None:
        super().__init__()
        if not members:
            raise UsageError("an ensemble has members", expected="at least one", got=0)
        self.members, self.combine = nn.ModuleList(members), combine

    def each(self, inputs: Tensor) -> Tensor:
        """Return the scores of each member, (M, N, K)."""
        return torch.stack([member(inputs) for member in self.members])

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logarithms of the probabilities, (N, K)."""
        return self.combine(self.each(inputs))


def average_weights(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return w = 1/M sum_m w_m of each parameter and buffer; of whole numbers, such as counts of batches, the last.

    Sensible where the networks stem from one trajectory: two that were trained apart hold the same features in another
    order, and the mean of both is neither. The statistics of batch normalization must be measured anew
    (`chainrule.nn.recalibrate`).

    Args:
        weights: State dictionaries of one network.

    Raises:
        UsageError: There are none, or they are of different networks.

    Example:
        >>> average_weights([{"w": torch.tensor([1.0])}, {"w": torch.tensor([4.0])}])
        {'w': tensor([2.5000])}

    Source:
        LECTURES B14. Izmailov et al. 2018 (stochastic weight averaging).
    """
    if not weights:
        raise UsageError("an average is one of some weights", expected="at least one network", got=0)
    last = weights[-1]
    shapes = [{name: tuple(value.shape) for name, value in one.items()} for one in weights]
    if any(one != shapes[-1] for one in shapes):
        raise UsageError("average: these are the weights of different networks", expected="equal names and shapes")
    return {
        name: torch.stack([one[name].double() for one in weights]).mean(dim=0).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for name, value in last.items()
    }


class FixedDropout(nn.Module):
    """Inverted dropout that always drops the same: x m / (1 - p), with m a function of a key and of the place.

    All examples have the same mask, so a network with it is one thinned network, and its answer to an example does not
    depend on the others.

    Args:
        p: Probability of dropping, in [0, 1).
        key: What is drawn.
        channels: Whether whole channels are dropped.

    Source:
        LECTURES C7, B14.
    """

    def __init__(self, p: float, key: int, *, channels: bool = False) -> None:
        super().__init__()
        self.p, self.key, self.channels = p, key, channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the thinned (N, ...)."""
        shape = (x.shape[1], *(1 for _ in x.shape[2:])) if self.channels else tuple(x.shape[1:])
        key = keys(self.key, 0, torch.zeros(1, dtype=torch.int64), "dropout")
        kept = (uniform(key, "mask", shape) >= self.p).to(x.device, x.dtype)  # (1, ...)
        return x * kept / (1 - self.p)


_OF_PLACES, _OF_CHANNELS = (nn.Dropout,), (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def thinned(model: nn.Module, count: int, *, seed: int = 0) -> list[nn.Module]:
    """Return networks that dropout makes of one, each with a mask that stays: dropout as an implicit ensemble.

    They share its weights. All else is in evaluation mode, batch normalization too. Dropout inside a fused attention or
    recurrent layer is not seen and stays off.

    Args:
        model: A network with dropout layers.
        count: How many, at least 1.
        seed: Of the masks.

    Raises:
        UsageError: It has no dropout layer that drops, or no network is asked for.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5), nn.Linear(50, 3))
        >>> x = torch.randn(2, 4)
        >>> first, second = thinned(model, 2)
        >>> bool((first(x) == first(x)).all()), bool((first(x) == second(x)).any())
        (True, False)

    Source:
        LECTURES B14, C7. Gal and Ghahramani 2016 (Monte Carlo dropout).
    """
    if count < 1:
        raise UsageError("dropout samples are networks that answer", expected="1 or more", got=count)
    found = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, _OF_PLACES + _OF_CHANNELS) and layer.p
    ]
    if not found:
        raise UsageError(f"{type(model).__name__} has no dropout to keep on", expected="a network with dropout layers")
    networks = []
    for number in range(count):
        shared = {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())}
        twin = copy.deepcopy(model, shared)
        for name, layer in found:
            key = derive(seed, "thinned", number, name)
            twin.set_submodule(name, FixedDropout(layer.p, key, channels=isinstance(layer, _OF_CHANNELS)))
        networks.append(twin.eval())
    return networks
