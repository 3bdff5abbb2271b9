"""The page of some predictions: each picture, how probable its classes are, and its nearest training examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.draw.answers import answers_html
from chainrule.draw.page import Part, render
from chainrule.draw.picture import is_picture
from chainrule.draw.sections.evaluation import is_small
from chainrule.draw.wording import number_text, plain_text, real, share_text


def predictions_html(name: str, predictions: Sequence[Mapping[str, Any]], *, count: int | None = None) -> str:
    """Return the page.

    Args:
        name: Of the run.
        predictions: Each `{"source", "label", "probability", "top": [(class, probability), ...], "picture": data URI or
            None, "neighbors": [{"label", "distance", "votes", "source", "picture"}, ...]}`, the nearest first.
        count: How many there were, where not all are drawn.

    Example:
        >>> cat = {"source": "a.png", "label": "cat", "probability": 0.9, "top": [("cat", 0.9), ("dog", 0.1)]}
        >>> page = predictions_html("pets", [{**cat, "picture": None, "neighbors": []}])
        >>> page.count("<li>"), "90.0 %" in page
        (3, True)
    """
    total = len(predictions) if count is None else count
    note = f"The first {len(predictions):,} of {total:,} pictures are drawn." if total > len(predictions) else ""
    body = render("predictions.html", predictions=[_shown(one) for one in predictions], note=note)
    lead = "Each picture as the network was given it, and how probable it takes the classes to be."
    if any(one.get("neighbors") for one in predictions):
        lead += (
            " Below: the nearest training examples, the nearest first; those that vote are framed, solid where their"
            " class is the answer."
        )
    part = Part("predictions", "Predictions", body, lead, ("A1", "A2") if "nearest" in lead else ("A1",))
    return answers_html(name, part, count=total)


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    picture = one["picture"] if is_picture(one["picture"]) else None
    label = plain_text(one["label"], limit=120)
    return {
        "source": plain_text(one["source"], limit=300),
        "label": label,
        "probability": share_text(one["probability"]),
        "picture": picture,
        "pixelated": picture is not None and is_small(picture),
        "top": [
            {"name": plain_text(name, limit=80), "share": share_text(chance), "bar": f"{100 * (real(chance) or 0):.1f}"}
            for name, chance in one["top"]
        ],
        "neighbors": [_neighbor(near, label) for near in one["neighbors"]],
    }


def _neighbor(near: Mapping[str, Any], answer: str) -> dict[str, Any]:
    name = plain_text(near["label"], limit=80)
    picture = near["picture"] if is_picture(near["picture"]) else None
    where = plain_text(near["source"], limit=300) or f"training example {near['index']}"
    return {
        "name": name,
        "distance": number_text(near["distance"], digits=3),
        "picture": picture,
        "pixelated": picture is not None and is_small(picture),
        "alt": f"{name}, at a distance of {number_text(near['distance'])}: {where}",
        "votes": bool(near["votes"]),
        "right": name == answer,
    }
