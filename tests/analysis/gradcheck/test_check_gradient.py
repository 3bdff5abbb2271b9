"""The gradient check: right is never accused, wrong is found and described, and nothing of the user's is changed."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chainrule import formulas
from chainrule.analysis.gradcheck import GradientCheck, check_gradient
from chainrule.core.errors import UsageError

Pair = tuple[Callable[..., Any], Callable[..., Any]]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def own(backward: Callable[..., Any], forward: Callable[..., Tensor] = lambda x, w: x @ w) -> Any:
    """An autograd function whose backward is given: (dout, x, w) -> gradients."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            ctx.save_for_backward(x, w)
            return forward(x, w)

        @staticmethod
        def backward(ctx: Any, dout: Tensor) -> Any:
            return backward(dout, *ctx.saved_tensors)

    return Own


X, W = normal(4, 3), normal(3, 3, seed=1)


def states(found: GradientCheck) -> dict[str, str]:
    return {tensor.name: tensor.state for tensor in found.tensors}


def test_a_right_backward_is_right() -> None:
    found = check_gradient(own(lambda d, x, w: (d @ w.T, x.T @ d)), X, W)
    assert found.right is True
    assert states(found) == {"x": "right", "w": "right"}
    assert all(t.error is not None and t.error < 1e-8 for t in found.tensors)
    assert all(t.noticed is not None and t.noticed < 1e-5 for t in found.tensors)
    assert str(found).startswith("The gradient is right: 2 tensors, 21 entries")


@pytest.mark.parametrize(
    ("backward", "name", "said"),
    [
        (lambda d, x, w: (d @ w.T, 2 * x.T @ d), "w", "it is 2 times what it should be"),
        (lambda d, x, w: (d @ w.T, -x.T @ d), "w", "it has the other sign"),
        (lambda d, x, w: (d @ w.T, x.T @ d / 4), "w", "1/4 of what it should be (axis 0 of x is 4"),
        (lambda d, x, w: (4 * d @ w.T, x.T @ d), "x", "4 times what it should be (axis 0 of x is 4"),
        (lambda d, x, w: (d @ w.T, (x.T @ d).T), "w", "it is transposed"),
        (lambda d, x, w: (d @ w.T, 0 * w), "w", "it is zero everywhere"),
        (lambda d, x, w: (d @ w.T, (x.T @ d).triu()), "w", "wrong at 3 of 9 entries: it is zero there"),
        (lambda d, x, w: (d @ w.T, x.T @ d + 0.5), "w", "it is off by the same number, 0.5, at every entry"),
        (lambda d, x, w: (d @ w.T, x.T @ d + 0.1 * w), "w", "0.1 times the tensor itself is too much"),
        (lambda d, x, w: (d @ w.T, (x.T @ d).roll(1, 0)), "w", "it is shifted by one along axis 0"),
        (lambda d, x, w: (d @ w.T, (x.T @ d).flip(1)), "w", "it is reversed along axis 1"),
        (lambda d, x, w: (torch.ones_like(d) @ w.T, x.T @ d), "x", "relative error"),
        (lambda d, x, w: (d @ w.T * torch.tensor([1.0, 1, 3]), x.T @ d), "x", "last along axis 1"),
    ],
)
def test_what_is_wrong_is_said(backward: Any, name: str, said: str) -> None:
    found = check_gradient(own(backward), X, W)
    assert found.right is False
    assert found.verdict.startswith(f"The gradient of {name} is wrong: ")
    assert said in found.verdict
    assert states(found) == {"x": "right", "w": "right", name: "wrong"}


def test_the_verdict_has_the_entry() -> None:
    found = check_gradient(own(lambda d, x, w: (d @ w.T, 2 * x.T @ d)), X, W)
    worst = found.tensors[1].worst
    assert worst is not None
    assert worst.error == pytest.approx(0.5)
    assert worst.analytic == pytest.approx(2 * worst.numerical)
    assert f"relative error 0.5 at w[{worst.index[0]}, {worst.index[1]}]" in found.verdict


def test_one_entry_among_many_is_found_and_named() -> None:
    def backward(dout: Tensor, x: Tensor, w: Tensor) -> Any:
        dx = dout * w
        dx[117, 33] *= 1.01
        return dx, dout * x

    found = check_gradient(own(backward, lambda x, w: x * w), normal(300, 100), normal(300, 100, seed=1))
    assert found.right is False
    assert found.tensors[0].worst is not None
    assert found.tensors[0].worst.index == (117, 33)
    assert found.tensors[1].state == "right"
    assert found.tensors[0].entries < 30_000


def test_a_gradient_that_forgets_its_upstream() -> None:
    found = check_gradient(own(lambda d, x, w: (2 * x, None), lambda x, w: (x**2).sum()), X, W)
    assert found.right is False
    assert "does not grow with the upstream gradient" in found.verdict


