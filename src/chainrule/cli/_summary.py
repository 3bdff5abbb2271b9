"""The few lines that end a training."""

from __future__ import annotations

from typing import Any

from chainrule.cli.answer import Answer
from chainrule.core.figures import main_figure


def repeats_answer(result: dict[str, Any]) -> Answer:
    """Say what several seeds reached together."""
    lines = [f"{len(result['seeds'])} runs in {result['folder']}, {result['seconds']:.1f} s"]
    for part in ("valid", "test"):
        for metric, spread in result[part].items():
            lines.append(
                f"{part} {metric}: mean {spread['mean']:.4f}, deviation {spread['deviation']:.4f}, "
                f"{spread['minimum']:.4f} to {spread['maximum']:.4f} (n = {len(spread['values'])})"
            )
    lines.append(f"report  {result['folder']}/report.html")
    return Answer(result, "\n".join(lines))


def ensemble_answer(result: dict[str, Any]) -> Answer:
    """Say what the members of an ensemble reach, and what they reach together."""
    from rich.console import Group

    count = len(next(iter(next(iter(result["members"].values())).values()))["values"])
    head = f"{count} members in {result['folder']}, {result['seconds']:.1f} s"
    parts = [
        together_table(part, found, result[part], result["vote"][part], result["gain"][part])
        for part, found in result["members"].items()
    ]
    return Answer(result, Group(head, *parts, f"report  {result['folder']}/report.html"))


def together_table(
    part: str, members: dict[str, Any], together: dict[str, Any], vote: dict[str, Any], gain: dict[str, Any]
) -> Any:
    """Return what members reach, and what they reach together, as a table for the terminal.

    Args:
        part: Of the data.
        members: Metric -> its spread over them.
        together: Metric -> what the mean of their probabilities reaches.
        vote: Metric -> what the majority of their votes reaches.
        gain: Metric -> together - mean of the members.
    """
    from rich.table import Column, Table

    table = Table(part, *(Column(WORDS.get(name, name), justify="right") for name in members), box=None)
    table.add_row("mean of the members", *(_figure(one) for one in members.values()))
    table.add_row("lowest to highest", *(f"{one['minimum']:.4f} to {one['maximum']:.4f}" for one in members.values()))
    table.add_row("mean probability", *(_figure(together.get(name)) for name in members))
    table.add_row("majority vote", *(_figure(vote.get(name)) for name in members))
    table.add_row("gain", *(f"{gain[name]:+.4f}" for name in members))
    return table


WORDS = {"nll": "negative log-likelihood", "ece": "calibration error", "top5": "top-5"}
"""What people call a metric."""


def study_answer(result: dict[str, Any]) -> Answer:
    """Say what each recipe of a study reached."""
    from rich.console import Group
    from rich.table import Column, Table

    members = result["members"]
    figures = {
        part: figure
        for part in ("valid", "test")
        if (figure := main_figure(*(found[part] for found in members.values() if found.get(part))))
    }
    numbers = (*(f"{part} {figure.words}" for part, figure in figures.items()), "parameters", "seconds")
    table = Table("recipe", *(Column(name, justify="right") for name in numbers), box=None)
    for label, found in members.items():
        reached = [_figure((found.get(part) or {}).get(figure.metric)) for part, figure in figures.items()]
        table.add_row(label, *reached, f"{found['parameters']:,}", f"{found.get('seconds', 0):.1f}")
    head = f"{len(members)} recipes in {result['folder']}, {result['seconds']:.1f} s"
    return Answer({"folder": result["folder"], **result}, Group(head, table, f"report  {result['folder']}/report.html"))


def _figure(value: Any) -> str:
    """One number, or mean and deviation of several seeds."""
    if isinstance(value, dict):
        return f"{value['mean']:.4f} ± {value['deviation']:.4f}"
    return "" if value is None else f"{value:.4f}"


SEVERAL = {"repeats": repeats_answer, "ensemble": ensemble_answer, "study": study_answer}
"""Kind of a folder of several runs -> what is said of it."""


def run_answer(run: Any, *, confusion: bool = False) -> Answer:
    """Say what a finished run, or a folder of several, reached and where it stands."""
    if run.info["kind"] in SEVERAL:
        return SEVERAL[run.info["kind"]]({**run.result, "folder": str(run.path)})
    if run.info["kind"] == "search":
        from chainrule.cli._search_shown import search_answer

        found = run.folder.read_json(run.folder.facts / "search.json")
        return search_answer({"folder": str(run.path), **found})
    result = run.result or {}
    lines = []
    for part in ("valid", "test"):
        values = result.get(part)
        if values:
            lines.append(f"{part:<6}" + "  ".join(_value(name, values[name]) for name in sorted(values)))
    if skipped := result.get("skipped"):
        lines.append(_skipped(skipped))
    if "chosen" in result:
        lines.append(_chosen(result["chosen"]))
    lines.append(
        f"best weights of step {result.get('best_step')} of {result.get('steps')}, "
        f"{run.info['parameters']:,} parameters, {result.get('seconds', 0):.1f} s"
        if result.get("steps")
        else f"{_without_steps(run)}, {run.info['parameters']:,} parameters, {result.get('seconds', 0):.1f} s"
    )
    if run.folder.report.is_file():
        lines.append(f"report  {run.folder.report}")
    data = {"run": str(run.path), **result, "parameters": run.info["parameters"]}
    return Answer(data, "\n".join(lines))


def _value(name: str, value: float) -> str:
    """A metric, or how many examples of the part could not be read."""
    return f"left out {value:.0f}" if name == "skipped" else f"{name} {value:.4f}"


def _skipped(skipped: dict[str, Any]) -> str:
    """How many training examples could not be read, and the first of them."""
    some = ", ".join(skipped["examples"][:3]) + (", ..." if len(skipped["examples"]) > 3 else "")
    counts = f"{skipped['count']:,} of {skipped['seen']:,} training examples seen"
    return f"{counts} cannot be read and were replaced: {some}"


def _without_steps(run: Any) -> str:
    """Where the weights of a run without steps are from."""
    if "chosen" in run.result:
        return "fitted at once"
    weights = run.recipe.model.weights
    return "nothing was trained" if weights is None else f"the weights {weights} as they are"


def _chosen(chosen: dict[str, Any]) -> str:
    """What a model that was fitted at once chose, and what the others reached."""
    tried = chosen.get("accuracy") or {}
    words = ", ".join(
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in chosen.items()
        if name != "accuracy"
    )
    return f"chosen  {words}" + (" of " + ", ".join(f"{k} ({v:.4f})" for k, v in tried.items()) if tried else "")
