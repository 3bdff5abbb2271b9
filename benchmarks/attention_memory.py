"""What attention costs: n^2 beside n, by formula and as counted, and the memory that long sequences take.

    python benchmarks/attention_memory.py

Writes `results/attention-memory.json`. Two questions (LECTURES H10):

Cost. Of a block of width D with a feed-forward network of 4 D, n tokens take 2 n^2 D multiply-adds in attention
(scores, weighted sum) and 12 n D^2 in the rest: half of the work is quadratic at n = 6 D. Beside it stands what
`chainrule design` counts of a built block.

Memory. Attention over n tokens, forward and backward, by torch's fused kernel (`attend`) and written out (scores,
softmax, weighted sum, each a matrix of n^2 a head), each in a process of its own: the peak of its resident memory above
what it held before. Memory does not depend on what else the machine does, so that no quiet machine is needed; the peak
of the written-out form is not measured above 8192 tokens, where it would take tens of gigabytes.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import write
from torch import Tensor

from chainrule.analysis.design import design_network
from chainrule.nn.attention import Encoder, attend

WIDTH, HEADS = 256, 8
COUNTED = (64, 256, 1024, 1536, 4096, 16384)
HEAD_COUNT, HEAD_DIM = 2, 64
LENGTHS = {"fused": (1024, 2048, 4096, 8192, 16384), "written out": (1024, 2048, 4096, 8192)}


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as its formula says it."""
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1) @ v


KINDS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"fused": attend, "written out": written_out}


def by_formula(n: int) -> dict[str, int]:
    """Multiply-adds of a block."""
    return {"attention": 2 * n * n * WIDTH, "rest": 12 * n * WIDTH * WIDTH}


def counted(n: int) -> dict[str, int]:
    """The same, of a built block, as `chainrule design` counts them."""
    block = Encoder(WIDTH, num_heads=HEADS, depth=1)
    rows = design_network(block, [torch.zeros(1, n, WIDTH)]).rows[1:]
    found = {"attention": 0, "rest": 0}
    for row in rows:
        found["attention" if "scaled_dot_product" in row.label else "rest"] += row.multiply_adds or 0
    return found


def begin_peak() -> int:
    """Forget the greatest resident memory so far, and return what is resident now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def status(word: str) -> int:
    """Bytes of a line of the process's state (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{word}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(word)


def measure_one(kind: str, n: int) -> None:
    """In a child: print how far the peak rises."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)

    def once(count: int) -> None:
        shape = (1, HEAD_COUNT, count, HEAD_DIM)
        q, k, v = (torch.randn(shape, generator=generator).requires_grad_() for _ in range(3))
        KINDS[kind](q, k, v).sum().backward()

    once(64)  # what the libraries allocate once
    before = begin_peak()
    once(n)
    print(json.dumps(status("VmHWM") - before))


def in_child(kind: str, n: int) -> int:
    """Bytes that attention of this kind takes over n tokens."""
    command = [sys.executable, __file__, "--child", kind, str(n)]
    # every tensor in pages of its own, given back when it is gone: none hides in memory that was there before
    own_pages = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    environment = {**os.environ, **own_pages}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = int(json.loads(done.stdout))
    print(f"{kind}, {n} tokens: {found / 2**20:.0f} MiB", file=sys.stderr, flush=True)
    return found


def slope(sizes: dict[int, int]) -> float:
    """The exponent p of memory ~ n^p between the two longest sequences."""
    (n1, a), (n2, b) = sorted(sizes.items())[-2:]
    return round(math.log(b / a) / math.log(n2 / n1), 2)


def main() -> None:
    """Count, measure, and write what came of it."""
    costs: list[dict[str, Any]] = []
    for n in COUNTED:
        formula, found = by_formula(n), counted(n)
        share = found["attention"] / sum(found.values())
        costs.append({"tokens": n, "formula": formula, "counted": found, "share of attention": round(share, 4)})
    memory = {kind: {n: in_child(kind, n) for n in lengths} for kind, lengths in LENGTHS.items()}
    write(
        "attention-memory",
        {
            "what": "peak resident memory, forward and backward, each length in a process of its own, one thread",
            "block": {"width": WIDTH, "heads": HEADS, "feed forward": 4 * WIDTH},
            "multiply-adds": costs,
            "attention": {
                "heads": HEAD_COUNT,
                "numbers a head": HEAD_DIM,
                "type": "float32",
                "pass": "forward, backward",
            },
            "peak bytes": memory,
            "exponent": {kind: slope(sizes) for kind, sizes in memory.items()},
        },
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        measure_one(sys.argv[2], int(sys.argv[3]))
    else:
        main()
