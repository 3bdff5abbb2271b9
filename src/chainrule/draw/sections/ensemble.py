"""What the members of an ensemble reach, and what they reach together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chainrule.draw.facts import Facts
from chainrule.draw.page import Absent, Part, render
from chainrule.draw.sections.absence import absent
from chainrule.draw.sections.evaluation import PARTS, main_part
from chainrule.draw.table import Column, Table, table_html
from chainrule.draw.wording import listing, mapping, plain_text, real

_COMBINED: Final = {"mean": "together: mean probability", "vote": "together: majority vote"}
_MOST: Final = 100


def members_part(facts: Facts) -> Part | Absent | None:
    """Return each member, and all together, on the main part of the data, and on the others folded away."""
    main = main_part(facts)
    if main is None:
        return absent(facts, "evaluation", "Members")
    if not listing(mapping(facts.evaluation[main]).get("members")):
        return None
    body = table_html(members_table(mapping(facts.evaluation[main])))
    for part, entry in facts.evaluation.items():
        if part != main and listing(mapping(entry).get("members")):
            title = f"The same on the {PARTS.get(part, plain_text(part, limit=40))} part"
            body += render("fold.html", title=title, body=table_html(members_table(entry)))
    lead = (
        f"On the {PARTS.get(main, plain_text(main, limit=40))} part; the best of each column is bold. Negative"
        " log-likelihood: how improbable the right classes are held to be. Calibration error: how far confidence is"
        " from accuracy."
    )
    return Part("members", "Members", body, lead, ("B14",))


def members_table(entry: Mapping[str, Any]) -> Table:
    """Return the figures of the members, and of their combinations, as a table.

    Args:
        entry: `facts/evaluation.json` of one part.

    Example:
        >>> one = {"accuracy": 0.9, "nll": 0.3, "ece": 0.02}
        >>> members_table({"members": [one, one], "combined": {"vote": one}}).rows[-1]
        ['together: majority vote', 0.9, 0.3, 0.02]
    """
    columns = [
        Column("network"),
        Column("accuracy", "share", best="high"),
        Column("negative log-likelihood", "number", best="low"),
        Column("calibration error", "share", best="low"),
    ]
    members = [mapping(one) for one in listing(entry.get("members"))[:_MOST]]
    combined = mapping(entry.get("combined"))
    named = [(f"member {number}", one) for number, one in enumerate(members, 1)]
    named += [(words, mapping(combined[name])) for name, words in _COMBINED.items() if name in combined]
    rows = [[name, *(real(one.get(key)) for key in ("accuracy", "nll", "ece"))] for name, one in named]
    return Table("Members", columns, rows)