def test_detached_and_unused() -> None:
    found = check_gradient(lambda x, w: (x @ w.detach()).tanh(), X, W)
    assert found.right is False
    assert "detached" in found.verdict
    assert states(check_gradient(lambda x, w: x.tanh(), X, W)) == {"x": "right", "w": "unused"}


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (torch.relu, (torch.tensor([[0.0, -1e-9, 1e-6, 3.0]]),)),
        (lambda x: nn.functional.max_pool2d(x, 2), (torch.zeros(1, 2, 4, 4),)),
        (torch.abs, (torch.zeros(3),)),
        (lambda x: x.clamp(-1, 1), (torch.tensor([-1.0, 1.0, 0.0, 5.0]),)),
        (lambda s, y: nn.functional.multi_margin_loss(s, y), (torch.eye(3)[:2], torch.tensor([0, 1]))),
        (lambda x: x.sort().values[0], (torch.tensor([1.0, 1.0, 2.0]),)),
    ],
)
def test_kinks_are_no_error(function: Any, inputs: Any) -> None:
    found = check_gradient(function, *inputs)
    assert found.right is True, found.verdict
    assert found.tensors[0].kinks > 0
    assert found.tensors[0].kinks_at
    assert "kink" in found.verdict


def test_a_wrong_gradient_on_kinks_is_wrong_beside_them() -> None:
    wrong = own(lambda d, x, w: (2 * d * (x > 0), None), lambda x, w: x.relu())
    assert check_gradient(wrong, torch.zeros(2, 3), W).right is False


def test_randomness_is_frozen_and_put_back() -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = torch.rand(3), np.random.rand(3), random.random()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)

    def noisy(x: Tensor, source: torch.Generator) -> Tensor:
        scale = torch.rand(3) + torch.rand(3, generator=source) + torch.as_tensor(np.random.rand(3)) + random.random()
        return nn.functional.dropout(x * scale, 0.5)

    source = torch.Generator().manual_seed(3)
    state = source.get_state()
    assert check_gradient(noisy, X, source).right is True
    assert torch.equal(source.get_state(), state)
    assert torch.equal(torch.rand(3), before[0])
    assert np.array_equal(np.random.rand(3), before[1])
    assert random.random() == before[2]


def test_other_randomness_is_said() -> None:
    found = check_gradient(lambda x: x * int.from_bytes(os.urandom(2), "big"), X)
    assert found.right is None
    assert "two calls with the same inputs" in found.verdict


