"""What inputs tell of targets: linear fits, neighbours, and the same beside targets that were shuffled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.diagnosis.doctor.checks.data._facts import Fed, class_targets, columns

MOST = 1200
"""Examples that are looked at."""
FEWEST = 60
"""Examples that are needed."""
DRAWS = 24
"""Times that targets are shuffled."""
RELATED = 5.0
"""Standard deviations above what shuffled targets give, from which inputs tell of targets."""


def standardized(table: Tensor) -> Tensor:
    """Each column with mean 0 and spread 1, (N, D); one that never changes is 0."""
    spread = table.std(0)
    return (table - table.mean(0)) / torch.where(spread > 1e-9, spread, torch.ones_like(spread))


def r_squared(table: Tensor, target: Tensor) -> float:
    """The share of a target's variance that columns (N, D) explain linearly; 0 of one that never changes."""
    table, target = table.double(), target.double()
    design = torch.cat([torch.ones(len(table), 1, dtype=torch.double), table], 1)
    rest = target - (design @ torch.linalg.lstsq(design, target[:, None]).solution)[:, 0]
    total = float((target - target.mean()).square().sum())
    return 1 - float(rest.square().sum()) / total if total > 0 else 0.0


def neighbours(features: Tensor) -> Tensor:
    """The matrix that answers each example by the mean of its five neighbours, (N, N)."""
    distance = torch.cdist(features.float(), features.float())
    distance.fill_diagonal_(torch.inf)
    near = distance.topk(5, largest=False).indices
    return torch.zeros(len(features), len(features), dtype=torch.double).scatter_(1, near, 0.2)


def linear(features: Tensor) -> Tensor:
    """The matrix that answers each example by a ridge fit to all others, (N, N)."""
    kernel = (features.double() @ features.double().T) / features.shape[1]
    strength = 0.1 * float(kernel.diagonal().mean()) + 1e-9
    identity = torch.eye(len(kernel), dtype=torch.double)
    hat = torch.linalg.solve(kernel + strength * identity, kernel)
    leverage = hat.diagonal().clamp_max(0.999)
    return (hat - torch.diag(leverage)) / (1 - leverage)[:, None]


def agreement(fit: Tensor, wanted: Tensor) -> float:
    """The correlation of answers and targets."""
    answered = fit @ wanted
    return float((answered * wanted).sum() / (answered.norm() * wanted.norm()).clamp_min(1e-12))


@dataclass(frozen=True)
class Relation:
    """Inputs and targets, and what the ones tell of the others.

    Args:
        fits: Matrices that answer each of the chosen examples without itself, (n, n).
        wanted: The targets of all examples as numbers of mean zero, (N, K).
        chosen: Which of them are looked at, (n,).
        chance: Mean and spread of each fit's agreement with shuffled targets.
    """

    fits: tuple[Tensor, ...]
    wanted: Tensor
    chosen: Tensor
    chance: tuple[tuple[float, float], ...]

    def told(self, order: Tensor | None = None) -> float:
        """How much more inputs tell of targets than of shuffled ones, in standard deviations; the better fit's.

        Args:
            order: For each input the place of the target that it is given instead of its own, (N,).
        """
        given = self.wanted[self.chosen if order is None else order[self.chosen]]
        found = zip(self.fits, self.chance)
        return max((agreement(fit, given) - mean) / max(spread, 1e-9) for fit, (mean, spread) in found)


def relation(fed: Fed) -> Relation | None:
    """Five neighbours and a linear fit of examples; None where nothing can be said of them.

    Of many examples some are drawn at random: they may lie in an order.
    """
    wanted = _as_numbers(fed)
    if wanted is None or len(wanted) < FEWEST or not bool(fed.inputs.isfinite().all()):
        return None
    generator = torch.Generator().manual_seed(0)
    chosen = torch.arange(len(wanted))
    if len(chosen) > MOST:
        chosen = torch.randperm(len(wanted), generator=generator)[:MOST]
    features = _features(fed.inputs[chosen])
    fits, given = (neighbours(features), linear(features)), wanted[chosen]
    shuffled = [given[torch.randperm(len(given), generator=generator)] for _ in range(DRAWS)]
    drawn = [torch.tensor([agreement(fit, each) for each in shuffled]) for fit in fits]
    return Relation(fits, wanted, chosen, tuple((float(d.mean()), float(d.std())) for d in drawn))


def related(fed: Fed) -> float | None:
    """How much more inputs tell of targets than of shuffled ones, in standard deviations; None where it cannot be told.

    Example:
        >>> x = torch.arange(100.0)[:, None]
        >>> related(Fed(x, (x / 10).sin())) > RELATED
        True
    """
    found = relation(fed)
    return None if found is None else found.told()


def _as_numbers(fed: Fed) -> Tensor | None:
    """Targets as numbers (N, K) of mean zero: of classes one column for each."""
    if fed.targets is None or not fed.paired:
        return None
    labels = class_targets(fed)
    if labels is not None:
        kinds, places = labels.unique(return_inverse=True)
        if int(labels.min()) < 0 or not 2 <= len(kinds) <= len(labels) // 4:
            return None
        wanted = torch.nn.functional.one_hot(places).double()
    elif fed.targets.is_floating_point() and fed.targets[0].numel() <= 64 and bool(fed.targets.isfinite().all()):
        wanted = fed.targets.reshape(len(fed.targets), -1).double()
    else:
        return None
    return wanted - wanted.mean(0)


def _features(inputs: Tensor) -> Tensor:
    """Scaled columns; of tokens how often each stands in the example."""
    if not inputs.is_floating_point() and inputs.ndim == 2:
        size = int(inputs.max()) + 1
        if int(inputs.min()) >= 0 and 8 < size <= 50_000:
            counts = torch.zeros(len(inputs), size).scatter_add_(1, inputs.long(), torch.ones(inputs.shape))
            kept = (counts > 0).sum(0) > 1
            return torch.nn.functional.normalize(
                counts[:, kept] / (counts[:, kept] > 0).sum(0).sqrt().clamp_min(1), dim=1
            )
    table = columns(inputs)
    return standardized(table[:, :: -(-table.shape[1] // 1024)]).nan_to_num().clamp(-8, 8)
