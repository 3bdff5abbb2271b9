"""The few lines that end a training."""

from __future__ import annotations

from typing import Any

from chainrule.cli.answer import Answer


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


def run_answer(run: Any, *, confusion: bool = False) -> Answer:
    """Say what a finished run, or a folder of repeated runs, reached and where it stands."""
    if run.info["kind"] == "repeats":
        return repeats_answer({**run.result, "folder": str(run.path)})
    result = run.result or {}
    lines = []
    for part in ("valid", "test"):
        values = result.get(part)
        if values:
            lines.append(f"{part:<6}" + "  ".join(f"{name} {values[name]:.4f}" for name in sorted(values)))
    if "chosen" in result:
        lines.append(_chosen(result["chosen"]))
    lines.append(
        f"best weights of step {result.get('best_step')} of {result.get('steps')}, "
        f"{run.info['parameters']:,} parameters, {result.get('seconds', 0):.1f} s"
        if result.get("steps")
        else f"fitted in {result.get('seconds', 0):.1f} s"
    )
    if run.folder.report.is_file():
        lines.append(f"report  {run.folder.report}")
    data = {"run": str(run.path), **result, "parameters": run.info["parameters"]}
    return Answer(data, "\n".join(lines))


def _chosen(chosen: dict[str, Any]) -> str:
    """What a model that was fitted at once chose, and what the others reached."""
    tried = chosen.get("accuracy") or {}
    words = ", ".join(f"{name} {value}" for name, value in chosen.items() if name != "accuracy")
    return f"chosen  {words}" + (" of " + ", ".join(f"{k} ({v:.4f})" for k, v in tried.items()) if tried else "")
