"""A diagnosis in words, the same for terminal, page and notebook."""

from __future__ import annotations

from chainrule.diagnosis.doctor.findings import Diagnosis, Finding, Tried
from chainrule.draw.wording import count_text, duration_text, number_text

FULL = 5
"""Findings that are told in full; of those behind them the title."""
_SURE = ((0.95, "certain"), (0.85, "almost certain"), (0.6, "likely"), (0.4, "possible"), (0.0, "a guess"))


def sure_text(finding: Finding) -> str:
    """How sure a finding is, in words and percent.

    Example:
        >>> sure_text(Finding("rate-too-high", "the rate is too high", "fault", 0.9))
        'fault, almost certain (90 %)'
    """
    word = next(word for least, word in _SURE if finding.sure >= least)
    return f"{finding.level}, {word} ({100 * finding.sure:.0f} %)"


def verdict(diagnosis: Diagnosis) -> str:
    """The answer in one sentence.

    Example:
        >>> verdict(Diagnosis("train.py", ()))
        'train.py: nothing is wrong with this training as far as can be seen.'
    """
    name = diagnosis.subject
    serious = [each for each in diagnosis.findings if each.level != "note"]
    if not serious:
        return f"{name}: nothing is wrong with this training as far as can be seen."
    first = serious[0]
    title = _sentence(first.title)
    if first.level == "fault":
        found = "This is wrong" if first.sure >= 0.85 else "This is probably wrong"
        return f"{name}: {found}: {title}"
    return f"{name}: no clear fault. First worth a look: {title}"


def _sentence(title: str) -> str:
    return title if title.endswith((".", "!", "?")) else f"{title}."


def tried_text(tried: Tried) -> str:
    """What came of the change.

    Example:
        >>> tried_text(Tried("rate 0.1", "loss 2.3", "loss 0.4", True))
        'rate 0.1. Before: loss 2.3; then: loss 0.4. It helped.'
    """
    outcome = "helped" if tried.helped else "did not help"
    return f"{tried.change}. Before: {tried.before}; then: {tried.after}. It {outcome}."


def seen_text(diagnosis: Diagnosis) -> str:
    """What was watched, and how long it took."""
    seen = diagnosis.seen
    taken, gradients = seen.get("steps"), seen.get("backward passes")
    what = _count(taken, "step") if taken or not gradients else f"{count_text(gradients)} calls of backward"
    said = f"Watched: {what} in {duration_text(seen.get('seconds'))}"
    if seen.get("first loss") is not None:
        said += f", loss {number_text(seen['first loss'])} at first and {number_text(seen.get('last loss'))} at last"
    if seen.get("complete") is False and not seen.get("error"):
        said += "; ended before its end"
    asked = f"{_count(len(diagnosis.asked), 'cause')} looked for in {duration_text(diagnosis.seconds)}"
    return f"{said}. {asked}."


def _count(number: object, what: str) -> str:
    return f"{count_text(number)} {what}" + ("" if number == 1 else "s")


def left_out(diagnosis: Diagnosis) -> list[str]:
    """What was not looked for, and why; checks that failed themselves."""
    reasons: dict[str, list[str]] = {}
    for label, why in diagnosis.skipped.items():
        reasons.setdefault(why, []).append(label)
    lines = [f"Not looked for, as {why}: {', '.join(labels)}." for why, labels in reasons.items()]
    return lines + [
        f"The check {name} failed itself ({error}): a bug of ours, please report it."
        for name, error in diagnosis.broken.items()
    ]
