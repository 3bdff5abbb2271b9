"""The measured part of `docs/reliability.md`."""

from __future__ import annotations

from marked import Found, Part, table

DRAWN = {"kills-saving", "kills-training", "bits", "retention", "signals", "restarts", "signals-shared"}
"""Parts whose trials are independent of each other."""


def _survival(found: Found) -> list[str]:
    """How often each fault was tried, and how often what must hold did not."""
    rows = [
        [part["what"], part["holds"], f"{part['tried']:,}", part["bad"], _bound(name, part), part["date"][:10]]
        for name, part in found["parts"].items()
    ]
    return [
        *table(["what is done", "what must hold", "times", "did not hold", "95 % bound", "date"], rows),
        "",
        "The bound: if nothing fails in N independent trials, the true share of failures is below about 3 / N with a",
        "confidence of 95 %. It is stated where the trials are independent draws.",
    ]


def _bound(name: str, part: Found) -> str:
    if part["bad"] or name not in DRAWN:
        return ""
    return f"{100 * 3 / part['tried']:.2g} %"


SURVIVAL: dict[str, Part] = {"survival": _survival}
"""Name of a result -> its lines."""
