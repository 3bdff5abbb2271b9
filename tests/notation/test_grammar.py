"""Reading the notation: what it accepts, what it refuses and where, and that it never fails otherwise."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core.errors import NotationError
from chainrule.notation import Spec, Vector, Volume, format_spec, limits, parse, table
from chainrule.notation.layers import LAYERS
from chainrule.notation.pointwise import Activation, Dropout, DropPath, GroupNorm, Maxout
from chainrule.notation.spatial import Conv, FullyConnected, GlobalPool, Pool, UpConv
from chainrule.notation.tree import Concat, Repeat, Residual


def first(text: str) -> object:
    return parse(text).layers[0]


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("CONV3-64", Conv(3, 64, padding=1)),
        ("conv5-10 /2", Conv(5, 10, stride=2, padding=2)),
        ("CONV3-8 dil2", Conv(3, 8, padding=2, dilation=2)),
        ("CONV3-8 pad0 groups4 nobias", Conv(3, 8, groups=4, bias=False)),
        ("CONV4-8 pad1", Conv(4, 8, padding=1)),
        ("CONV3-8/2 p0", Conv(3, 8, stride=2)),
        ("POOL2", Pool(2, 2)),
        ("POOL3 /2 pad1 avg ceil", Pool(3, 2, 1, average=True, ceil=True)),
        ("POOL2 dil3", Pool(2, 2, dilation=3)),
        ("UPCONV2-16", UpConv(2, 16, 2)),
        ("UpConv4-8 /2 pad1 nobias", UpConv(4, 8, 2, 1, bias=False)),
        ("FC-10", FullyConnected(10)),
        ("fc-10 nobias", FullyConnected(10, bias=False)),
        ("GAP", GlobalPool()),
        ("gn4", GroupNorm(4)),
        ("MaxOut2", Maxout(2)),
        ("LRELU", Activation("LRELU")),
        ("DROPOUT0.5", Dropout(0.5)),
        ("DROPOUT.25", Dropout(0.25)),
        ("dropout0", Dropout(0.0)),
    ],
)
def test_layers_and_their_defaults(text: str, layer: object) -> None:
    assert first(text) == layer


def test_structure() -> None:
    relu, fc = Activation("RELU"), FullyConnected(4)
    assert parse("INPUT 8x6x3 | RELU").input == Volume(8, 6, 3)
    assert parse("input 784 | RELU").input == Vector(784)
    assert parse("RELU").input is None
    assert first("(RELU | FC-4)*3") == Repeat((relu, fc), 3)
    assert first("RES[FC-4]") == first("RES[FC-4 ; ]") == Residual((fc,))
    assert first("RES[FC-4|RELU ; FC-4]") == Residual((fc, relu), (fc,))
    assert first("CAT[ ; RELU ; FC-4]") == Concat(((), (relu,), (fc,)))
    assert first("res[(RELU)*2 | DROPPATH0.1]") == Residual((Repeat((relu,), 2), DropPath(0.1)))
    nested = first("CAT[ ; POOL2 | CAT[ ; RES[RELU]] | UPCONV2-8]")
    assert isinstance(nested, Concat)
    assert isinstance(nested.branches[1][1], Concat)


def test_line_breaks_are_spaces() -> None:
    assert parse("INPUT 8x8x3\n  | CONV3-8 /2\n\t| FC-10\r\n") == parse("INPUT 8x8x3|CONV3-8 /2|FC-10")


def test_nodes_know_their_columns() -> None:
    text = "INPUT 8x8x3 | CONV3-8 /2 | RES[RELU] | (FC-4)*2"
    spans = [node.span for node in parse(text).layers]
    assert [text[a:b] for a, b in spans] == ["CONV3-8 /2", "RES[RELU]", "(FC-4)*2"]


@pytest.mark.parametrize(
    ("text", "column", "why", "remedy"),
    [
        ("", 1, "empty", "INPUT 32x32x3"),
        ("   \n ", 1, "empty", "INPUT 32x32x3"),
        ("INPUT 8x8x3 | CONVV3-64", 15, "no layer CONVV", "did you mean CONV?"),
        ("RELLU | FC-10", 1, "no layer RELLU", "did you mean RELU?"),
        ("FC-10 | LINEAR-10", 9, "no layer LINEAR", "called FC"),
        ("32x32x3 | RELU", 1, "no layer 32x32x3", "INPUT 32x32x3 |"),
        ("INPUT 8x8 | RELU", 1, "shape of one example", "INPUT 32x32x3"),
        ("INPUT | RELU", 1, "shape of one example", "INPUT 784"),
        ("INPUT 0x8x3 | RELU", 1, "out of range", None),
        ("INPUT 70000x1x1 | RELU", 1, "too large", None),
        ("INPUT 8x8x3", 1, "no layer follows", "quotes"),
        ("INPUT 8x8x3 RELU", 13, "| is missing after INPUT", "INPUT 8x8x3 | RELU"),
        ("INPUT 8 | INPUT 8", 11, "only once", None),
        ("CONV3-64 RELU", 10, "| is missing before RELU", "|"),
        ("FC10", 1, "not written like this", "FC-10"),
        ("POOL-2", 1, "not written like this", "POOL2"),
        ("CONV3", 1, "not written like this", "CONV3-64"),
        ("CONV3x3-64", 1, "not written like this", "CONV3-64"),
        ("GN", 1, "not written like this", "GN4"),
        ("RELU6", 1, "not written like this", "no number"),
        ("DROPOUT", 1, "not written like this", "DROPOUT0.5"),
        ("DROPOUT1.0", 1, "probability of dropping", "DROPOUT0.5"),
        ("CONV4-8", 1, "even filter", "CONV4-8 pad0, or pad1"),
        ("CONV0-8", 1, "out of range", None),
        ("CONV3-8 /0", 9, "out of range", None),
        ("FC-99999999999999999999", 1, "out of range", None),
        ("CONV3-8 / 2", 9, "stride is a whole number", "/2"),
        ("CONV3-8 /2 /2", 12, "second stride", "once"),
        ("CONV3-8 padd1", 9, "no option", "did you mean pad?"),
        ("CONV3-8 ceil", 9, "no option ceil", "/s, padp, dild, groupsg, nobias"),
        ("RELU nobias", 6, "no option nobias", "none"),
        ("RELU | pad1", 8, "stands after a layer", "CONV3-64 pad1"),
        ("/2 | RELU", 1, "stands after a layer", "CONV3-64 /2"),
        ("POOL2 pad2", 1, "half its window", "None"),
        ("POOL2 avg dil2", 1, "no dilation", "dil"),
        ("UPCONV2-8 pad2", 1, "cuts off", "padding"),
        ("RELU | | RELU", 6, "missing after this |", None),
        ("RELU |", 6, "missing after this |", None),
        ("| RELU", 1, "missing before this |", None),
        ("RES[RELU | ]", 10, "missing after this |", None),
        ("RELU)", 5, "nothing was opened by (", None),
        ("RELU]", 5, "nothing was opened by [", None),
        ("RELU ; RELU", 6, "none is open", "|"),
        ("RES RELU", 1, "square brackets", "RES["),
        ("RES[RELU", 4, "never closed", "]"),
        ("RES[RELU)", 9, "should close", "]"),
        ("(RELU ; FC-1)*2", 7, "should close", "RES[ ] and CAT[ ]"),
        ("RES[ ; FC-4]", 1, "body of this RES is empty", None),
        ("RES[RELU ; RELU ; RELU]", 1, "one shortcut", "CAT"),
        ("CAT[RELU]", 1, "two or more", "identity"),
        ("(RELU)", 1, "how often", ")*2"),
        ("(RELU)*x", 8, "whole number", ")*2"),
        ("()*2", 1, "group is empty", None),
        ("RELU*2", 5, "round brackets", None),
        ("RELU | DROPPATH0.1", 8, "last item of a RES body", "RES[ ... | DROPPATH0.1]"),
        ("RES[DROPPATH0.1 | RELU]", 5, "last item of a RES body", None),
        ("RES[RELU ; DROPPATH0.1]", 12, "last item of a RES body", None),
        ("RES[RELU] FC-10", 11, "| is missing", None),
        ("RES[RELU] nobias", 11, "closing bracket", None),
        ("INPUT 8×8×3 | RELU", 8, "'×'", "write x"),
        ("RELU, FC-10", 5, "','", "write |"),
        ("CONV３-8", 5, "'３'", None),
    ],
)  # fmt: skip
def test_errors_point_at_the_column_say_why_and_suggest(text: str, column: int, why: str, remedy: str | None) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text)
    error = caught.value
    message, *picture = str(error).split("\n")
    assert error.exit_status == 2
    assert f"column {column}: " in message, message
    assert why in message
    if remedy not in (None, "None"):
        assert remedy in (error.remedy or "")
    assert len(picture) == 2
    assert picture[1].index("^") - 4 == column - 1


def test_the_picture_marks_the_words() -> None:
    with pytest.raises(NotationError) as caught:
        parse("INPUT 8x8x3 | CONVV3-64 | FC-10")
    assert str(caught.value).split("\n")[1:] == [
        "    INPUT 8x8x3 | CONVV3-64 | FC-10",
        "                  ^^^^^^^^^",
    ]


def test_the_picture_of_several_and_of_long_lines() -> None:
    with pytest.raises(NotationError, match="line 2, column 3: there is no layer FOO") as caught:
        parse("RELU\n| FOO\n| FC-10")
    assert str(caught.value).split("\n")[1:] == ["    | FOO", "      ^^^"]
    with pytest.raises(NotationError) as caught:
        parse("RELU | " * 200 + "FOO | " + "RELU | " * 200 + "FC-10")
    line, caret = str(caught.value).split("\n")[1:]
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("FOO")


def test_errors_survive_pickling() -> None:
    with pytest.raises(NotationError) as caught:
        parse("FOO")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "RELU | " * limits.LENGTH,
        "RES[" * 5000,
        "(" * 5000,
        "RES[" * (limits.NESTING + 1) + "RELU" + "]" * (limits.NESTING + 1),
        "(RELU)*10001",
        "(((((RELU)*1000)*1000)*1000)*1000)*1000",
        "FC-" + "9" * 10000,
        "INPUT " + "9" * 10000 + " | FC-1",
        "RELU*" * 3000,
        "CAT[" + ";" * 15000 + "]",
    ],
)
def test_hostile_specifications_are_refused(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert len(str(caught.value)) < 1000


def test_the_deepest_allowed_nesting_works() -> None:
    text = "INPUT 4 | " + "RES[" * limits.NESTING + "RELU" + "]" * limits.NESTING
    assert len(table(text).rows) == limits.NESTING + 2


NUMBERS = st.integers(1, 9).map(str)
WORDS = st.one_of(
    st.sampled_from(sorted(LAYERS)),
    st.sampled_from(["CONV3-4", "POOL2", "FC-3", "GN2", "MAXOUT2", "DROPOUT0.5", "UPCONV2-4", "INPUT", "8x8x4", "12"]),
    st.sampled_from(["|", "|", "|", ";", "[", "]", "(", ")*2", "RES[", "CAT[", "*", "/2", "pad1", "dil2", "groups2"]),
    st.sampled_from(["avg", "ceil", "nobias", "-", ".", "0", "x", "\n", "é"]),
    NUMBERS,
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_gives_a_table_or_a_notation_error(text: str) -> None:
    for spec in (text, f"INPUT 8x8x4 | {text}"):
        with contextlib.suppress(NotationError):
            assert table(spec).rows[0].layer == "INPUT"


@st.composite
def layers(draw: st.DrawFn) -> str:
    def number(low: int = 1, high: int = 99) -> int:
        return draw(st.integers(low, high))

    def maybe(*options: str) -> str:
        return "".join(f" {option}" for option in options if draw(st.booleans()))

    kind = draw(st.sampled_from(sorted(LAYERS)))
    if kind in ("CONV", "UPCONV"):
        options = [f"/{number()}", f"groups{number()}", "nobias", *([f"dil{number()}"] if kind == "CONV" else [])]
        size = number(1, 12)
        return f"{kind}{size}-{number()} pad{number(0, size - 1)}" + maybe(*options)
    if kind == "POOL":
        size = number(1, 12)
        return f"POOL{size}" + maybe(f"/{number()}", f"pad{number(0, size // 2)}", "ceil", "avg")
    if kind == "FC":
        return f"FC-{number()}" + maybe("nobias")
    if kind in ("GN", "MAXOUT"):
        return f"{kind}{number()}"
    if kind == "DROPPATH":
        return f"RES[RELU | DROPPATH{draw(st.sampled_from(['0', '0.1', '.30', '0.00001', '0.123456789']))}]"
    if kind == "DROPOUT":
        return f"DROPOUT{draw(st.floats(0, 0.9999)):.12f}"
    return kind


@st.composite
def chains(draw: st.DrawFn, depth: int = 2) -> str:
    items = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["layer", "layer", "repeat", "res", "cat"])) if depth else "layer"
        inner = [draw(chains(depth - 1)) for _ in range(3)] if kind != "layer" else []
        match kind:
            case "layer":
                items.append(draw(layers()))
            case "repeat":
                items.append(f"({inner[0]})*{draw(st.integers(1, 5))}")
            case "res":
                items.append(f"RES[{inner[0]}]" if draw(st.booleans()) else f"RES[{inner[0]} ; {inner[1]}]")
            case _:
                items.append(f"CAT[{' ; '.join(['', *inner][: draw(st.integers(2, 4))])}]")
    text = draw(st.sampled_from([" | ", "|", "\n| "])).join(items)
    return text.lower() if draw(st.booleans()) else text


@settings(max_examples=300, deadline=None, derandomize=True)
@given(chains(), st.sampled_from(["", "INPUT 784 | ", "input 32x24x3|"]))
def test_parse_undoes_format(chain: str, start: str) -> None:
    tree = parse(start + chain)
    text = format_spec(tree)
    again = parse(text)
    assert again == tree
    assert format_spec(again) == text
    assert isinstance(again, Spec)
