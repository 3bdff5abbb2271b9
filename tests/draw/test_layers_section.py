"""The section of the report on what each layer did."""

from __future__ import annotations

from chainrule.draw import report_html
from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent
from chainrule.draw.sections.layers import MOST_LINES, clipped_curve, layers_part


def test_the_layers_of_the_last_look_stand_in_a_table_with_remarks(write, full) -> None:
    page = report_html(write(full))
    section = page.split('id="layers"')[1].split("</section>")[0]
    assert section.index("conv1") < section.index("relu1")
    assert "most of its units are silent" in section
    assert "its weights move by 50 % a step" in section
    assert "9 looks, the last at step 801" in section
    assert "--train.clip_norm 2.5" in section


def test_the_norm_after_clipping_is_drawn_only_where_something_was_clipped(tmp_path) -> None:
    looks = [{"step": step, "norm": 2.0, "norm_after": 1.0} for step in (1, 101)]
    curve = clipped_curve(Facts(tmp_path, layers=looks))
    assert curve is not None
    assert curve.y.tolist() == [1.0, 1.0]
    assert clipped_curve(Facts(tmp_path, layers=[{**look, "norm_after": 2.0000001} for look in looks])) is None
    assert clipped_curve(Facts(tmp_path)) is None


def test_of_many_layers_some_are_drawn_and_all_are_in_the_table(tmp_path) -> None:
    layers = [{"name": f"layer{i}", "kind": "Linear", "update": 1e-3, "gradient": 0.1} for i in range(60)]
    part = layers_part(Facts(tmp_path, layers=[{"step": step, "layers": layers} for step in (1, 51)]))
    assert not isinstance(part, Absent)
    charts, table = part.body.split("<table", 1)
    assert all(f"layer{i}<" in table for i in range(60))
    drawn = {i for i in range(60) if f">layer{i}<" in charts}
    assert len(drawn) == MOST_LINES
    assert {0, 59} <= drawn


def test_a_run_without_looks_says_why(tmp_path) -> None:
    part = layers_part(Facts(tmp_path, {"kind": "recipe", "status": "finished"}))
    assert isinstance(part, Absent)
    assert "train.look_every" in part.why
