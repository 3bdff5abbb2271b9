"""Running statistics of batch normalization, measured anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from chainrule.core.errors import UsageError


def recalibrate(model: nn.Module, inputs: Iterable[Tensor]) -> int:
    """Give each batch normalization the statistics of some data: the mean of those of the groups, by their sizes.

    mean = sum_g n_g mean_g / sum_g n_g, likewise for the variance. Weights that were averaged have other activations
    than those which the running statistics stand for. Dropout stays off.

    Args:
        model: Its buffers are changed; the modes of its layers are as before when it returns.
        inputs: Groups of inputs; each goes through the network once.

    Returns:
        How many layers were measured; 0: the network has none, and no input was taken.

    Raises:
        UsageError: There are no inputs.

    Example:
        >>> norm, x = nn.BatchNorm1d(2), torch.randn(50, 2) * 3 + 1
        >>> recalibrate(norm, [x[:30], x[30:]])
        1
        >>> torch.allclose(norm.running_mean, x.mean(0), atol=1e-5)
        True

    Source:
        LECTURES C6: statistics of the whole training set at test time. Izmailov et al. 2018 (SWA), 3.2.
    """
    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return 0
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    taken = 0
    try:
        model.eval()
        for norm in norms:
            norm.train()
        with torch.no_grad():
            for group in inputs:
                taken += len(group)
                for norm in norms:  # after n examples a group of m counts m / n: in the end each as many as it has
                    norm.momentum = len(group) / taken
                model(group)
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
    if not taken:
        raise UsageError("recalibrate: statistics are those of some data", expected="at least one group of inputs")
    return len(norms)
