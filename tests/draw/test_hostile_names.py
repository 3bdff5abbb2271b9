"""Forty payloads in every place where text from outside comes in: no new element, no new attribute."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from chainrule.draw import report_html

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "</textarea><img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    '" autofocus onfocus=alert(1) x="',
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "` onmouseover=alert(1)",
    "--><script>alert(1)</script><!--",
    "<!--<script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+",
    "https://example.org/x.png",
    "//example.org/x.js",
    "<link rel=stylesheet href=//example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=//example.org'>",
    "<base href=//example.org/>",
    "<form action=//example.org><input name=a>",
    "<object data=//example.org></object>",
    "<math><mtext></mtext><script>alert(1)</script></math>",
    "<style>*{background:url(//example.org)}</style>",
    "x;background:url(//example.org)",
    "{{ 7*7 }}{% for x in y %}",
    "{{ ''.__class__.__mro__ }}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "\u2028<script>alert(1)</script>\u202e\u0000\u001b[31m",
    "%3Cscript%3Ealert(1)%3C/script%3E\\u003cscript\\u003e",
]
BENIGN = "harmless name of a thing"


class Shape(HTMLParser):
    """The elements of a page with the names of their attributes; the values that could run or fetch; the raw text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.risky: list[str] = []
        self.comments: list[str] = []
        self.text = ""
        self.json: list[str] = []
        self._script = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.risky += [
            f"{name}={value}" for name, value in attrs if name.startswith("on") or name in ("src", "href", "style")
        ]
        self._script = tag == "script" and ("type", "application/json") in attrs
        if self._script:
            self.json.append("")

    def handle_endtag(self, tag):
        self._script = False

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        if self._script:
            self.json[-1] += data
        else:
            self.text += data


def poisoned(full: dict, plane: dict, text: str, many: dict) -> dict:
    """Facts with the text in every place that holds one."""
    files = json.loads(json.dumps(full))
    files["metrics.jsonl"] = files["metrics.jsonl"][:50]
    run, data = files["run.json"], files["facts/data.json"]
    run |= {"name": text, "command": text, "parent": text, "created": text, "status": "failed", "error": text}
    run["environment"] = {text: text, "device": text, "list": [text]}
    run["program"] = {"file": text}
    one_line = " ".join(text.split())
    files["recipe.yaml"] = f"# {one_line}\nformat: 1\nmodel: {{name: cnn}}\n"
    for line in files["metrics.jsonl"][:40]:
        line |= {text: 1.0, f"{text} 2": "NaN"}
    files["metrics.jsonl"].append({"step": 900, "part": text, "loss": 1.0})
    files["events.jsonl"].append({"event": text, text: text, "step": text})
    files["timing.jsonl"][0]["part"] = text
    for entry in files["facts/evaluation.json"].values():
        entry["classes"][2] = text
        entry["per_class"][2]["name"] = text
        entry["confusion"][2][3] = 5
        entry["mistakes"][0] |= {"source": text, "index": text, "truth": 2}
        entry["mistakes"][1] |= {"picture": text, "truth": text, "probability": text, "loss": text}
    files["facts/evaluation.json"][text] = {**many, "classes": [text, *many["classes"][1:]]}  # a map
    files["facts/network.json"][1] |= {"name": text, "kind": text, "output": [text, 3]}
    data |= {"name": text, "source": text, "licence": text, "note": text}
    data["parts"][text] = 3
    data["counts"][text] = [1] * 10
    data["classes"][1] = text
    data["normalization"] = {text: text}
    data["augment"] = {text: {text: [text]}}
    data["samples"].append(text)
    weights, regions = files["facts/weights.json"], json.loads(json.dumps(plane["facts/regions.json"]))
    weights |= {"layer": text, "labels": [text] * 32}
    weights["pictures"].append(text)
    regions["classes"][1] = text
    files["facts/regions.json"] = regions
    return files


@pytest.fixture
def many(make_evaluation) -> dict:
    return make_evaluation([f"class {number}" for number in range(30)], part="other")


SHAPES: list[Shape] = []


def benign_shape(full: dict, plane: dict, many: dict, write) -> Shape:
    if not SHAPES:
        SHAPES.append(Shape(report_html(write(poisoned(full, plane, BENIGN, many)))))
    return SHAPES[0]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_is_only_text(write, full, plane, many, payload):
    page = report_html(write(poisoned(full, plane, payload, many)))
    expected = benign_shape(full, plane, many, write)
    found = Shape(page)
    assert found.shape == expected.shape
    assert found.comments == []
    assert not [value for value in found.risky if value.startswith("on")]
    for value in found.risky:
        name, _, link = value.partition("=")
        if name != "style":
            assert link.startswith(("#", "data:image/png;base64,", "data:text/csv;base64,", "data:,"))
        else:
            assert "url" not in value
    visible = payload.replace("\x00", r"\x00").replace("\x1b", r"\x1b")
    assert found.text.count(visible) >= 20  # it is shown, as it is
    assert any(json.loads(block).get("names", [""])[0] == visible for block in found.json)


@pytest.mark.parametrize("payload", PAYLOADS[::4])
def test_a_payload_is_only_text_in_a_comparison(write, full, linear, plane, many, payload):
    def compared(text: str) -> Shape:
        return Shape(report_html([write(poisoned(full, plane, text, many)), write(linear)]))

    assert compared(payload).shape == compared(BENIGN).shape


def test_folder_names_are_text_too(write, loop):
    loop["run.json"] = None
    name = "<img src=x onerror=alert(1)>"
    assert Shape(report_html(write(loop, name))).shape == Shape(report_html(write(loop, "plain"))).shape


def test_names_of_all_scripts_and_emoji_stay_whole(write, full):
    names = ["größe", "猫", "قطة", "🙂🙃", "a\u0301", "Ω", "日本", "x" * 300, "", "half \ud800"]
    full["facts/evaluation.json"]["test"]["classes"] = names
    page = report_html(write(full))
    page.encode("utf-8")
    assert r"half \ud800" in page
    for name in names[:7]:
        assert f"<bdi>{name}</bdi>" in page
    assert "x" * 300 not in page  # cut, with an ellipsis
