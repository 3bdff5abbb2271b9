"""The table: the lectures' worked numbers, and published counts of published networks."""

from __future__ import annotations

import csv
import io
import json
from fractions import Fraction

import pytest

from chainrule.core.errors import NotationError
from chainrule.notation import Table, Vector, Volume, parse, resolve, table


def by_path(found: Table) -> dict[str, object]:
    return {row.path: row for row in found.rows}


# -- the lectures ------------------------------------------------------------------------------------------------------


def test_d3_worked_table() -> None:
    found = table("INPUT 32x32x1 | CONV5-10 | POOL2 | CONV5-10 | POOL2 | FC-10")
    assert [(row.layer, row.volume, row.parameters) for row in found.rows] == [
        ("INPUT", "32x32x1", 0),
        ("CONV5-10", "32x32x10", 260),
        ("POOL2", "16x16x10", 0),
        ("CONV5-10", "16x16x10", 2510),
        ("POOL2", "8x8x10", 0),
        ("FC-10", "10", 6410),
    ]
    assert [row.memory for row in found.rows] == [4 * n for n in (1024, 10240, 2560, 2560, 640, 10)]
    assert [row.multiply_adds for row in found.rows] == [0, 32 * 32 * 250, 0, 16 * 16 * 2500, 0, 6400]
    assert found.flops == 2 * found.multiply_adds == 2 * (256_000 + 640_000 + 6_400)
    assert found.parameters == 260 + 2510 + 6410
    assert found.output == (10,)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("CONV5-1 /2 | CONV3-1", 9),  # n = 5 + 2 (3 - 1)
        ("CONV5-1 | CONV3-1", 7),
        ("CONV3-1 | CONV5-1", 7),
        ("CONV3-1 | CONV3-1 | CONV3-1", 7),
        ("POOL2 | CONV3-1 | POOL2 | CONV3-1", 16),
        ("CONV3-1 dil2 | CONV3-1 dil4", 13),
        ("CONV3-1 /2 | UPCONV2-1 | CONV3-1", 5),  # three neighbours come from two pixels of the half-size map
    ],
)
def test_d4_receptive_fields(text: str, field: int) -> None:
    assert table(f"INPUT 64x48x1 | {text}").field == (field, field)


def test_fields_of_branches_are_the_smallest_interval_that_holds_them() -> None:
    found = by_path(table("INPUT 32x32x4 | RES[CONV3-4 | CONV3-4] | CAT[ ; CONV3-4 ; CONV7-4 dil2] | CONV3-4"))
    assert {path: row.field[0] for path, row in found.items()} == {
        "": 1, "res1": 5, "res1.body.conv1": 3, "res1.body.conv2": 5,
        "cat1": 17, "cat1.branch2.conv1": 7, "cat1.branch3.conv1": 17, "conv1": 19,
    }  # fmt: skip
    shifted = table("INPUT 32x32x4 | CAT[CONV2-4 pad0 | CONV2-4 pad1 ; CONV2-4 pad1 | CONV2-4 pad0 ; CONV1-4]")
    assert shifted.field == (3, 3)


@pytest.mark.parametrize("layer", ["FC-3", "GAP", "LN", "GN2", "IN", "LN | CONV3-4"])
def test_layers_that_mix_positions_see_the_whole_input(layer: str) -> None:
    row = table(f"INPUT 9x12x4 | CONV3-4 | {layer}").rows[-1]
    assert row.whole
    assert row.field == (9, 12)


def test_strides() -> None:
    found = by_path(table("INPUT 64x64x3 | CONV3-8 /2 | POOL2 | UPCONV4-8 /2 pad1 | (UPCONV2-8)*2 | GAP"))
    strides = [row.stride for row in found.values()]
    assert strides == [1, 2, 4, 2, 1, Fraction(1, 2), None]
    apart = table("INPUT 5x5x1 | CAT[CONV1-2 /3 ; CONV1-2 /4]").rows[1]
    assert (apart.stride, apart.field) == (None, (2, 2))  # at the second position, pixels 3 and 4
    first = table("INPUT 16x16x1 | CAT[CONV1-2 /4 pad4 ; CONV1-2 /3]").rows[1]
    assert first.field == (5, 5)  # at the first position, pixels -4 and 0


def test_vectors_have_no_field() -> None:
    found = table("INPUT 784 | BN | FC-100 | MAXOUT2 | FC-10")
    assert [(row.field, row.stride) for row in found.rows] == [(None, None)] * 5
    assert [row.whole for row in found.rows] == [False, False, True, True, True]
    assert found.parameters == 2 * 784 + 784 * 100 + 100 + 50 * 10 + 10


