"""A step of a recipe: its gradient is that of the full loss, mean data loss and penalty, however the step is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule import formulas as f
from chainrule.optim import At
from chainrule.runtime.rng import keys
from chainrule.runtime.world import Alone
from chainrule.tasks import Classification, open_recipe
from chainrule.training.loop import start

LOSSES = {"softmax": (f.softmax_loss, f.softmax_loss_backward), "svm": (f.svm_loss, f.svm_loss_backward)}


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.3, 0.2)])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_gradient_of_a_step(loss: str, l2: float, l1: float, parts: int) -> None:
    settings = {"loss.name": loss, "penalty.l2": l2, "penalty.l1": l1, "train.batch": 30}
    recipe = open_recipe("digits-softmax", settings)
    task = Classification(recipe).task()
    state = start(task, 0)
    state.model.double()
    phase, index = task.phases[0], torch.arange(30)
    pieces = {
        part: task.examples["train"].fetch(chosen, keys(0, 0, chosen, "example"))
        for part, chosen in enumerate(index.tensor_split(parts))
    }
    for piece in pieces.values():
        object.__setattr__(piece, "inputs", piece.inputs.double())
    at = At(seed=0, step=0, steps=10)
    report, _, _ = phase.objective.gradients(state, phase, pieces, at, Alone())

    weight, bias = (parameter.detach().numpy() for parameter in state.model.parameters())
    x = np.concatenate([piece.inputs.flatten(1).numpy() for piece in pieces.values()])
    y = np.concatenate([piece.targets.numpy() for piece in pieces.values()])
    forward, backward = LOSSES[loss]
    scores, affine = f.affine_forward(x, weight.T, bias)
    losses, cache = forward(scores, y)
    squares, square_cache = f.l2_penalty(weight.T)
    sizes, size_cache = f.l1_penalty(weight.T)
    total, full = f.full_loss(losses, l2 * squares + l1 * sizes, 1.0)
    dlosses, dR = f.full_loss_backward(1.0, full)
    _, dW, db = f.affine_backward(backward(dlosses, cache), affine)
    dW = dW + f.l2_penalty_backward(dR * l2, square_cache) + f.l1_penalty_backward(dR * l1, size_cache)

    found = [parameter.grad.numpy() for parameter in state.model.parameters() if parameter.grad is not None]
    np.testing.assert_allclose(found[0], dW.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[1], db, rtol=1e-9, atol=1e-12)
    reported = float(report["loss"]) + float(report.get("penalty", 0.0))
    assert reported == pytest.approx(total, rel=1e-9)
