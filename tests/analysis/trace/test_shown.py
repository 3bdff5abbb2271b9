"""A trace for readers: terminal, JSON, page, picture, notebook."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from chainrule.analysis.trace import Trace, walk_through
from chainrule.analysis.trace._picture import ENDS, graph_rows
from chainrule.analysis.trace._tables import came_from
from chainrule.analysis.trace._text import steps_of
from chainrule.analysis.trace._tree import ROWS, rows_of
from chainrule.models import resnet


def printed(trace: Trace, width: int = 80) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, no_color=True, highlight=False, markup=False, emoji=False)
    console.print(trace)
    return file.getvalue().splitlines()


@pytest.fixture(scope="module")
def deep() -> Trace:
    torch.manual_seed(0)
    return walk_through(resnet((3, 32, 32), 10), torch.randn(2, 3, 32, 32), loss=lambda s: s.logsumexp(1).sum())


def test_a_deep_network_fits_the_first_screen(deep: Trace) -> None:
    lines = printed(deep)
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("ResNet: 71 operations, 62 parameter tensors")
    heads = [number for number, line in enumerate(lines) if line.startswith((" forward", " gradient of"))]
    assert heads[1] - heads[0] <= ROWS + 4
    text = "\n".join(lines)
    for word in ("conv1.conv2d", "layer1 Sequential", "1 BasicBlock", "fc.linear", "7 operations", "through depth:"):
        assert word in text
    assert "batches_tracked" not in text
    assert "add_" not in text


def test_no_word_is_lost_where_a_line_is_broken(deep: Trace) -> None:
    lines = printed(deep)
    start = [number for number, line in enumerate(lines) if line.startswith(" maxpool.max_pool2d")][1]
    end = next(number for number in range(start + 1, len(lines)) if not lines[number].startswith("  "))
    words = " ".join(line[30:] for line in lines[start:end]).split()
    assert {"add", "conv1.conv2d"} <= set(words)
    assert words.count("+") == 1


def test_modules_are_opened_to_a_depth(deep: Trace) -> None:
    assert {row.label for row in rows_of(deep, 0)} >= {"layer1 Sequential", "conv1.conv2d"}
    full = rows_of(deep, 9)
    assert sum(len(row.operations) for row in full) == 71
    assert all(len(row.operations) <= 1 for row in full)
    assert [row.depth for row in full if row.name == "layer2.0.downsample.0.conv2d"] == [3]
    assert sum(len(row.operations) for row in rows_of(deep, 1)) == 71


def test_a_long_loop_leaves_out_its_middle() -> None:
    cell = nn.RNNCell(2, 3)

    def network(x: Tensor) -> Tensor:
        h = torch.zeros(1, 3)
        for step in x:
            h = cell(step, h)
        return h.sum()

    trace = walk_through(network, torch.randn(200, 1, 2))
    lines = printed(trace)
    assert len(lines) < 130
    assert any("more" in line for line in lines)
    assert any(line.startswith("Through time: 200 steps with cell.weight_hh") for line in lines)
    rows = graph_rows(trace)
    assert len(rows) == 2 * ENDS + 1
    assert sum(len(row.operations) for row in rows) == len(trace.operations)


def test_paths_are_shown_with_their_norms() -> None:
    trace = walk_through(lambda x: (x * x + x).sum(), torch.tensor([3.0, 4.0]))
    assert came_from(trace.values["x"]) == "add 1.41 + mul 5 + mul 5"
    assert came_from(trace.values["mul"]) == ""
    many = walk_through(lambda x: sum(x * k for k in range(1, 8)).sum(), torch.ones(1))
    assert came_from(many.values["x"]).endswith("+ 5 more")


def test_step_by_step() -> None:
    trace = walk_through(lambda x: torch.relu(x * 2), torch.tensor([-1.0, 1.0]))
    assert list(steps_of(trace)) == [
        "forward 1/2  *(x 2) -> mul 2 |2.828|",
        "forward 2/2  relu(mul 2) -> relu 2 |2|",
        "backward 1/2  relu: drelu |1.414| -> dmul |1|",
        "backward 2/2  *: dmul |1| -> dx |2|",
    ]


def test_plain_data_is_json(deep: Trace) -> None:
    data = json.loads(json.dumps(deep.as_dict(), allow_nan=False))
    assert data["outputs"] == ["sum"]
    assert len(data["operations"]) == len(deep.operations)
    x = next(value for value in data["values"] if value["name"] == "x")
    assert x["shape"] == [2, 3, 32, 32]
    assert x["gradient"]["norm"] == pytest.approx(float(deep.gradient("x").norm()))
    joined = next(value for value in data["values"] if value["name"] == "maxpool.max_pool2d")
    assert [each["from"] for each in joined["arrivals"]] == ["layer1.0.add", "layer1.0.conv1.conv2d"]


def test_page_picture_and_notebook(deep: Trace) -> None:
    page = deep.html()
    assert page.startswith("<!doctype html>")
    for anchor in ("graph", "depth", "forward", "backward", "leaves"):
        assert f'id="{anchor}"' in page
    picture = ElementTree.fromstring(deep.svg())
    boxes = [element for element in picture.iter() if "graph-box" in element.get("class", "")]
    assert len(boxes) == 71 + 1  # and the input
    shown = deep._repr_html_()
    assert "through depth" in str(deep)
    assert "neither vanishes" in shown
    assert "<svg" in shown


def test_names_from_outside_are_text(deep: Trace) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("<script>alert(1)</script>ünï", nn.Linear(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            return next(iter(self.children()))(x)

    trace = walk_through(Net(), torch.ones(1, 2))
    assert "<script>alert" not in trace.html() + trace.svg() + trace._repr_html_()
    assert any("ünï" in line for line in printed(trace))


def test_a_gradient_that_is_cut_is_seen_in_the_graph() -> None:
    trace = walk_through(lambda x: (x.exp().detach() * x).sum(), torch.ones(2))
    assert "detached here" in trace.svg()
    assert "detached here" in trace.html()
