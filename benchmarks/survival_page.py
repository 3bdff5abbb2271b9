"""The table of `docs/reliability.md`, from `results/survival.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marked import table

Found = dict[str, Any]
DRAWN = {"kills-saving", "kills-training", "bits", "retention", "signals", "restarts"}
"""Parts whose trials are independent of each other."""
BEGIN, END = "<!-- measured: survival begin -->", "<!-- measured: survival end -->"


def survival_page(text: str, found: Found, machine: Callable[[Found], str]) -> str:
    """The page with its table renewed.

    Args:
        text: The page as it is.
        found: The result; empty where nothing was measured.
        machine: A result -> where it was measured, in words.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, *(_lines(found, machine) if found else ["Not measured yet."]), END + after])


def _lines(found: Found, machine: Callable[[Found], str]) -> list[str]:
    rows = [
        [part["what"], part["holds"], f"{part['tried']:,}", part["bad"], _bound(name, part), part["date"][:10]]
        for name, part in found["parts"].items()
    ]
    return [
        *table(["what is done", "what must hold", "times", "did not hold", "95 % bound", "date"], rows),
        "",
        f"`python benchmarks/survival.py`, {machine(found)}.",
        "The bound: if nothing fails in N independent trials, the true share of failures is below about 3 / N with a",
        "confidence of 95 %. It is stated where the trials are independent draws.",
    ]


def _bound(name: str, part: Found) -> str:
    if part["bad"] or name not in DRAWN:
        return ""
    return f"{100 * 3 / part['tried']:.2g} %"
