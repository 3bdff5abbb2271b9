"""The measured parts of `docs/speed.md` and `docs/attention.md`."""

from __future__ import annotations

from marked import Found, Part, table


def over(found: Found, name: str, own: str) -> str:
    """How many times faster `own` is than the other, where that was written down."""
    ratio = found.get(f"{own} over {name}", found.get(f"{name} over {own}"))
    return "" if ratio is None else f"{ratio:.2f}"


def _predict(found: Found) -> list[str]:
    lines: list[str] = []
    for batch in (key for key in found if key.startswith("batch ")):
        part = found[batch]
        rates, differences = part["images a second"], part["largest difference from plain PyTorch, as a share"]
        plain = rates["plain PyTorch"]
        rows = [[name, f"{rate:.1f}", f"{rate / plain:.2f}", differences[name]] for name, rate in rates.items()]
        lines += ["", *table([batch, "images a second", "times plain PyTorch", "largest difference"], rows), ""]
        count = part["images until compiling pays"]
        pays = "and does not pay" if count is None else f"and pays after {count:,} images"
        lines.append(f"Compiling took {part['seconds of compiling']:.0f} seconds {pays}.")
    return lines[1:]


def _throughput(found: Found) -> list[str]:
    lines: list[str] = []
    for what in ("fashion-cnn", "resnet18"):
        part = found[what]
        rows = [[name, f"{rate:.0f}", over(part, name, "ours")] for name, rate in part["images a second"].items()]
        head = [f"{what}, batch {part['batch']}", "images a second", "ours over it"]
        lines += ["", *table(head, rows)]
    return lines[1:]


def _language(found: Found) -> list[str]:
    lines: list[str] = []
    for what in ("lstm-256", "lstm-512", "gpt", "gpt-one-thread"):
        part = found[what]
        rows = [[name, f"{rate:,}", over(part, name, "ours")] for name, rate in part["tokens a second"].items()]
        head = [f"{what}, {part['tokens a step']:,} tokens a step", "tokens a second", "ours over it"]
        lines += ["", *table(head, rows)]
    return lines[1:]


def _neighbors(found: Found) -> list[str]:
    seconds, memory = found["seconds"], found["memory beyond the arrays, MB"]
    own = [name for name in seconds if name.startswith("ours")]
    head = ["", "seconds", *(f"over {name}" for name in own), "memory, MB"]
    return table(
        head,
        [
            [name, f"{value:.2f}", *("" if name in own else over(found, name, one) for one in own), memory[name]]
            for name, value in seconds.items()
        ],
    )


def _fast(found: Found) -> list[str]:
    seconds = found["seconds"]
    rows = [
        [name, f"{value:.1f}", f"{seconds['plain PyTorch'] / value:.1f}", f"{100 * found['accuracy'][name]:.2f} %"]
        for name, value in seconds.items()
    ]
    return table(["", "seconds", "times faster", "test accuracy, mean"], rows)


def _ablation(found: Found) -> list[str]:
    rows = [
        [name, f"{100 * row['accuracy']:.2f} %", f"{100 * row['deviation']:.2f}", f"{row['points lost']:.2f}"]
        for name, row in found["without"].items()
    ]
    return table(["in its place", "validation accuracy", "deviation, points", "points lost"], rows)


def _decoding(found: Found) -> list[str]:
    lines: list[str] = []
    for batch in (key for key in found if key.startswith("batch ")):
        part = found[batch]
        equal = part["share of tokens equal to ours in float32"]
        rows = [
            [
                name,
                f"{rate:.1f}",
                over(part, name, "ours"),
                over(part, name, "ours, int8"),
                f"{100 * equal[name]:.1f} %",
            ]
            for name, rate in part["tokens a second"].items()
        ]
        head = [batch, "tokens a second", "ours over it", "ours, int8, over it", "tokens equal to ours"]
        lines += ["", *table(head, rows)]
    return lines[1:]


def _linear(found: Found) -> list[str]:
    regression = [
        [name, f"{row['seconds']:.2f}", f"{row['times faster']:.1f}", f"{row['softmax objective']:.4f}"]
        for name, row in found["softmax regression"].items()
    ]
    svm = [
        [name, f"{row['seconds']:.2f}", row.get("times faster", 1.0), f"{100 * _accuracy(row):.2f} %"]
        for name, row in found["linear svm"].items()
    ]
    return [
        *table(["softmax regression", "seconds", "times faster", "objective"], regression),
        "",
        *table(["linear SVM", "seconds", "times faster", "test accuracy"], svm),
    ]


def _accuracy(row: Found) -> float:
    return row.get("test accuracy", row.get("test accuracy, mean of five seeds"))


def _attention(found: Found) -> list[str]:
    """What attention costs, counted, and the memory that it takes."""
    rows = [
        [
            f"{each['tokens']:,}",
            f"{each['counted']['attention'] / 1e6:,.1f}",
            f"{each['counted']['rest'] / 1e6:,.1f}",
            f"{100 * each['share of attention']:.1f} %",
        ]
        for each in found["multiply-adds"]
    ]
    head = ["tokens", "attention, millions of multiply-adds", "rest of the block", "share of attention"]
    memory = found["peak bytes"]
    lengths = sorted({int(n) for sizes in memory.values() for n in sizes})
    sizes = [
        [kind, *(f"{memory[kind][str(n)] / 2**20:,.0f}" if str(n) in memory[kind] else "" for n in lengths), power]
        for kind, power in ((kind, f"n^{found['exponent'][kind]}") for kind in memory)
    ]
    ends = ["peak memory, MiB", *(f"{n:,} tokens" for n in lengths), "grows as"]
    return [*table(head, rows), "", *table(ends, sizes)]


def _shards(found: Found) -> list[str]:
    """Pictures a second of each form that they lie in."""
    rates = {name: one["pictures a second"] for name, one in found["sets"].items()}
    rows = [[name, *(f"{rate[name]:,}" for rate in rates.values())] for name in next(iter(rates.values()))]
    told = []
    for name, one in found["sets"].items():
        memory = one["MB of this process after each of 10 passes over the shards"]
        told.append(f"{name} {memory[0]:,.1f} and {memory[-1]:,.1f} MB")
    line = f"Memory of the process after the first and the last of ten passes over the shards: {', '.join(told)}."
    return [*table(["pictures a second", *rates], rows), "", line]


SPEED: dict[str, Part] = {
    "ablation": _ablation,
    "decoding": _decoding,
    "attention-memory": _attention,
    "fast": _fast,
    "predict": _predict,
    "throughput": _throughput,
    "language": _language,
    "neighbors-l2": _neighbors,
    "neighbors-l1": _neighbors,
    "linear": _linear,
    "shards": _shards,
}
"""Name of a result -> its lines."""
