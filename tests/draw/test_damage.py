"""Facts damaged at random places: a section may be lost by it, the report never."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.draw import report_html

FACTS = (
    "run.json",
    "facts/evaluation.json",
    "facts/network.json",
    "facts/data.json",
    "facts/weights.json",
    "facts/regions.json",
)
LINES = ("metrics.jsonl", "layers.jsonl", "events.jsonl", "timing.jsonl")
KEYS = ("step", "part", "loss", "name", "classes", "confusion", "truth", "picture", "output", "labels", "grid", "valid")
ODD = [
    10**400,
    -(10**18),
    1e308,
    -1e308,
    5e-324,
    "NaN",
    "-Infinity",
    float("nan"),
    float("inf"),
    "\ud800",
    "\x00",
    "</script>",
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 30), st.floats(), st.sampled_from(ODD), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=5),
    ),
    max_leaves=12,
)
# The file, the number of the place in it, and what is put there.
DAMAGE = st.tuples(st.sampled_from(FACTS + LINES), st.integers(0, 10**6), JSON)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def damaged(files: dict, name: str, number: int, value: object) -> None:
    found = list(places(files[name]))
    path = found[number % len(found)]
    if not path:
        files[name] = [value] if name in LINES else value
        return
    inner = files[name]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value


@given(st.lists(DAMAGE, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_to_the_facts_stops_a_report(write, full, plane, damages):
    files = json.loads(json.dumps({**full, "facts/regions.json": plane["facts/regions.json"]}))
    files["metrics.jsonl"] = files["metrics.jsonl"][:30]
    for damage in damages:
        damaged(files, *damage)
    folder = write({name: json.dumps(value) if name in FACTS else value for name, value in files.items()}, "damaged")
    for page in (report_html(folder), report_html([folder, folder])):
        page.encode("utf-8")
        assert page.rstrip().endswith("</html>")
        assert page.count("<section ") >= 2


def test_every_truncation_of_a_facts_file_is_a_report(write, full):
    folder = write(full)
    for name in FACTS[:5]:
        whole = (folder / name).read_bytes()
        for share in (0.0, 0.1, 0.5, 0.999):
            (folder / name).write_bytes(whole[: int(share * len(whole))])
            assert f"{name} cannot be read" in report_html(folder)
        (folder / name).write_bytes(whole)


def test_deep_and_binary_files_are_passed_over(write, full):
    folder = write(full)
    (folder / "facts/data.json").write_bytes(b"[" * 200_000)
    (folder / "facts/weights.json").write_bytes(bytes(range(256)) * 40)
    (folder / "recipe.yaml").write_bytes(b"\xff\xfe\x00bad: yes\n")
    page = report_html(folder)
    assert "facts/data.json cannot be read" in page
    assert "facts/weights.json cannot be read" in page
    assert "bad" in page