def test_parameters_of_norms() -> None:
    found = by_path(table("INPUT 8x6x4 | BN | LN | GN2 | IN | LRN"))
    assert [row.parameters for row in found.values()] == [0, 8, 2 * 8 * 6 * 4, 8, 8, 0]


# -- published networks ------------------------------------------------------------------------------------------------

CONVS = " | ".join(f"(CONV3-{k} | RELU)*{n} | POOL2" for k, n in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)))
VGG16 = f"INPUT 224x224x3 | {CONVS} | FC-4096 | RELU | DROPOUT0.5 | FC-4096 | RELU | DROPOUT0.5 | FC-1000"
ALEXNET = (
    "INPUT 227x227x3 | CONV11-96 /4 pad0 | RELU | POOL3 /2 | LRN | CONV5-256 groups2 | RELU | POOL3 /2 | LRN"
    " | CONV3-384 | RELU | CONV3-384 groups2 | RELU | CONV3-256 groups2 | RELU | POOL3 /2"
    " | FC-4096 | RELU | DROPOUT0.5 | FC-4096 | RELU | DROPOUT0.5 | FC-1000"
)
STEM = "INPUT 224x224x3 | CONV7-64 /2 nobias | BN | RELU | POOL3 /2 pad1"


def basic(k: int, stride: int) -> str:
    shortcut = f"; CONV1-{k} /{stride} nobias | BN" if stride > 1 else ""
    return f"RES[CONV3-{k} /{stride} nobias | BN | RELU | CONV3-{k} nobias | BN {shortcut}] | RELU"


def bottleneck(k: int, stride: int, project: bool) -> str:
    shortcut = f"; CONV1-{4 * k} /{stride} nobias | BN" if project else ""
    body = f"CONV1-{k} nobias | BN | RELU | CONV3-{k} /{stride} nobias | BN | RELU | CONV1-{4 * k} nobias | BN"
    return f"RES[{body} {shortcut}] | RELU"


def resnet18() -> str:
    stages = [f"{basic(k, 1 if k == 64 else 2)} | {basic(k, 1)}" for k in (64, 128, 256, 512)]
    return " | ".join([STEM, *stages, "GAP | FC-1000"])


def resnet50() -> str:
    sizes = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
    stages = [f"{bottleneck(k, s, True)} | ({bottleneck(k, 1, False)})*{n - 1}" for k, n, s in sizes]
    return " | ".join([STEM, *stages, "GAP | FC-1000"])


def densenet121() -> str:
    layer = "CAT[ ; BN | RELU | CONV1-128 nobias | BN | RELU | CONV3-32 nobias]"
    transitions = [f"BN | RELU | CONV1-{k} nobias | POOL2 avg" for k in (128, 256, 512)] + ["BN | RELU"]
    blocks = [f"({layer})*{n} | {end}" for n, end in zip((6, 12, 24, 16), transitions)]
    return " | ".join([STEM, *blocks, "GAP | FC-1000"])


def inception(a: int, b: int, c: int, d: int, e: int, f: int) -> str:
    return (
        f"CAT[CONV1-{a} | RELU ; CONV1-{b} | RELU | CONV3-{c} | RELU ; CONV1-{d} | RELU | CONV5-{e} | RELU"
        f" ; POOL3 /1 pad1 | CONV1-{f} | RELU]"
    )


