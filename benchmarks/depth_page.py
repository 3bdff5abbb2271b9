"""The page's section on deep networks, from `results/depth.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Machine = Callable[[dict[str, Any]], str]


def depth_section(found: dict[str, Any], machine: Machine) -> list[str]:
    """Lines of `docs/results.md`; none where nothing was measured."""
    if not found:
        return []
    members = found["members"]
    epochs = max(len(member["epochs"]) for member in members.values())
    lines = [
        "",
        "## Why residual networks",
        "",
        f"`python benchmarks/depth.py`, {found['date'][:10]}, {machine(found)}: plain, residual and dense networks of",
        f"about equal parameters at two depths, {epochs} epochs of {found['images']['train']:,} images of "
        f"{found['data']}, one seed,",
        "one thread, all settings alike. Training loss and accuracy are means over the batches of an epoch as",
        "they were seen (moved, mirrored, labels smoothed).",
        "",
        f"| network | parameters | {' | '.join(f'loss, epoch {n + 1}' for n in range(epochs))} | training accuracy "
        "| validation | test |",
        f"| --- | --- | {' | '.join(['---'] * epochs)} | --- | --- | --- |",
    ]
    for name, member in members.items():
        losses = " | ".join(f"{epoch['train loss']:.3f}" for epoch in member["epochs"])
        last = member["epochs"][-1]
        lines.append(
            f"| {name} | {member['parameters']:,} | {losses} | {_percent(last['train accuracy'])} "
            f"| {_percent(last['valid accuracy'])} | {_percent(member['test accuracy'])} |"
        )
    return [*lines, "", *(f"{sentence}" for sentence in _sentences(members))]


def depth_head(found: dict[str, Any], machine: Machine) -> str:
    """What stands at the top of the study."""
    reached = ", ".join(f"{name} {_percent(member['test accuracy'])}" for name, member in found["members"].items())
    half = reached.find("residual")
    return (
        f"# Measured: test accuracy {reached[:half].rstrip()}\n# {reached[half:]};\n"
        f"# one seed, on {machine(found)}, {found['date'][:10]}:\n#     {found['command']}\n"
    )


def _sentences(members: dict[str, Any]) -> list[str]:
    """What the figures say of depth, kind by kind."""
    said = []
    for kind in ("plain", "residual", "dense"):
        own = sorted((name for name in members if name.startswith(kind)), key=lambda name: int(name.split("-")[1]))
        if len(own) < 2:
            continue
        shallow, deep = own[0], own[-1]
        one, other = (members[name]["epochs"][-1]["train loss"] for name in (shallow, deep))
        more = "higher" if other > one else "lower"
        said.append(
            f"- {deep} ends with a training loss {abs(other - one):.3f} {more} than {shallow} ({other:.3f}, {one:.3f})."
        )
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
