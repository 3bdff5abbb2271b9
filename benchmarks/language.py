"""Training tokens a second: our loop beside plain PyTorch loops, Keras 3 and Hugging Face's GPT-2.

    CHAINRULE_DATA=... python benchmarks/language.py [TURNS] [THREADS] [--busy]

- `lstm-256`, `lstm-512`: two layers of so many units over Tiny Shakespeare's characters, embedding 128, 32 lanes of 64
  characters a step, the state carried from step to step, no dropout.
- `gpt`: 6 blocks of width 384 with 6 heads, GELU, norms first, learned positions, the scores with the embeddings'
  weights, no dropout; 4 windows of 256 characters a step. `gpt-one-thread` is the same on one thread.

All take AdamW with the same settings and scale gradients down to a norm of 1. Plain PyTorch is eager: the loop that the
documentation of `nn.LSTM` or `nn.TransformerEncoder` leads to. Keras has the same layers and `fit`, on its torch and
its jax backend; its LSTMs begin each piece at zero, because stateful ones cannot be trained on torch. GPT-2 of Hugging
Face has torch's fused attention (`sdpa`), in the plain loop. Each contestant has a process of its own; a turn is some
steps of which the first are left out, and its figure the median seconds of a step. Ratios are of medians over turns.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from contestants import PEERS, Contestant, median_seconds, peers_python, seconds_in_turns
from measure import begin, write


@dataclass(frozen=True)
class Contest:
    """What is trained, the steps of a turn, and the threads where not those of the command line."""

    what: str
    left_out: int
    counted: int
    threads: int | None = None


CONTESTS = {
    "lstm-256": Contest("lstm-256", 5, 25),
    "lstm-512": Contest("lstm-512", 4, 12),
    "gpt": Contest("gpt", 8, 12),
    "gpt-one-thread": Contest("gpt", 4, 8, threads=1),
}


def contest(asked: Contest, turns: int, threads: int, python: Path | None, place: Path) -> dict[str, Any]:
    """Let all take turns."""
    what, skipped, counted = asked.what, asked.left_out, asked.counted
    words: list[str | Path] = [what, "--threads", str(threads), "--skipped", str(skipped), "--counted", str(counted)]
    plain = "nn.TransformerEncoder" if what == "gpt" else "nn.LSTM"
    makers: dict[str, Any] = {
        name: partial(Contestant, [PEERS / "language_torch.py", kind, *words], threads)
        for name, kind in {"ours": "ours", f"plain PyTorch, {plain}": "plain"}.items()
    }
    if python is not None:
        tokens = place / f"{what}.npz"
        keep_tokens(what, tokens)
        words += ["--tokens", tokens]
        if what == "gpt":
            script = [PEERS / "language_gpt2.py", *words]
            makers["Hugging Face GPT-2"] = partial(Contestant, script, threads, python=python)
        else:
            for backend in ("torch", "jax"):
                makers[f"Keras 3, {backend}"] = partial(
                    Contestant,
                    [PEERS / "language_keras.py", *words],
                    threads,
                    python=python,
                    environment=keras_environment(backend, threads),
                )
    taken, facts = seconds_in_turns(makers, turns)
    count = facts["ours"]["tokens"]
    rates = {name: round(count / seconds) for name, seconds in median_seconds(taken).items()}
    return {
        "tokens a step": count,
        "parameters": {name: found["parameters"] for name, found in facts.items()},
        "tokens a second": rates,
        **{f"ours over {name}": round(rates["ours"] / rates[name], 3) for name in rates if name != "ours"},
        "versions": {name: found["version"] for name, found in facts.items() if "version" in found},
    }


def keras_environment(backend: str, threads: int) -> dict[str, str]:
    """jax takes all cores unless it is held to one: more than one of several it knows no way to ask for."""
    alone = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"} if threads == 1 else {}
    return {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", **alone}


def keep_tokens(what: str, place: Path) -> None:
    """The text as ours reads it, for those who cannot read the data set."""
    sys.path.insert(0, str(PEERS))
    from language_torch import job_of

    job = job_of(what)
    tokens = job.tokens[job.parts["train"].start : job.parts["train"].stop]
    np.savez(place, tokens=tokens.numpy(), vocabulary=len(job.tokenizer.vocabulary))


def main(turns: int, threads: int) -> None:
    """Measure and write."""
    python = peers_python()
    with tempfile.TemporaryDirectory() as place:
        found = {
            name: contest(asked, turns, asked.threads or threads, python, Path(place))
            for name, asked in CONTESTS.items()
        }
    write("language", {"what": f"training of language models, {threads} threads, medians of {turns} turns", **found})


if __name__ == "__main__":
    given = [int(word) for word in begin()]
    main(*(given + [5, 2][len(given) :]))
