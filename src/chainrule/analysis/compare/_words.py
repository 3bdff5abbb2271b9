"""A comparison in words, as lines of text."""

from __future__ import annotations

import textwrap
from typing import Any

WIDTH = 78


def in_words(found: dict[str, Any]) -> str:
    """The verdict first, then each result, then what explains it."""
    lines = [*_wrapped(_headline(found))]
    if found["results"] or found["missing"]:
        lines.append("")
    width = max((len(name) for name in [*(r["name"] for r in found["results"]), *found["missing"]]), default=0)
    for result in found["results"]:
        lines.append(f"  {result['name']:<{width}}  {_result(result)}")
    for name in found["missing"]:
        lines.append(f"  {name:<{width}}  missing")
    for finding in found["findings"]:
        lines += ["", *_finding(finding)]
    if found["unexplained"]:
        names = ", ".join(found["unexplained"])
        text = f"No slip that is known of {found['title']} gives these numbers for {names}."
        lines += ["", *_wrapped(text + " Look at it on the smallest case, one example, number by number.")]
    for problem in _grouped(found["problems"], found["cases"]):
        lines += ["", *_wrapped(problem)]
    for note in found["notes"]:
        lines += ["", *_wrapped(f"Note: {note}.")]
    return "\n".join(lines)


def _headline(found: dict[str, Any]) -> str:
    title = f"{found['title'][:1].upper()}{found['title'][1:]} ({found['item']})"
    if found["verdict"] == "right":
        return f"{title}: your code agrees with the formula on {found['cases']} of {found['cases']} cases."
    if found["verdict"] == "convention":
        return f"{title}: your code is right, in another convention than the book's."
    return f"{title}: your code does not agree with the formula."


def _result(result: dict[str, Any]) -> str:
    count = f"{result['agrees']} of {result['cases']} cases"
    if result["state"] == "right":
        return f"agrees on {count}"
    if result["state"] == "convention":
        return "agrees in that convention"
    if result["state"] == "weakness":
        return f"agrees on {count}; the others are beyond what it can round"
    if result["state"] == "follows":
        return "is the gradient of what your forward function computes"
    if result["shape"]:
        found, expected = (tuple(result["shape"][key]) for key in ("found", "expected"))
        return f"is wrong: shape {found}, expected {expected}"
    if result["error"] is None:
        return f"is wrong: not finite where it should be; agrees on {count}"
    return f"is wrong: relative error {result['error']:.2g} ({result['worst_case']}); agrees on {count}"


def _finding(finding: dict[str, Any]) -> list[str]:
    sentence = finding["sentence"]
    if finding["kind"] == "convention":
        return _wrapped(
            f"Your code follows the convention of {finding['convention']}: {sentence}.  [{finding['label']}]"
        )
    if finding["kind"] == "weakness":
        return _wrapped(f"Right, with a weak point: {sentence}.  [{finding['label']}]")
    about = f" This explains {', '.join(finding['results'])}." if finding["results"] else ""
    return _wrapped(f"{_capital(sentence, finding['results'])}.{about}  [{finding['label']}]")


def _capital(sentence: str, results: list[str]) -> str:
    """A capital at the beginning, unless it begins with a name."""
    return sentence if sentence.split(" ")[0] in {*results, "out"} else sentence[:1].upper() + sentence[1:]


def _grouped(problems: list[dict[str, str]], count: int) -> list[str]:
    """The same problem on several cases is told once."""
    cases: dict[str, list[str]] = {}
    for problem in problems:
        cases.setdefault(problem["problem"], []).append(problem["case"])
    return [f"{_capital(text, [])} ({_listed(names, count)})." for text, names in cases.items()]


def _listed(names: list[str], count: int) -> str:
    if len(names) == count:
        return "on every case"
    return f"case{'s' if len(names) > 1 else ''}: {', '.join(names)}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
