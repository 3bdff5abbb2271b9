"""The part of `docs/doctor.md` that says how often the doctor is right, from what `doctor/ask.py` has measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Found = dict[str, Any]
BEGIN, END = "<!-- doctor figures: begin -->", "<!-- doctor figures: end -->"
TOOLS = {
    "doctor": "chainrule doctor",
    "doctor-third": "chainrule doctor, asked later",
    "doctor-fourth": "chainrule doctor, asked last",
    "doctor-neuraldbg": "neuraldbg 1.3.2",
    "doctor-torchdiag": "torchdiag 0.1.0",
}
"""Result -> what its column is called."""
OWN = ("doctor", "doctor-third", "doctor-fourth")
"""Results of which the misses are told."""
ROWS = {
    "the fault is the first finding": "first, mean over kinds",
    "it is among the first three": "in three, mean over kinds",
    "something is found in a faulty program": "something above a note, of faulty runs",
    "nothing above a note in a healthy one": "healthy and quiet",
}


def doctor_page(text: str, read: Callable[[str], Found], machine: Callable[[Found], str]) -> str:
    """The page with its figures renewed.

    Args:
        text: The page as it is.
        read: Name of a result -> the result, empty where nothing was measured.
        machine: A result -> where it was measured, in words.
    """
    found = {name: result for name in TOOLS if (result := read(name))}
    lines = _table(found, machine) if "doctor" in found else ["Not measured yet."]
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def _table(found: dict[str, Found], machine: Callable[[Found], str]) -> list[str]:
    lines = [
        "| mean over kinds of fault | "
        + " | ".join(f"{TOOLS[name]}, {each['kinds']} kinds" for name, each in found.items())
        + " |",
        "| --- |" + " --- |" * len(found),
        *(
            f"| {row} | " + " | ".join(_percent(each[key]) for each in found.values()) + " |"
            for row, key in ROWS.items()
        ),
    ]
    for name in OWN:
        if name in found:
            lines += ["", *_asked(found[name], machine)]
    return lines


def _asked(one: Found, machine: Callable[[Found], str]) -> list[str]:
    """How it was asked, and what it missed."""
    lines = [
        f"`{one['command']}`: {one['faulty runs']} runs of faulty programs and {one['healthy runs']} of healthy ones, "
        f"{_count(len(one['seeds']), 'seed')}; one took {one['seconds, median']:.0f} s (the middle one) to "
        f"{one['seconds, most']:.0f} s, {one['date'][:10]}, {machine(one)}.",
    ]
    if known := one.get("known beforehand"):
        rest = [run for run in one["runs"] if run["kind"] is not None and run["kind"] not in known]
        named = sum(run["place"] == 1 for run in rest)
        lines[0] += (
            f" The descriptions of {len(known)} of these kinds were known before: of the others it named "
            f"{named} of {len(rest)} first."
        )
    if one["missed"]:
        lines += [
            "",
            "Kinds that it did not name first each time; the place in each run, - where it was not named:",
            "",
        ]
        lines += [
            f"- {kind}: {', '.join('-' if p is None else str(p) for p in places)}"
            for kind, places in one["missed"].items()
        ]
    if one["accused"]:
        lines += ["", "Healthy programs with something above a note:", ""]
        lines += [f"- {each}" for each in one["accused"]]
    return lines


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")
