"""What stands on top: which run this is, how it ended, and its few most important numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from chainrule.core.figures import main_figure
from chainrule.draw.curve import curves
from chainrule.draw.facts import Facts
from chainrule.draw.page import render
from chainrule.draw.wording import (
    count_text,
    duration_text,
    listing,
    mapping,
    number_text,
    plain_text,
    real,
    share_text,
    short_count,
    whole,
)

_TONES = {"finished": "good", "failed": "bad"}
_KINDS = {
    "recipe": "a run of a recipe",
    "module": "a run of a module",
    "log": "a log of a hand-written loop",
    "repeats": "a recipe trained with several seeds",
    "ensemble": "an ensemble: networks that answer together",
    "study": "recipes compared",
    "search": "a search for settings",
}
_PARTS = {"test": "Test", "valid": "Validation", "train": "Training"}


def head_html(facts: Facts) -> Markup:
    """Return the head of a report of one run.

    Example:
        >>> from pathlib import Path
        >>> "digits-cnn" in head_html(Facts(Path("run"), {"name": "digits-cnn", "status": "finished"}))
        True
    """
    return render(
        "head.html",
        kind=_KINDS.get(facts.kind, "a run"),
        name=facts.name,
        status=facts.status if facts.status != "unknown" else "",
        tone=_TONES.get(facts.status, "other"),
        subtitle=_subtitle(facts),
        alarm=plain_text(facts.run.get("error"), limit=600) if facts.status == "failed" else "",
        cards=_cards(facts),
    )


def when(text: Any) -> str:
    """Return an ISO time as people write it, and other text as it is.

    Example:
        >>> when("2026-11-20T14:03:22+00:00"), when("yesterday")
        ('20 November 2026, 14:03 UTC', 'yesterday')
    """
    try:
        moment = datetime.fromisoformat(plain_text(text, limit=60))
    except ValueError:
        return plain_text(text, limit=60)
    offset = moment.utcoffset()
    zone = "" if offset is None else " UTC" if not offset else f" UTC{moment:%z}"
    return f"{moment.day} {moment:%B %Y, %H:%M}{zone}"


def _subtitle(facts: Facts) -> list[str]:
    pieces = [plain_text(facts.run.get("about"), limit=200)] if facts.kind == "study" else []
    pieces += [when(facts.run.get("created")), plain_text(facts.data.get("name"), limit=120)]
    if facts.run.get("parent"):
        pieces.append(f"goes on from {plain_text(facts.run['parent'], limit=160)}")
    if resumed := whole(facts.run.get("resumed")):
        pieces.append("resumed once" if resumed == 1 else f"resumed {resumed:,} times")
    return [piece for piece in pieces if piece]


def _cards(facts: Facts) -> list[dict[str, str]]:
    result = mapping(facts.run.get("result"))
    found = [*_quality_cards(facts), *_first_curve_card(facts), *_best_cards(facts)]
    found += _chosen_card(mapping(result.get("chosen")))
    parameters = facts.run.get("parameters")
    if whole(parameters) is not None:
        found.append(_card("Parameters", short_count(parameters), count_text(parameters)))
    if whole(result.get("steps")) is not None:
        best = whole(result.get("best_step"))
        found.append(
            _card("Steps", count_text(result["steps"]), f"best at {count_text(best)}" if best is not None else "")
        )
    if real(result.get("seconds")) is not None:
        where = plain_text(mapping(facts.run.get("environment")).get("device"), limit=24)
        found.append(_card("Time", duration_text(result["seconds"]), f"on {where}" if where else ""))
    return found


def _quality_cards(facts: Facts) -> list[dict[str, str]]:
    results = mapping(facts.run.get("result"))
    found: list[dict[str, str]] = []
    for part in ("test", "valid"):
        every = {**mapping(facts.evaluation.get(part)), **mapping(results.get(part))}
        measured = {name: value for name, value in every.items() if mapping(value) or real(value) is not None}
        figure = main_figure(measured)
        if figure is None:
            continue
        if spread := mapping(measured[figure.metric]):
            found.append(_spread_card(f"{_PARTS[part]} {figure.words}", spread, is_share=figure.is_share))
        else:
            found.append(_QUALITIES[figure.metric](_PARTS[part], measured))
    return found


def _accuracy_card(part: str, measured: Mapping[str, Any]) -> dict[str, str]:
    """Of classes, and of words that were hidden: then the perplexity too."""
    more = [f"top-5 {share_text(measured['top5'], digits=2)}"] if real(measured.get("top5")) is not None else []
    more += [
        f"{name} {number_text(measured[name])}"
        for name in ("perplexity", "loss")
        if real(measured.get(name)) is not None
    ]
    count = next((found for name in ("words", "count", "pairs") if (found := whole(measured.get(name)))), None)
    more += [f"n = {count_text(count)}"] if count else []
    return _card(f"{part} accuracy", share_text(measured["accuracy"], digits=2), ", ".join(more))


def _bits_card(part: str, measured: Mapping[str, Any]) -> dict[str, str]:
    """Of a language model: bits a character, by which tokenizers can be compared."""
    more = [
        f"{name} {number_text(measured[name])}"
        for name in ("perplexity", "loss")
        if real(measured.get(name)) is not None
    ]
    count = whole(measured.get("characters"))
    more += [f"{count_text(count)} characters"] if count else []
    return _card(f"{part} bits per character", number_text(measured["bits"]), ", ".join(more))


def _bleu_card(part: str, measured: Mapping[str, Any]) -> dict[str, str]:
    """Of what writes sentences that are compared with those of people."""
    score, beam = real(measured["bleu"]), whole(measured.get("beam"))
    more = [*([f"beam {beam}"] if beam else []), *_written(measured)]
    return _card(f"{part} BLEU", "–" if score is None else f"{score:.2f}", ", ".join(more))


def _exact_card(part: str, measured: Mapping[str, Any]) -> dict[str, str]:
    """Of what writes answers that are right or wrong as a whole."""
    return _card(f"{part} exact matches", share_text(measured["exact"], digits=2), ", ".join(_written(measured)))


def _written(measured: Mapping[str, Any]) -> list[str]:
    count = whole(measured.get("translated")) or whole(measured.get("pictures"))
    perplexity = measured.get("perplexity")
    return [
        *([] if perplexity is None else [f"perplexity {number_text(perplexity)}"]),
        *([f"n = {count_text(count)}"] if count else []),
    ]


def _loss_card(part: str, measured: Mapping[str, Any]) -> dict[str, str]:
    return _card(f"{part} loss", number_text(measured["loss"]))


_QUALITIES = {
    "bleu": _bleu_card,
    "exact": _exact_card,
    "bits": _bits_card,
    "accuracy": _accuracy_card,
    "loss": _loss_card,
}
"""Metric of a figure -> the card of one run that is judged by it."""


def _best_cards(facts: Facts) -> list[dict[str, str]]:
    """Of a study: how many recipes are trained, and which is the best."""
    members = mapping(facts.run.get("members"))
    if facts.kind != "study" or not members:
        return []
    found = {label: mapping(one) for label, one in mapping(mapping(facts.run.get("result")).get("members")).items()}
    cards = [_card("Recipes", count_text(len(members)), "" if found else "not all of them are trained")]
    for part in ("test", "valid"):
        measured = {label: metrics for label, one in found.items() if (metrics := mapping(one.get(part)))}
        figure = main_figure(*measured.values())
        if figure is None:
            continue
        means = {label: _mean(metrics[figure.metric]) for label, metrics in measured.items()}
        known = {label: value for label, value in means.items() if value is not None}
        if known:
            best = (max if figure.higher else min)(known, key=lambda label: known[label])
            told = share_text(known[best], digits=2) if figure.is_share else number_text(known[best])
            cards.append(_card(f"Best {part} {figure.words}", told, plain_text(best, limit=64)))
            break
    return cards


def _mean(value: Any) -> float | None:
    """One number, or the mean of several seeds."""
    return real(mapping(value).get("mean")) if isinstance(value, Mapping) else real(value)


def _spread_card(title: str, spread: Mapping[str, Any], *, is_share: bool) -> dict[str, str]:
    deviation, mean = real(spread.get("deviation")), real(spread.get("mean"))
    more = []
    if deviation is not None:
        more = [f"deviation {100 * deviation:.2f} points" if is_share else f"deviation {number_text(deviation)}"]
    count = len(listing(spread.get("values")))
    told = "?" if mean is None else share_text(mean, digits=2) if is_share else number_text(mean)
    return _card(title, told, ", ".join([*more, f"n = {count}"]))


def _chosen_card(chosen: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a model chose that was fitted at once, and why a solver stopped."""
    said = [
        (plain_text(name, limit=20), plain_text(value, limit=24) if real(value) is None else number_text(value))
        for name, value in list(chosen.items())[:6]
        if isinstance(value, str | int | float)
    ]
    if not said:
        return []
    (title, value), *others = said
    return [_card(title.capitalize(), value, ", ".join(" ".join(pair) for pair in others))]


def _first_curve_card(facts: Facts) -> list[dict[str, str]]:
    """For a log without a result: the last value of its loss, or of its first curve."""
    if mapping(facts.run.get("result")).get("valid") or facts.evaluation:
        return []
    found = curves(facts.metrics)
    name = "loss" if "loss" in found else next(iter(found), None)
    if name is None:
        return []
    curve = next((one for one in found[name] if one.part == "valid"), found[name][0])
    finite = curve.finite()
    lowest = f"lowest {number_text(float(finite.min()))}" if finite.size else ""
    title = f"Last {curve.part} {name}" if curve.part else f"Last {name}"
    return [_card(title, number_text(float(curve.y[-1])), lowest)]


def _card(title: str, value: str, more: str = "") -> dict[str, str]:
    return {"title": title, "value": value, "more": "" if more == value else more}
