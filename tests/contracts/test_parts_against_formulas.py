"""Every registered loss, optimizer and schedule, and each layer of the notation, against its formula: value, gradient.

float64, random and hard shapes. A part that is registered without a formula here fails the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from chainrule import formulas as f
from chainrule.core.errors import DataError, UsageError
from chainrule.losses import LOSSES, binary_cross_entropy, penalty
from chainrule.nn import build, initialize
from chainrule.optim import OPTIMIZERS, SCHEDULES, clip_gradients

CASES = 50
RELATIVE = 1e-10


def close(found: Tensor, wanted: Any, relative: float = RELATIVE) -> None:
    wanted = torch.as_tensor(np.asarray(wanted))
    assert found.shape == wanted.shape
    scale = max(1e-30, float(wanted.abs().max())) if wanted.numel() else 1.0
    assert float((found.detach() - wanted).abs().max() if wanted.numel() else 0.0) <= relative * scale


# losses: (scores, targets) and the formula, which gives one value an example and takes the gradient back

CLASSES = {"softmax": (f.softmax_loss, f.softmax_loss_backward), "svm": (f.svm_loss, f.svm_loss_backward)}


def scores_of(rng: np.random.Generator, case: int) -> tuple[np.ndarray, np.ndarray]:
    n, k = (int(rng.integers(1, 9)), int(rng.integers(2, 8))) if case else (1, 2)
    scores = rng.standard_normal((n, k)) * 10.0 ** rng.integers(-2, 3)
    return scores, rng.integers(0, k, n)


def test_each_registered_loss_has_a_formula() -> None:
    assert set(LOSSES.names()) == {*CLASSES, "squared_error", "binary_cross_entropy"}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_losses_of_classes(name: str) -> None:
    forward, backward = CLASSES[name]
    rng = np.random.default_rng(1)
    for case in range(CASES):
        scores, y = scores_of(rng, case)
        s = torch.tensor(scores, requires_grad=True)
        values = LOSSES.resolve(name)(s, torch.tensor(y))
        weights = rng.standard_normal(len(y))
        values.backward(torch.tensor(weights))
        wanted, cache = forward(scores, y)
        close(values, wanted)
        assert s.grad is not None
        close(s.grad, backward(weights, cache), 1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_smoothed_labels(smoothing: float) -> None:
    rng = np.random.default_rng(4)
    for case in range(CASES):
        scores, y = scores_of(rng, case)
        s = torch.tensor(scores, requires_grad=True)
        values = LOSSES.resolve("softmax")(s, torch.tensor(y), smoothing=smoothing)
        weights = rng.standard_normal(len(y))
        values.backward(torch.tensor(weights))
        wanted, cache = f.smoothed_softmax_loss(scores, y, smoothing)
        close(values, wanted)
        assert s.grad is not None
        close(s.grad, f.smoothed_softmax_loss_backward(weights, cache), 1e-9)


def test_squared_error_and_binary_cross_entropy() -> None:
    rng = np.random.default_rng(2)
    for _ in range(CASES):
        shape = (int(rng.integers(1, 6)), int(rng.integers(1, 5)))
        a, b = rng.standard_normal(shape), rng.standard_normal(shape)
        s = torch.tensor(a, requires_grad=True)
        values = LOSSES.resolve("squared_error")(s, torch.tensor(b))
        values.sum().backward()
        wanted, cache = f.mean_squared_error(a, b)
        close(values.mean(), np.mean(wanted))
        assert s.grad is not None
        close(s.grad / len(a), 2 * (a - b) / a.size)
        assert cache is not None
        scores, y = rng.standard_normal(shape[0]) * 30, rng.random(shape[0])
        s = torch.tensor(scores, requires_grad=True)
        values = binary_cross_entropy(s, torch.tensor(y))
        values.sum().backward()
        wanted, cache = f.binary_cross_entropy(scores, y)
        close(values, wanted)
        assert s.grad is not None
        close(s.grad, f.binary_cross_entropy_backward(np.ones(len(y)), cache), 1e-9)
        table, classes = rng.standard_normal(shape) * 5, rng.integers(0, shape[1], shape[0])
        apart = f.binary_cross_entropy(table.ravel(), np.eye(shape[1])[classes].ravel())[0].reshape(shape)
        if shape[1] > 1:  # with one score an example, the targets are its answers and no classes
            close(binary_cross_entropy(torch.tensor(table), torch.tensor(classes)), apart.sum(1))


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_losses_stay_finite_and_differentiable(name: str) -> None:
    loss = LOSSES.resolve(name)
    for scores in ([[1e4, -1e4, 0.0]], [[0.0, 0.0, 0.0]], [[-1e4, -1e4, -1e4]]):
        s = torch.tensor(scores, dtype=torch.float32, requires_grad=True)
        value = loss(s, torch.tensor([1]))
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert s.grad is not None
        assert torch.isfinite(s.grad).all()
    assert loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)).shape == (0,)
    generator = torch.Generator().manual_seed(0)
    for n, k in ((1, 2), (2, 3), (5, 4), (3, 7), (1, 9), (4, 2)):
        s = torch.randn(n, k, generator=generator, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda s, n=n, k=k: loss(s, torch.arange(n) % k), (s,))


def test_the_penalty() -> None:
    rng = np.random.default_rng(3)
    for _ in range(CASES):
        arrays = [rng.standard_normal((int(rng.integers(1, 5)), int(rng.integers(1, 5)))) for _ in range(3)]
        weights = [torch.tensor(a, requires_grad=True) for a in arrays]
        l2, l1 = rng.random(2)
        value = penalty(weights, l2=l2, l1=l1)
        value.backward()
        close(value, sum(l2 * f.l2_penalty(a)[0] + l1 * f.l1_penalty(a)[0] for a in arrays))
        for a, w in zip(arrays, weights):
            assert w.grad is not None
            close(w.grad, f.l2_penalty_backward(l2, a) + f.l1_penalty_backward(l1, a))


# optimizers: 100 steps on the same gradients


def _with_memory(update: Callable[..., Any], slots: int, **constants: Any) -> Callable[[], Callable[..., np.ndarray]]:
    def fresh() -> Callable[..., np.ndarray]:
        memory: list[np.ndarray] = []

        def step(x: np.ndarray, g: np.ndarray, t: int, lr: float) -> np.ndarray:
            kept = memory or [np.zeros_like(x) for _ in range(slots)]
            timed = {"t": t} if slots == 2 else {}
            x, *memory[:] = update(x, g, *kept, lr=lr, **timed, **constants)
            return x

        return step

    return fresh


OPTIMIZED: dict[str, list[tuple[dict[str, Any], Callable[[], Callable[..., np.ndarray]]]]] = {
    "sgd": [
        ({}, lambda: lambda x, g, t, lr: f.sgd(x, g, lr)),
        ({"momentum": 0.9}, _with_memory(f.momentum, 1, rho=0.9)),
        ({"momentum": 0.9, "form": "step"}, _with_memory(f.momentum_step_form, 1, mu=0.9)),
        ({"momentum": 0.8, "form": "step", "nesterov": True}, _with_memory(f.nesterov, 1, rho=0.8)),
    ],
    "adagrad": [
        ({}, _with_memory(f.adagrad, 1)),
        ({"epsilon": "inside", "eps": 0.01}, _with_memory(f.adagrad, 1, eps=0.01, eps_inside=True)),
    ],
    "rmsprop": [
        ({"decay": 0.9}, _with_memory(f.rmsprop, 1, decay_rate=0.9)),
        (
            {"decay": 0.9, "epsilon": "inside", "eps": 0.01},
            _with_memory(f.rmsprop, 1, decay_rate=0.9, eps=0.01, eps_inside=True),
        ),
    ],
    "adam": [
        ({}, _with_memory(f.adam, 2)),
        ({"epsilon": "inside", "eps": 0.01}, _with_memory(f.adam, 2, eps=0.01, eps_inside=True)),
        (
            {"weight_decay": 0.1},
            _with_memory(lambda x, g, m, v, t, lr: f.adam(x, g + 0.1 * x, m, v, t, lr), 2),
        ),
    ],
    "adamw": [
        (
            {"weight_decay": 0.1},
            _with_memory(lambda x, g, m, v, t, lr: _decayed(f.adam(x, g, m, v, t, lr), lr * 0.1 * x), 2),
        )
    ],
}


def _muon() -> Callable[..., np.ndarray]:
    m: list[np.ndarray] = []

    def step(x: np.ndarray, g: np.ndarray, t: int, lr: float) -> np.ndarray:
        filters = (len(x), -1)
        W, *m[:] = f.muon(x.reshape(filters), g.reshape(filters), m[0] if m else np.zeros_like(g.reshape(filters)), lr)
        return W.reshape(x.shape)

    return step


def _muon_rest() -> Callable[..., np.ndarray]:
    v: list[np.ndarray] = []

    def step(x: np.ndarray, g: np.ndarray, t: int, lr: float) -> np.ndarray:
        v[:] = [0.85 * v[0] + g] if v else [g]
        return x - 2 * lr * (g + 0.85 * v[0])  # rest_lr / lr = 0.1 / 0.05

    return step


def _by_shape() -> Callable[..., np.ndarray]:
    matrices, rest = _muon(), _muon_rest()
    return lambda x, g, t, lr: (matrices if x.ndim > 1 else rest)(x, g, t, lr)


OPTIMIZED["muon"] = [({}, _by_shape)]


def _decayed(result: tuple[np.ndarray, ...], by: np.ndarray) -> tuple[np.ndarray, ...]:
    return (result[0] - by, *result[1:])


def test_each_registered_optimizer_has_a_formula() -> None:
    assert set(OPTIMIZERS.names()) == set(OPTIMIZED)


@pytest.mark.parametrize(
    ("name", "options", "formula"), [(name, o, g) for name, rows in OPTIMIZED.items() for o, g in rows]
)
def test_a_hundred_steps(name: str, options: dict[str, Any], formula: Callable[[], Callable[..., np.ndarray]]) -> None:
    rng = np.random.default_rng(4)
    for shape in ((3,), (1,), (4, 2), (2, 3, 1, 2)):
        x = rng.standard_normal(shape)
        parameter = torch.tensor(x, requires_grad=True)
        optimizer = OPTIMIZERS.resolve(name)([parameter], lr=0.05, **options)
        step = formula()
        for t in range(1, 101):
            g, lr = rng.standard_normal(shape), 0.05 * (0.5 if t > 50 else 1.0)
            optimizer.param_groups[0]["lr"] = lr
            parameter.grad = torch.tensor(g)
            optimizer.step()
            x = step(x, g, t, lr)
        close(parameter, x, 1e-9)


RATES: dict[str, Callable[[float, float], float]] = {
    "constant": lambda t, T: f.constant_rate(1.0),
    "step": lambda t, T: f.step_rate(1.0, t / T * 90, (30, 60, 81)),
    "cosine": lambda t, T: f.cosine_rate(1.0, t, T),
    "cyclic": lambda t, T: f.cyclic_rate(1.0, t, T, 5),
    "linear": lambda t, T: f.linear_rate(1.0, t, T),
    "inverse_sqrt": lambda t, T: f.inverse_sqrt_rate(1.0, t + 1),
    "noam": lambda t, T: f.noam_rate(1.0, t + 1, max(1, T // 10)) * max(1, T // 10) ** 0.5,
}


def test_each_registered_schedule_has_a_formula() -> None:
    assert set(SCHEDULES.names()) == set(RATES)


@pytest.mark.parametrize("name", sorted(RATES))
def test_schedules(name: str) -> None:
    for steps in (1, 2, 90, 360):
        for t in range(steps):
            assert SCHEDULES.resolve(name)(t, steps) == pytest.approx(RATES[name](t, steps), rel=1e-12)
            warm = SCHEDULES.resolve(name)(t, steps, warmup=0.25)
            assert 0 < warm <= 1 or (warm == 0 and t == steps)


def test_clipping() -> None:
    rng = np.random.default_rng(5)
    for case in range(CASES):
        g = rng.standard_normal(int(rng.integers(1, 9))) * (0.0 if case == 0 else 10.0 ** rng.integers(-2, 3))
        for kind, formula in (("norm", f.clip_by_norm), ("value", f.clip_by_value)):
            parameter = torch.zeros(len(g), dtype=torch.float64, requires_grad=True)
            parameter.grad = torch.tensor(g)
            before = clip_gradients([parameter], **{kind: 0.7})
            assert float(before) == pytest.approx(float(np.linalg.norm(g)), rel=1e-12)
            close(parameter.grad, formula(g, 0.7))


# layers: built from the notation, value and gradient of the input


def layer(spec: str, x: np.ndarray) -> tuple[torch.nn.Module, Tensor]:
    net = build(spec, shape=x.shape[1:]).double()
    return net, torch.tensor(x, requires_grad=True)


ACTIVATIONS = {
    "RELU": (f.relu_forward, f.relu_backward),
    "LRELU": (f.leaky_relu_forward, f.leaky_relu_backward),
    "ELU": (f.elu_forward, f.elu_backward),
    "GELU": (f.gelu_forward, f.gelu_backward),
    "SIGMOID": (f.sigmoid_forward, f.sigmoid_backward),
    "TANH": (f.tanh_forward, f.tanh_backward),
    "MAXOUT2": (f.maxout_forward, f.maxout_backward),
    "POOL2": (f.max_pool_forward, f.max_pool_backward),
    "POOL2 avg": (f.average_pool_forward, f.average_pool_backward),
    "GAP": (f.global_average_pool_forward, f.global_average_pool_backward),
    "LRN": (f.local_response_norm_forward, f.local_response_norm_backward),
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_layers_without_weights(name: str) -> None:
    forward, backward = ACTIVATIONS[name]
    rng = np.random.default_rng(6)
    for case in range(CASES):
        n, c, h, w = (
            1 + int(rng.integers(0, 3)),
            2 * int(rng.integers(1, 4)),
            int(rng.integers(2, 7)),
            int(rng.integers(2, 7)),
        )
        x = rng.standard_normal((n, c, h, w)) * 3
        if case % 5 == 0:
            x = np.round(x)  # ties
        if name == "MAXOUT2":
            x = x[:, :, 0, 0]
        net, inputs = layer(name, x)
        out = net(inputs)
        dout = rng.standard_normal(tuple(out.shape))
        out.backward(torch.tensor(dout))
        wanted, cache = forward(x)
        close(out, wanted)
        assert inputs.grad is not None
        close(inputs.grad, backward(dout, cache), 1e-9)


def _weights(net: torch.nn.Module, rng: np.random.Generator) -> list[np.ndarray]:
    found = []
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.tensor(rng.standard_normal(tuple(parameter.shape))))
            found.append(parameter.numpy().copy())
    return found


NORMS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "BN": (f.batch_norm_train, f.batch_norm_train_backward),
    "LN": (f.layer_norm_forward, f.layer_norm_backward),
    "IN": (f.instance_norm_forward, f.instance_norm_backward),
    "GN2": (lambda x, g, b: f.group_norm_forward(x, g, b, 2), f.group_norm_backward),
}


@pytest.mark.parametrize("name", sorted(NORMS))
def test_norms(name: str) -> None:
    forward, backward = NORMS[name]
    rng = np.random.default_rng(7)
    for _ in range(CASES):
        shape = (int(rng.integers(2, 5)), 2 * int(rng.integers(1, 4)), int(rng.integers(2, 6)), int(rng.integers(2, 6)))
        x = rng.standard_normal(shape) * 2 + 3
        net, inputs = layer(name, x)
        gamma, beta = _weights(net, rng)
        out = net.train()(inputs)
        dout = rng.standard_normal(shape)
        out.backward(torch.tensor(dout))
        wanted, cache = forward(x, gamma, beta)
        close(out, wanted, 1e-9)
        gradients = [inputs.grad, *(p.grad for p in net.parameters())]
        for found, expected in zip(gradients, backward(dout, cache)):
            assert found is not None
            close(found, expected, 1e-8)


def test_convolutions() -> None:
    rng = np.random.default_rng(8)
    for _ in range(CASES):
        groups, size, stride, dilation = (int(rng.choice(v)) for v in ((1, 2), (1, 3), (1, 2, 3), (1, 2)))
        pad = int(rng.integers(0, 3))
        shape = (int(rng.integers(1, 3)), 2 * groups, int(rng.integers(5, 9)), int(rng.integers(5, 9)))
        x = rng.standard_normal(shape)
        spec = f"CONV{size}-{2 * groups} /{stride} pad{pad} dil{dilation} groups{groups}"
        net, inputs = layer(spec, x)
        w, b = _weights(net, rng)
        out = net(inputs)
        dout = rng.standard_normal(tuple(out.shape))
        out.backward(torch.tensor(dout))
        wanted, cache = f.conv_forward(x, w, b, stride, pad, dilation, groups)
        close(out, wanted)
        for found, expected in zip([inputs.grad, *(p.grad for p in net.parameters())], f.conv_backward(dout, cache)):
            assert found is not None
            close(found, expected, 1e-9)


def test_fully_connected() -> None:
    rng = np.random.default_rng(9)
    for _ in range(CASES):
        x = rng.standard_normal((int(rng.integers(1, 4)), int(rng.integers(1, 6))))
        net, inputs = layer(f"FC-{int(rng.integers(1, 5))}", x)
        w, b = _weights(net, rng)
        out = net(inputs)
        dout = rng.standard_normal(tuple(out.shape))
        out.backward(torch.tensor(dout))
        wanted, cache = f.affine_forward(x, w.T, b)
        close(out, wanted)
        dx, dw, db = f.affine_backward(dout, cache)
        for found, expected in zip([inputs.grad, *(p.grad for p in net.parameters())], [dx, dw.T, db]):
            assert found is not None
            close(found, expected)


# initialization and dropout draw: their distributions are compared

SCHEMES = {
    "gaussian": lambda d_in, d_out: 0.01**2,
    "xavier": lambda d_in, d_out: f.xavier_weights(np.random.default_rng(0), d_in, d_out).var(),
    "xavier_average": lambda d_in, d_out: 2 / (d_in + d_out),
    "he": lambda d_in, d_out: f.he_weights(np.random.default_rng(0), d_in, d_out).var(),
    "orthogonal": lambda d_in, d_out: f.orthogonal_weights(np.random.default_rng(0), d_in, d_out).var(),
    "default": lambda d_in, d_out: 1 / (3 * d_in),
    "dirac": lambda d_in, d_out: 1 / (3 * d_in),
}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@pytest.mark.parametrize(("d_in", "d_out"), [(400, 300), (300, 400), (1, 50_000), (50_000, 1)])
def test_initializers_of_fully_connected_layers(scheme: str, d_in: int, d_out: int) -> None:
    layer = torch.nn.Linear(d_in, d_out)
    initialize(layer, scheme, generator=torch.Generator().manual_seed(1))
    weight = layer.weight.detach().double().numpy()
    assert weight.shape == (d_out, d_in)
    assert weight.var() == pytest.approx(SCHEMES[scheme](d_in, d_out), rel=0.03)
    if scheme == "orthogonal":
        few = min(weight.shape)
        gram = weight @ weight.T if few == d_out else weight.T @ weight
        np.testing.assert_allclose(gram, np.eye(few), atol=1e-5)
    if scheme in ("default", "dirac"):
        assert 0 < float(layer.bias.detach().abs().max()) <= 1 / np.sqrt(d_in)
    else:
        assert float(layer.bias.detach().abs().max()) == 0.0


@pytest.mark.parametrize("groups", [1, 4])
def test_initializers_of_convolutions(groups: int) -> None:
    conv = torch.nn.Conv2d(64, 128, 3, groups=groups)
    d_in = 9 * 64 // groups
    for scheme, variance in (("xavier", 1 / d_in), ("he", 2 / d_in)):
        initialize(conv, scheme, generator=torch.Generator().manual_seed(1), bias=0.1)
        assert float(conv.weight.detach().var()) == pytest.approx(variance, rel=0.03)
        assert torch.equal(conv.bias.detach(), torch.full((128,), 0.1))
    up = torch.nn.ConvTranspose2d(64, 32, 4, stride=2)
    initialize(up, "he", generator=torch.Generator().manual_seed(1))
    out = up(torch.randn(8, 64, 9, 9, generator=torch.Generator().manual_seed(2)))[..., 4:-4, 4:-4]
    assert float(out.detach().var()) == pytest.approx(2.0, rel=0.1)  # 2 / D_in, over D_in inputs of variance 1
    same = torch.nn.Conv2d(8, 12, 3, padding=1, bias=False)
    initialize(same, "dirac", generator=torch.Generator().manual_seed(1))
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(same(x)[:, :8], x)


def test_a_network_that_is_initialized_keeps_what_flows() -> None:
    net = torch.nn.Sequential(*(m for _ in range(20) for m in (torch.nn.Linear(256, 256), torch.nn.ReLU())))
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    squares = {}
    for scheme in ("gaussian", "xavier", "he"):
        initialize(net, scheme, generator=torch.Generator().manual_seed(1))
        squares[scheme] = float(net(x).detach().square().mean())
    assert 0.3 < squares["he"] < 3
    assert squares["xavier"] == pytest.approx(squares["he"] / 2**20, rel=1e-2)  # each ReLU halves the mean square
    assert squares["gaussian"] < 1e-20


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_scales_and_passes_gradients_alike(p: float, keep: bool) -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(10).standard_normal((200, 300)) + 5.0
    net, inputs = layer(f"DROPOUT{1 - p} keep" if keep else f"DROPOUT{p}", x)
    out = net.train()(inputs)
    dout = np.random.default_rng(11).standard_normal(x.shape)
    out.backward(torch.tensor(dout))
    kept = out.detach().numpy() != 0
    mask = kept / (1 - p)
    close(out, x * mask)
    assert inputs.grad is not None
    close(inputs.grad, f.dropout_backward(dout, mask))
    formula = f.dropout_forward(x, p, np.random.default_rng(12))[1] > 0
    spread = 4 * np.sqrt(2 * p * (1 - p) / x.size)
    assert abs(kept.mean() - formula.mean()) <= spread
    assert torch.equal(net.eval()(inputs), inputs)


BUILT = ["RELU", "LRELU", "ELU", "GELU", "SIGMOID", "TANH", "LRN", "POOL2", "POOL2 avg", "GAP", "LN", "IN", "GN2", "BN"]


@pytest.mark.parametrize("spec", [*BUILT, "CONV3-4", "CONV3-4 /2 groups2", "UPCONV2-3", "FC-3", "RES[CONV3-4 | ELU]"])
def test_gradients_agree_with_differences(spec: str) -> None:
    generator = torch.Generator().manual_seed(3)
    for shape in ((1, 4, 3, 3), (2, 4, 2, 5), (3, 4, 4, 2), (2, 4, 6, 6), (1, 4, 5, 4), (4, 4, 3, 2)):
        net = build(spec, shape=shape[1:]).double()
        x = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(net, (x,), atol=1e-6)


@pytest.mark.usefixtures("own_checks")
@pytest.mark.parametrize("name", sorted(LOSSES.names()))
def test_losses_of_16_bits_and_of_nothing(name: str) -> None:
    loss = LOSSES.resolve(name)
    targets = torch.tensor([1, 0])
    for dtype in (torch.float16, torch.bfloat16):
        scores = torch.tensor([[300.0, -300.0, 2.0], [0.5, 0.25, -8.0]], dtype=dtype, requires_grad=True)
        values = loss(scores, targets)
        values.sum().backward()
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()
        assert scores.grad is not None
        assert scores.grad.dtype == dtype
        assert torch.isfinite(scores.grad).all()
        close(values.double(), loss(scores.detach().double(), targets), 1e-5)
    for classes in (torch.tensor([3, 0]), torch.tensor([-1, 0])):
        with pytest.raises(DataError, match="out of range"):
            loss(torch.zeros(2, 3), classes)
    with pytest.raises(UsageError, match="fit together"):
        loss(torch.zeros(2, 3), torch.tensor([0]))
    with pytest.raises(UsageError, match="real numbers"):
        loss(torch.zeros(2, 3, dtype=torch.long), targets)


def test_weight_decay_is_a_penalty_of_half_its_strength() -> None:
    rng = np.random.default_rng(13)
    for case in range(CASES):
        w, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
        lam, sigma, count = rng.uniform(0.01, 1), rng.uniform(0.5, 2), int(rng.integers(1, 100))
        decayed, penalized = (torch.tensor(w, requires_grad=True) for _ in range(2))
        momentum = 0.9 if case % 2 else 0.0
        steps = [
            (
                decayed,
                OPTIMIZERS.resolve("sgd")([decayed], lr=0.1, momentum=momentum, weight_decay=f.penalty_to_decay(lam)),
            ),
            (penalized, OPTIMIZERS.resolve("sgd")([penalized], lr=0.1, momentum=momentum)),
        ]
        for _ in range(5):
            for parameter, optimizer in steps:
                optimizer.zero_grad()
                loss = (parameter * torch.tensor(g)).sum()
                if parameter is penalized:
                    loss = loss + penalty([parameter], l2=lam)
                loss.backward()
                optimizer.step()
        close(decayed, penalized.detach().numpy(), 1e-12)
        # the same penalty, read as a Gaussian prior: -log p(W) / N, up to a constant
        prior = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), sigma)
        difference = (prior.log_prob(torch.zeros(3, 4, dtype=torch.float64)) - prior.log_prob(torch.tensor(w))).sum()
        close(penalty([torch.tensor(w)], l2=f.prior_to_penalty(sigma, count)), difference / count)