def googlenet() -> str:
    sizes = [
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
        (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None,
        (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    ]  # fmt: skip
    blocks = [inception(*size) if size else "POOL3 /2 ceil" for size in sizes]
    start = (
        "INPUT 224x224x3 | CONV7-64 /2 | RELU | POOL3 /2 ceil | LRN | CONV1-64 | RELU | CONV3-192 | RELU | LRN"
        " | POOL3 /2 ceil"
    )
    return " | ".join([start, *blocks, "GAP | DROPOUT0.4 | FC-1000"])


def test_vgg16() -> None:
    found = table(VGG16)
    assert found.parameters == 138_357_544
    assert found.warnings == ()
    assert found.most_parameters.path == "fc1"
    assert found.most_parameters.parameters == 102_764_544
    assert round(100 * 102_764_544 / found.parameters) == 74
    assert found.most_memory.path == "conv1"
    assert found.memory_half.path == "conv3"  # most memory early
    assert found.multiply_adds == 15_470_264_320
    assert by_path(found)["pool5"].field == (212, 212)


def test_alexnet_of_the_note() -> None:
    found = table(ALEXNET)
    assert found.parameters == 60_965_224
    assert table(ALEXNET.replace(" groups2", "")).parameters == 62_378_344
    volumes = [row.volume for row in found.rows if row.layer.startswith(("CONV", "POOL"))]
    assert volumes == [
        "55x55x96", "27x27x96", "27x27x256", "13x13x256", "13x13x384", "13x13x384", "13x13x256", "6x6x256",
    ]  # fmt: skip
    assert found.warnings == ()
    assert "54.25" in table(ALEXNET.replace("227x227", "224x224")).warnings[0]


@pytest.mark.parametrize(
    ("text", "parameters", "multiply_adds"),
    [
        (resnet18(), 11_689_512, 1_814_073_344),
        (resnet50(), 25_557_032, 4_089_184_256),
        (densenet121(), 7_978_856, 2_834_161_664),
        (googlenet(), 6_998_552, None),
    ],
    ids=["resnet18", "resnet50", "densenet121", "googlenet"],
)
def test_published_counts(text: str, parameters: int, multiply_adds: int | None) -> None:
    found = table(text)
    assert found.parameters == parameters
    assert multiply_adds in (None, found.multiply_adds)
    assert found.warnings == ()  # ResNet's strides of 2 leave out nothing but padding


def test_u_net_by_nesting() -> None:
    level = "CONV3-{k} | RELU | CAT[ ; POOL2 | {inner} | UPCONV2-{k}] | CONV3-{k} | RELU"
    inner = "CONV3-64 | RELU"
    for k in (32, 16, 8):
        inner = level.format(k=k, inner=inner)
    found = table(f"INPUT 64x48x3 | {inner} | CONV1-2")
    assert found.output == (64, 48, 2)
    assert found.rows[-1].stride == 1
    assert by_path(found)["cat1.branch2.cat1.branch2.cat1.branch2.conv1"].output == (8, 6, 64)
    with pytest.raises(NotationError, match="CAT joins channels, and its branches differ"):
        table(f"INPUT 60x48x3 | {inner} | CONV1-2")


# -- shapes that do not fit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why", "remedy"),
    [
        ("CONV3-8 | RELU", "shape is unknown", "add INPUT 32x32x3 | in front"),
        ("FC-8 | RELU", "shape is unknown", "add INPUT 784 | in front"),
        ("INPUT 8x8x3 | FC-10 | CONV3-8", "CONV3-8 works on a volume", "before the first FC"),
        ("INPUT 784 | POOL2", "POOL2 works on a volume", "INPUT like 32x32x3"),
        ("INPUT 8 | GAP", "GAP works on a volume", None),
        ("INPUT 8 | IN", "IN works on a volume", None),
        ("INPUT 8 | LRN", "LRN works on a volume", None),
        ("INPUT 8x8x3 | CONV3-8 groups2", "must divide the 3 channels", "leave groups out"),
        ("INPUT 8x8x12 | CONV3-18 groups9", "must divide the 12 channels", "use groups6"),
        ("INPUT 8x8x6 | GN4", "number of channels that 4 divides", "use GN3"),
        ("INPUT 1x1x4 | GN4", "one number in each group", "fewer groups"),
        ("INPUT 1x1x4 | IN", "leaves only beta", "LN or BN"),
        ("INPUT 15 | MAXOUT2", "multiple of 2", "16 channels"),
        ("INPUT 2x2x4 | POOL2 dil3 pad1", "only padding", "smaller padding"),
        ("INPUT 8x8x4 | RES[CONV3-8]", "shapes differ", "RES[... ; CONV1-8 nobias | BN]"),
        ("INPUT 15x9x4 | RES[CONV3-8 /2]", "shapes differ", "RES[... ; CONV1-8 /2 nobias | BN]"),
        ("INPUT 8x8x4 | RES[CONV3-4 pad0]", "shapes differ", "keep 8x8"),
        ("INPUT 8x8x4 | RES[CONV3-4 ; CONV1-8]", "shapes differ", "CONV1-4"),
        ("INPUT 8x8x4 | RES[FC-4]", "shapes differ", "GAP | FC-4"),
        ("INPUT 100 | RES[FC-50 | RELU]", "shapes differ", "RES[... ; FC-50 nobias]"),
        ("INPUT 8x8x4 | CAT[ ; POOL2]", "differ in rows", "same strides"),
        ("INPUT 8x8x4 | CAT[ ; GAP]", "differ", "every branch in a vector"),
        ("INPUT 65536x65536x300 | RELU", "too large", None),
        ("INPUT 1000x1x1 | UPCONV100-1", "too large", None),
        ("INPUT 1x1x1 | (CAT[ ; ])*50", "too large", None),
        ("INPUT 1x1x1 | (CONV1-1 /1000)*50", "strides multiply", None),
        ("INPUT 1x1x1 | (CAT[CONV1-1 /2 ; CONV1-1 /3])*20", "too many different strides", "same stride"),
    ],
)
def test_what_does_not_fit_is_explained_at_its_column(text: str, why: str, remedy: str | None) -> None:
    with pytest.raises(NotationError) as caught:
        table(text)
    message = str(caught.value)
    assert why in message
    assert remedy is None or remedy in message
    assert message.startswith("column ")
    assert "^" in message.split("\n")[2]


def test_a_projection_that_is_suggested_fits() -> None:
    for shape in ("8x8x4", "15x9x4", "7x8x4", "9x9x4"):
        for body in ("CONV3-8", "CONV3-8 /2", "CONV5-8 /3 | CONV3-6 /2"):
            with pytest.raises(NotationError) as caught:
                table(f"INPUT {shape} | RES[{body}]")
            projection = (caught.value.remedy or "").split("; ")[1].rstrip("]")
            assert table(f"INPUT {shape} | RES[{body} ; {projection}]").rows[1].layer == "RES"


def test_the_shape_may_come_from_outside() -> None:
    assert resolve("CONV3-4 | FC-7", shape=(3, 8, 6)).input == Volume(8, 6, 3)
    assert resolve("INPUT 8x6x3 | CONV3-4 | FC-7", shape=(3, 8, 6)).outputs == 7
    assert resolve("FC-7", shape=(5,)).input == Vector(5)
    assert resolve("CONV3-4", shape=[3, 8, 6]).outputs == 8 * 6 * 4
    with pytest.raises(NotationError, match="expected INPUT 8x6x3, got INPUT 6x8x3"):
        resolve("INPUT 6x8x3 | FC-7", shape=(3, 8, 6))
    for shape in ((), (3, 8), (3, 0, 8), (1, 3, 8, 8)):
        with pytest.raises(NotationError, match="no shape of one example"):
            resolve("FC-7", shape=shape)


# -- forms -------------------------------------------------------------------------------------------------------------


def test_rows_are_named_like_the_modules() -> None:
    found = table("INPUT 8x8x4 | (CONV3-4 | RES[CONV3-4 ; BN] | RELU)*2 | CAT[ ; (CONV3-2)*2] | FC-3")
    assert [row.path for row in found.rows] == [
        "", "conv1", "res1", "res1.body.conv1", "res1.shortcut.bn1", "relu1",
        "conv2", "res2", "res2.body.conv1", "res2.shortcut.bn1", "relu2",
        "cat1", "cat1.branch2.conv1", "cat1.branch2.conv2", "fc1",
    ]  # fmt: skip
    assert [row.depth for row in found.rows] == [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0]


def test_json_and_csv_hold_the_same_rows() -> None:
    found = table("INPUT 9x8x4 | RES[CONV3-4] | UPCONV2-4 | POOL3 | FC-10")
    data = json.loads(json.dumps(found.as_dict()))
    lines = list(csv.DictReader(io.StringIO(found.as_csv())))
    assert len(lines) == len(data["rows"]) == len(found.rows) == 6
    for line, row in zip(lines, data["rows"]):
        assert line["layer"] == row["layer"]
        assert line["output"] == "x".join(map(str, row["output"]))
        for key in ("parameters", "memory_bytes", "multiply_adds", "flops", "depth"):
            assert int(line[key]) == row[key]
        assert line["stride"] == ("" if row["stride"] is None else str(row["stride"]))
        assert [int(line["field_rows"]), int(line["field_columns"])] == row["receptive_field"]
        assert (line["whole_input"] == "yes") is row["whole_input"]
    total = data["total"]
    assert total["parameters"] == sum(row["parameters"] for row in data["rows"]) == found.parameters
    assert total["flops"] == 2 * total["multiply_adds"]
    assert data["most_parameters"] == {"path": "fc1", "share": found.rows[-1].parameters / found.parameters}
    assert data["spec"] == "INPUT 9x8x4 | RES[CONV3-4] | UPCONV2-4 | POOL3 | FC-10"
    assert table(data["spec"]) == found


def test_a_table_shows_itself_in_a_notebook() -> None:
    page = table(parse("INPUT 7x7x3 | POOL2 | FC-10"))._repr_html_()
    assert page.count("<tr>") == 5
    assert "3x3x3" in page
    assert "never reads" in page