class Counting(nn.Module):
    """Remembers things from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.layer = nn.Linear(3, 2)
        self.calls = 0
        self.last: list[Tensor] = []
        self.scale = torch.ones(2)  # not registered, float32

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last.append(x)
        return self.layer(nn.functional.dropout(self.norm(x), 0.3)) * self.scale * (1 + self.calls)


def test_a_module_keeps_its_state() -> None:
    module = Counting()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = check_gradient(module, normal(5, 3))
    assert found.right is True, found.verdict
    assert list(states(found)) == ["x", "norm.weight", "norm.bias", "layer.weight", "layer.bias"]
    assert module.calls == 0
    assert module.last == []
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert module.layer.weight.dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32


def test_what_rounding_leaves_of_a_gradient_of_zero_is_no_error() -> None:
    torch.manual_seed(49)
    layers = (
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 3),
    )
    found = check_gradient(nn.Sequential(*layers), torch.randn(2, 2, 4, 4), seed=49)
    assert found.right is True, found.verdict


def test_a_wrong_module_names_its_parameter() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).detach().relu())

    found = check_gradient(Net(), X)
    assert found.right is False
    assert {"first.weight", "first.bias", "x"} == {t.name for t in found.tensors if t.state == "wrong"}
    assert states(found)["second.weight"] == "right"


def test_frozen_parameters_are_left_out() -> None:
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    found = check_gradient(module, X)
    assert list(states(found)) == ["input", "weight"]
    assert any("1 parameter" in note for note in found.notes)


@pytest.mark.parametrize(
    ("function", "note"),
    [
        (lambda x: (x.float() @ W).tanh().double(), "float32 somewhere inside"),
        (lambda x: x @ torch.ones(3, 2, dtype=torch.float32), "cannot compute in float64"),
        (lambda x: x.float().tanh(), "returns float32"),
    ],
)
def test_float32_inside_is_recognized(function: Any, note: str) -> None:
    found = check_gradient(function, X)
    assert found.right is True, found.verdict
    assert found.precision == "float32"
    assert any(note in said for said in found.notes)
    wrong = own(lambda d, x, w: (d.float() @ w.float().T * 1.1, None), lambda x, w: x.float() @ w.float())
    assert check_gradient(wrong, X, W).right is False


def test_inputs_changed_in_place() -> None:
    given = X.clone()
    found = check_gradient(lambda x: x.mul_(2).relu_(), given)
    assert found.right is True
    assert "it changes x in place" in found.notes
    assert torch.equal(given, X)


def test_hard_inputs() -> None:
    assert check_gradient(lambda x: (x**3).sum(), normal(4, 6)[:, ::2]).right is True
    assert check_gradient(lambda x: (x**3).sum(0), normal(1, 3).expand(4, 3)).right is True
    assert states(check_gradient(lambda x: 2 * x.sum(), torch.zeros(0, 3))) == {"x": "empty"}
    assert check_gradient(lambda a: a**2, torch.tensor(3.0)).right is True
    assert check_gradient(lambda x: x.log().sum(), torch.tensor([1e-8, 1.0, 3.0])).right is True
    assert check_gradient(lambda x: (1e6 * x).sin(), 1e-5 * normal(3)).right is True
    pair = check_gradient(lambda s, y: nn.functional.cross_entropy(s, y), normal(4, 3), torch.tensor([0, 1, 2, 1]))
    assert states(pair) == {"s": "right"}


def test_a_function_that_differentiates_inside() -> None:
    def penalty(x: Tensor) -> Tensor:
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        return (g**2).sum()

    assert check_gradient(penalty, X).right is True


@pytest.mark.parametrize(
    ("function", "inputs", "said"),
    [
        (lambda y: y * 2, (torch.tensor([1, 2]),), "nothing to differentiate"),
        (lambda x: 3, (X,), "no tensor of floats"),
        (lambda x: x.log(), (-X.abs(),), "the output has NaN"),
        (torch.relu, (torch.tensor([float("nan")]),), "has NaN or infinity"),
        (lambda x: x.abs(), (torch.tensor([1j]),), "is complex"),
        (nn.Linear, (X,), "is a class"),
        (3, (X,), "cannot be called"),
    ],
)
def test_what_cannot_be_checked(function: Any, inputs: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_gradient(function, *inputs)


AFFINE: Pair = (formulas.affine_forward, formulas.affine_backward)
RNG = np.random.default_rng(0)
NUMBERS = RNG.standard_normal((4, 3)), RNG.standard_normal((3, 2)), RNG.standard_normal(2)


def test_pairs() -> None:
    found = check_gradient(AFFINE, *NUMBERS)
    assert found.right is True
    assert states(found) == {"x": "right", "W": "right", "b": "right"}

    def backward(dout: Any, cache: Any) -> Any:
        dx, dW, db = formulas.affine_backward(dout, cache)
        return dW, dx, np.tile(db, (4, 1))

    found = check_gradient((formulas.affine_forward, backward), *NUMBERS)
    assert found.right is False
    assert "was the sum over the first axis forgotten?" in str([t.hint for t in found.tensors])


def test_pairs_are_matched_by_the_names_that_are_returned() -> None:
    def backward(dout: Any, cache: Any) -> Any:
        dx, dW, db = formulas.affine_backward(dout, cache)
        return db, dW, dx

    found = check_gradient((formulas.affine_forward, backward), *NUMBERS)
    assert found.right is True
    assert list(states(found)) == ["b", "W", "x"]


def test_pairs_of_tensors_of_losses_and_with_several_outputs() -> None:
    def forward(x: Any, w: Any) -> Any:
        return x * w, x + w, (x, w)

    def backward(dout: Any, dsum: Any, cache: Any) -> Any:
        x, w = cache
        return dout * w + dsum, dout * x + dsum

    assert check_gradient((forward, backward), X, normal(4, 3, seed=1)).right is True
    assert check_gradient((formulas.mean_loss, formulas.mean_loss_backward), NUMBERS[2]).right is True
    rng = np.random.default_rng(0)
    assert check_gradient((formulas.dropout_forward, formulas.dropout_backward), NUMBERS[0], 0.5, rng).right is True


def test_a_pair_that_changes_its_inputs() -> None:
    def forward(x: Any) -> Any:
        x *= 2
        return x, None

    def backward(dout: Any, cache: Any) -> Any:
        dout *= 2
        return dout

    given = NUMBERS[0].copy()
    found = check_gradient((forward, backward), given)
    assert found.right is True
    assert set(found.notes) == {"forward changes x in place", "backward changes dout in place"}
    assert np.array_equal(given, NUMBERS[0])


@pytest.mark.parametrize(
    ("forward", "backward", "said"),
    [
        (lambda x: x, lambda d, c: d, "expected out, cache"),
        (lambda x: (None, 1), lambda d, c: d, "as an output"),
        (lambda x: (x, 1), lambda d, c: None, "returns nothing"),
        (lambda x: (x, 1), lambda d, c: (d, d, d), "returns 3 gradients for 1 input"),
    ],
)
def test_pairs_of_another_form(forward: Any, backward: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_gradient((forward, backward), NUMBERS[0])


def test_the_result_survives_as_plain_data() -> None:
    found = check_gradient(own(lambda d, x, w: (d @ w.T, 2 * x.T @ d)), X, W)
    again = GradientCheck.from_dict(found.as_dict())
    assert again.as_dict() == found.as_dict()
    assert again.tensors[1].worst == found.tensors[1].worst
    assert "WRONG" in found._repr_html_()
