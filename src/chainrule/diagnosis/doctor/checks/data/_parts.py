"""Training and validation exchanged, or cut so that they overlap: what the program says, and how many there are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, line_of, spelled
from chainrule.diagnosis.doctor.checks.data._facts import Facts, facts
from chainrule.diagnosis.doctor.findings import Fact, Finding

_TRAIN = ("train", "tr", "fit")
_TEST = ("test", "val", "valid", "validation", "dev", "te", "va", "held", "holdout", "tst")


class Exchanged(NamedTuple):
    """Where parts are given the other's name, and what is wrong with it."""

    node: ast.AST
    how: str


@check("split-parts-exchanged")
def parts_exchanged(case: Case) -> Iterator[Finding]:
    """Read how the parts of a split are named, and count what each was used for."""
    known = facts(case)
    found = _by_name(case)
    seen, asked = len(known.known), _asked(known)
    if found is None or not seen or (asked and seen >= asked):
        return
    yield Finding(
        "split-parts-exchanged",
        f"Training and validation are exchanged: {found.how}.",
        "fault",
        0.94 if asked else 0.7,
        (
            Fact("different examples in training", str(seen)),
            Fact("in the validation", str(asked)),
            Fact("split", spelled(found.node)[:110]),
        ),
        change="x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2): of each array first the part "
        "to train on, then the other",
        where=case.place(line_of(case, found.node)),
        explains=("overfits", "more-parameters-than-examples", "class-missing", "too-few-steps", "underfits"),
    )


def _asked(known: Facts) -> int:
    return 0 if known.valid is None else len(known.valid.inputs)


def _kind(name: str) -> str:
    parts = name.lower().replace(".", "_").split("_")
    words = [*parts, *(part.lstrip("xy") for part in parts)]
    if any(word.startswith(_TRAIN[0]) or word in _TRAIN for word in words):
        return "train"
    return "test" if any(word in _TEST for word in words) else ""


def _by_name(case: Case) -> Exchanged | None:
    """A split of which the first part is called test, or that leaves most to the validation."""
    for node in ast.walk(case.source.tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Tuple):
            continue
        kinds = [_kind(spelled(element)) for element in node.targets[0].elts]
        call = next(calls(node.value, frozenset({"train_test_split"})), None)
        if call is not None and len(kinds) == 2 * len(call.args):
            if all(kind == ("test", "train")[place % 2] for place, kind in enumerate(kinds)):
                return Exchanged(node, "of each array train_test_split gives the part to train on first")
            if (share := _test_share(call)) is not None and share > 0.55:
                return Exchanged(node, f"{share:.0%} of the examples are left to the validation")
        if call is not None and len(kinds) == 2 * len(call.args) and kinds == ["train", "train", "test", "test"]:
            return Exchanged(node, "train_test_split gives both parts of the first array, then those of the next")
        drawn = next(calls(node.value, frozenset({"random_split"})), None)
        if drawn is not None and len(kinds) == 2 and len(drawn.args) > 1 and isinstance(drawn.args[1], ast.List):
            sizes = [_number(element) for element in drawn.args[1].elts]
            named = len(sizes) == 2 and None not in sizes and set(kinds) == {"train", "test"}
            if named and (sizes[kinds.index("train")] or 0) < (sizes[kinds.index("test")] or 0):
                return Exchanged(node, "the larger part is called validation")
    return None


def _test_share(call: ast.Call) -> float | None:
    for keyword in call.keywords:
        value = _number(keyword.value)
        if value is not None and 0 < value < 1:
            if keyword.arg == "test_size":
                return value
            if keyword.arg == "train_size":
                return 1 - value
    return None


def _number(node: ast.AST) -> float | None:
    found = node.value if isinstance(node, ast.Constant) else None
    return float(found) if isinstance(found, (int, float)) else None
