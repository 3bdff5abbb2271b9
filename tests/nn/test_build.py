"""The built network: names, modules, values, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chainrule.core.errors import NotationError
from chainrule.nn import Concat, DropPath, GlobalAvgPool, Maxout, Residual, build
from chainrule.nn._build import BUILDERS
from chainrule.notation import resolve, table
from chainrule.notation.layers import LAYERS

EVERYTHING = (
    "INPUT 16x12x4 | CONV3-8 nobias | BN | RELU | (CONV3-8 groups2 | GN2 | LRELU)*2 | RES[CONV3-8 | IN | ELU"
    " | DROPPATH0.5] | POOL2 | LRN | CAT[ ; CONV1-4 | GELU ; POOL3 /1 pad1 avg | TANH] | LN | UPCONV2-6 | SIGMOID"
    " | MAXOUT2 | RES[CONV3-5 /2 ; CONV1-5 /2 nobias | BN] | DROPOUT0.5 | FC-20 | BN | MAXOUT2 | FC-7"
)


def test_the_names_of_the_state_dict_are_stable() -> None:
    spec = "INPUT 8x8x4 | (CONV3-4 | BN | RELU)*2 | RES[CONV3-4 ; CONV1-4 nobias] | CAT[ ; CONV3-2] | FC-3"
    names = [name for name in build(spec).state_dict() if not name.endswith(("running_mean", "running_var", "tracked"))]
    assert names == [
        "conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias",
        "conv2.weight", "conv2.bias", "bn2.weight", "bn2.bias",
        "res1.body.conv1.weight", "res1.body.conv1.bias", "res1.shortcut.conv1.weight",
        "cat1.branch2.conv1.weight", "cat1.branch2.conv1.bias", "fc1.weight", "fc1.bias",
    ]  # fmt: skip
    more = spec.replace("RELU", "LRELU | DROPOUT0.1").replace("| FC-3", "| TANH | FC-3")
    assert list(build(more).state_dict()) == list(build(spec).state_dict())


def test_the_tree_reads_like_the_notation() -> None:
    net = build("INPUT 8x8x4 | CONV3-4 | RELU | RES[CONV3-4 | DROPPATH0.1] | CAT[ ; CONV3-2] | MAXOUT2 | GAP | FC-3")
    assert [name for name, _ in net.named_children()] == ["conv1", "relu1", "res1", "cat1", "maxout1", "gap1", "fc1"]
    assert isinstance(net.res1, Residual)
    assert isinstance(net.res1.shortcut, nn.Identity)
    assert isinstance(net.res1.body.droppath1, DropPath)
    assert isinstance(net.cat1, Concat)
    assert isinstance(net.gap1, GlobalAvgPool)
    assert [name for name, _ in build("INPUT 4x4x1 | FC-3 | FC-2").named_children()] == ["flatten", "fc1", "fc2"]
    assert "p=0.1" in repr(net)
    assert "pieces=2" in repr(net)


def test_each_kind_of_layer_has_one_builder() -> None:
    assert set(BUILDERS) == set(LAYERS.values())


def unchanged(module: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
    assert all(x._version == 0 for x in given), module


def test_every_activation_is_its_own_module_and_never_in_place() -> None:
    net = build(EVERYTHING)
    uses: dict[str, int] = {}
    for name, module in net.named_modules():
        assert not getattr(module, "inplace", False), name
        if not list(module.children()):
            module.register_forward_hook(lambda m, a, out, name=name: uses.__setitem__(name, uses.get(name, 0) + 1))
            module.register_forward_hook(unchanged)
    net(torch.randn(3, 4, 16, 12))
    leaves = [name for name, module in net.named_modules() if not list(module.children())]
    assert uses == dict.fromkeys(leaves, 1)


def test_every_parameter_gets_a_gradient_and_it_saves_and_loads() -> None:
    torch.manual_seed(0)
    net, other = build(EVERYTHING), build(EVERYTHING)
    x = torch.randn(4, 4, 16, 12)
    net(x).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0 or name in ("fc1.bias", "res1.body.conv1.bias"), name
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other.eval()(x), net.eval()(x), rtol=0, atol=0)
    whole = net(x)  # a batch gives what its examples give alone
    torch.testing.assert_close(torch.cat([net(x[i : i + 1]) for i in range(4)]), whole, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build(EVERYTHING).state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        ("LRELU", lambda x: torch.where(x > 0, x, 0.1 * x)),
        ("ELU", lambda x: torch.where(x > 0, x, x.exp() - 1)),
        ("GELU", lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))),
        ("SIGMOID", lambda x: 1 / (1 + (-x).exp())),
        ("MAXOUT2", lambda x: torch.maximum(x[:, 0::2], x[:, 1::2])),
        ("GAP", lambda x: x.sum((2, 3)) / (x.shape[2] * x.shape[3])),
        ("LRN", lambda x: x / (2 + 1e-4 * neighbors(x)) ** 0.75),
        ("LN", lambda x: standardized(x, (1, 2, 3))),
        ("IN", lambda x: standardized(x, (2, 3))),
        ("GN3", lambda x: standardized(x.unflatten(1, (3, 2)), (2, 3, 4)).flatten(1, 2)),
        ("RES[TANH]", lambda x: x + x.tanh()),
        ("RES[TANH ; SIGMOID]", lambda x: x.tanh() + x.sigmoid()),
        ("CAT[ ; TANH ; RES[RELU]]", lambda x: torch.cat([x, x.tanh(), x + x.clamp(min=0)], dim=1)),
        ("POOL2 /1 pad1 avg", lambda x: corners(nn.functional.pad(x, (1, 1, 1, 1))) / 4),
        ("(TANH)*3", lambda x: x.tanh().tanh().tanh()),
    ],
)  # fmt: skip
def test_values_by_their_definitions(spec: str, reference: object) -> None:
    x = torch.randn(3, 6, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    net = build(spec, shape=(6, 5, 4)).double()
    torch.testing.assert_close(net(x), reference(x), rtol=1e-9, atol=1e-9)  # type: ignore[operator]


def neighbors(x: torch.Tensor) -> torch.Tensor:
    """The sum of squares over the five channels around each, those that exist."""
    return torch.stack([x[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(x.shape[1])], dim=1)


def standardized(x: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    return (x - x.mean(dims, keepdim=True)) / (x.var(dims, correction=0, keepdim=True) + 1e-5).sqrt()


def corners(x: torch.Tensor) -> torch.Tensor:
    return x[:, :, :-1, :-1] + x[:, :, 1:, :-1] + x[:, :, :-1, 1:] + x[:, :, 1:, 1:]


def test_up_convolution_sums_what_overlaps() -> None:
    net = build("UPCONV3-1 /2 nobias", shape=(1, 2, 2))
    with torch.no_grad():
        net.upconv1.weight.fill_(1.0)
        out = net(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert out[0, 0].tolist() == [
        [1, 1, 3, 2, 2], [1, 1, 3, 2, 2], [4, 4, 10, 6, 6], [3, 3, 7, 4, 4], [3, 3, 7, 4, 4],
    ]  # fmt: skip


def test_fc_reads_channels_outermost() -> None:
    net = build("FC-1 nobias", shape=(2, 3, 4))
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    with torch.no_grad():
        net.fc1.weight.copy_(torch.arange(24.0)[None])
    assert net(x).item() == sum(i * i for i in range(24))


def test_published_networks_have_their_parameters_when_built() -> None:
    stages = " | ".join(f"(CONV3-{k} | RELU)*{n} | POOL2" for k, n in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)))
    with torch.device("meta"):
        vgg = build(f"INPUT 224x224x3 | {stages} | FC-4096 | RELU | FC-4096 | RELU | FC-1000")
    assert sum(p.numel() for p in vgg.parameters()) == 138_357_544
    assert vgg.conv13.weight.shape == (512, 512, 3, 3)


def test_the_shape_and_the_number_of_outputs_may_be_demanded() -> None:
    net = build("CONV3-4 | GAP | FC-10", shape=(3, 9, 7), outputs=10)
    assert net(torch.zeros(1, 3, 9, 7)).shape == (1, 10)
    assert build("FC-3 | TANH | FC-2", shape=(5,))(torch.zeros(4, 5)).shape == (4, 2)
    assert resolve("CONV3-4 | GAP | FC-10", shape=(3, 9, 7)).outputs == 10
    with pytest.raises(NotationError, match=r"expected 10, got 9\. Remedy: end it in FC-10"):
        build("INPUT 8x8x3 | GAP | FC-9", outputs=10)
    with pytest.raises(NotationError, match="INPUT is not what the data are"):
        build("INPUT 8x8x3 | GAP | FC-9", shape=(1, 8, 8))
    with pytest.raises(NotationError, match="add INPUT"):
        build("GAP | FC-9")


def test_a_network_larger_than_memory_is_refused_before_it_is_allocated() -> None:
    with pytest.raises(NotationError, match=r"too large to be built.*got 1,000,000,000,000"):
        build("INPUT 1000000 | FC-1000000 nobias")


def test_ten_thousand_layers_are_built_and_run() -> None:
    net = build("INPUT 2 | (RES[TANH])*4999 | FC-2")
    assert net(torch.zeros(1, 2)).isfinite().all()
    assert len(table("INPUT 2 | (RES[TANH])*4999 | FC-2").rows) == 10_000


def test_a_module_trains() -> None:
    torch.manual_seed(0)
    net = build("INPUT 8x8x1 | CONV3-8 | BN | RELU | RES[CONV3-8 | BN | RELU] | POOL2 | FC-2")
    x = torch.randn(64, 1, 8, 8)
    y = (x[:, 0, :, :4].sum((1, 2)) > x[:, 0, :, 4:].sum((1, 2))).long()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    first = None
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(x), y)
        first = first if first is not None else loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * (first or 0.0)


def test_maxout_gives_the_gradient_of_a_tie_to_the_first() -> None:
    x = torch.tensor([[1.0, 1.0, 0.0, 2.0]], requires_grad=True)
    Maxout(2)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 0.0, 0.0, 1.0]]
