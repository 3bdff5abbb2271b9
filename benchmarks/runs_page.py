"""The measured parts of the pages about ensembles, several processes and export."""

from __future__ import annotations

from collections.abc import Callable

from marked import Found, Part, table

SHOWN = {"accuracy": "accuracy", "nll": "negative log-likelihood", "ece": "calibration error"}
WAYS = ("the run", "the run, compiled", "torch.export", "onnxruntime", "onnxruntime, int8")
UNTIMED = "Times are not told: the machine had other work."
UNITS = ((1 << 20, "MiB"), (1 << 10, "KiB"))


def _ensembles(found: Found) -> list[str]:
    """Members, what they reach together, and the gain, for each recipe and part of the data."""
    lines: list[str] = []
    for recipe, one in found["recipes"].items():
        rows = []
        for part in ("valid", "test"):
            apart, together, vote = one["spread"][part], one[part], one["vote"][part]
            for title, figures in (
                ("mean of the members", {name: apart[name]["mean"] for name in SHOWN}),
                ("together, mean probability", together),
                ("together, vote", vote),
                ("gain of the mean probability", one["gain"][part]),
            ):
                signed = title.startswith("gain")
                rows.append([f"{title}, {part}", *(_shown(name, figures[name], signed=signed) for name in SHOWN)])
        average = one["average of weights, valid"]
        rows.append(["average of the weights, valid", *(_shown(name, average[name]) for name in SHOWN)])
        lines += ["", *table([f"{one['members']} members of {recipe}", *SHOWN.values()], rows)]
        lines += ["", f"`{one['command']}`"]
    return lines[1:]


def _shown(name: str, value: float, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.2f} {'points' if signed else '%'}" if name == "accuracy" else f"{value:{sign}.4f}"


def _processes(found: Found) -> list[str]:
    """Seconds of a step, and how many times as fast as one process."""
    one = found["seconds"]["one process"]
    rows = [[name, f"{1000 * seconds:.0f}", f"{one / seconds:.2f}"] for name, seconds in found["seconds"].items()]
    return table(["", "milliseconds a step", "times one process on one core"], rows)


def _export(found: Found) -> list[str]:
    """Agreement, accuracy and sizes of each run, then milliseconds, where the machine had nothing else to do."""
    facts, times = [], []
    for name, one in found["runs"].items():
        whole, small = (one["validation part"][form] for form in ("float32", "int8"))
        facts.append(
            [
                f"`{name}`, {one['onnxruntime, int8']['how'].partition(':')[0]}",
                *(f"{one[form]['difference']:.1g}" for form in ("torch.export", "onnxruntime")),
                *(f"{100 * part['accuracy']:.2f} %" for part in (whole, small)),
                f"{small['loss'] - whole['loss']:+.4f}",
                f"{whole['rows']:,}",
                *(_bytes(one["bytes"][file]) for file in ("model.onnx", "model.int8.onnx")),
            ]
        )
        times += [
            [f"`{name}`, {batch.removeprefix('batch ')}", *(one["milliseconds"][batch].get(way, "") for way in WAYS)]
            for batch in one["milliseconds"]
        ]
    head = [
        "run",
        "torch.export differs by",
        "onnx by",
        "right in float32",
        "in int8",
        "-log p",
        "answers",
        "float32",
        "int8",
    ]
    timed = table(["milliseconds a call, inputs", *WAYS], times) if found.get("quiet") is not False else [UNTIMED]
    return [*table(head, facts), "", *timed]


def _regularizers(found: Found) -> list[str]:
    """What each member of the study reached, and how far it had learned its examples by heart."""
    rows = [
        [
            f"`{name}`",
            f"{member['step']:,}",
            f"{member['train loss']:.4f}",
            *(f"{member['test']['loss'][figure]:.3f}" for figure in ("mean", "deviation")),
            *(f"{100 * member['test']['accuracy'][figure]:.2f}" for figure in ("mean", "deviation")),
        ]
        for name, member in found["members"].items()
    ]
    head = ["", "steps", "training loss", "test loss", "deviation", "test accuracy, %", "deviation"]
    return [*table(head, rows), "", f"`{found['command']}`"]


def regularizers_head(found: Found, machine: Callable[[Found], str]) -> str:
    """What stands at the top of the study."""
    reached = [f"{name} {100 * member['test']['accuracy']['mean']:.2f} %" for name, member in found["members"].items()]
    seeds = len(next(iter(found["members"].values()))["seeds"])
    half = len(reached) // 2
    return (
        f"# Measured: test accuracy {', '.join(reached[:half])},\n# {', '.join(reached[half:])};\n"
        f"# n = {seeds} seeds, on {machine(found)}, {found['date'][:10]}:\n#     {found['command']}\n"
    )


def _bytes(count: int) -> str:
    return next((f"{count / size:.1f} {unit}" for size, unit in UNITS if count >= size), f"{count} B")


RUNS: dict[str, Part] = {
    "ensembles": _ensembles,
    "export": _export,
    "processes": _processes,
    "regularizers": _regularizers,
}
"""Name of a result -> its lines."""
