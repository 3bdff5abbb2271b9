"""Tokens a second of beam search: ours beside Hugging Face's `generate` and CTranslate2, in float32 and with int8.

    CHAINRULE_PEERS=... python benchmarks/decoding.py [TURNS] [THREADS] [--busy]

One encoder-decoder of 6 + 6 layers of 512 over 32,000 tokens, the same random weights for all, 5 hypotheses, 50 steps,
batches of 1 and of 8 sentences of 20 to 30 tokens. The tokens that could end a sequence are ruled out, so that all take
50 steps. CTranslate2 takes one thread where that is faster than as many as the others have. A turn reads the sources
and writes; counted are the tokens of the best hypotheses. The share of equal tokens says how far the outputs are those
of ours in float32: with random weights, where many tokens are about equally probable, 8 bits change more than with
trained ones.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from contestants import PEERS, Contestant, median_seconds, peers_python, seconds_in_turns
from measure import begin, write
from safetensors.torch import save_file
from torch import Tensor, nn

sys.path.insert(0, str(PEERS))
from translators import BEAM, HEADS, LAYERS, LENGTH, LENGTHS, STEPS, WIDTH, network

OURS = {"ours": "ours", "ours, int8": "ours-int8"}
OTHERS = {
    "transformers": "transformers",
    "CTranslate2": "ctranslate2",
    "CTranslate2, int8": "ctranslate2-int8",
}
NAMES = {
    "attention.out": "self_attn.out_proj",
    "norm1": "self_attn_layer_norm",
    "cross.query": "encoder_attn.q_proj",
    "cross.out": "encoder_attn.out_proj",
    "feed_forward.0": "fc1",
    "feed_forward.3": "fc2",
}
"""Part of our blocks -> that of Marian's."""
SPLIT = {
    "attention.project": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "cross.remember": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
}
"""Part of our blocks -> those of Marian's that stand under each other in it."""
NORMS = {
    "encoder": {"norm2": "final_layer_norm"},
    "decoder": {"norm2": "encoder_attn_layer_norm", "norm3": "final_layer_norm"},
}


def marian_weights(model: nn.Module) -> dict[str, Tensor]:
    """Our weights by the names of Hugging Face's `MarianMTModel`."""
    given = model.state_dict()
    table = given["embed_source.weight"]
    found = {
        "final_logits_bias": table.new_zeros(1, len(table)),
        **{
            name: table.clone()
            for name in ("model.shared.weight", *(f"model.{side}.embed_tokens.weight" for side in NORMS))
        },
        "lm_head.weight": table.clone(),
    }
    for side, norms in NORMS.items():
        positions: Any = model.target_positions
        found[f"model.{side}.embed_positions.weight"] = positions(0, LENGTH).clone()
        for block in range(LAYERS):
            ours, theirs = f"{side}.blocks.{block}.", f"model.{side}.layers.{block}."
            parts = {name[len(ours) :]: value for name, value in given.items() if name.startswith(ours)}
            for name, value in parts.items():
                part, end = name.rsplit(".", 1)
                several = SPLIT.get(part, ({**NAMES, **norms}[part],) if part not in SPLIT else ())
                for other, piece in zip(several, value.chunk(len(several)), strict=True):
                    found[f"{theirs}{other}.{end}"] = piece.clone()
    return found


def contest(batch: int, turns: int, threads: int, python: Path | None, weights: Path) -> dict[str, Any]:
    """Let all take turns."""
    words = ["--weights", weights, "--batch", str(batch), "--threads", str(threads)]
    command = PEERS / "translators.py"
    makers: dict[str, Any] = {
        name: partial(Contestant, [command, kind, *words], threads) for name, kind in OURS.items()
    }
    if python is not None:
        for name, kind in OTHERS.items():
            makers[name] = partial(Contestant, [command, kind, *words], threads, python=python)
    taken, facts = seconds_in_turns(makers, turns)
    rates = {name: round(batch * STEPS / seconds, 1) for name, seconds in median_seconds(taken).items()}
    wanted = [token for row in taken["ours"][0]["tokens"] for token in row]
    assert len(wanted) == batch * STEPS, "somebody has ended"
    equal = {}
    for name, several in taken.items():
        tokens = [token for row in several[0]["tokens"] for token in row]
        equal[name] = round(sum(a == b for a, b in zip(tokens, wanted, strict=True)) / len(wanted), 4)
    return {
        "tokens of the sources": LENGTHS[batch],
        "tokens a second": rates,
        "share of tokens equal to ours in float32": equal,
        **{
            f"{own} over {name}": round(rates[own] / rates[name], 3)
            for own in OURS
            for name in rates
            if name not in OURS
        },
        "versions": {name: found["version"] for name, found in facts.items()},
        "threads": {name: found.get("threads", threads) for name, found in facts.items()},
    }


def main(turns: int, threads: int) -> None:
    """Measure and write."""
    python = peers_python()
    with tempfile.TemporaryDirectory() as place:
        weights = Path(place) / "weights.safetensors"
        save_file(marian_weights(network()), weights)
        found = {f"batch {batch}": contest(batch, turns, threads, python, weights) for batch in LENGTHS}
    sizes = f"{LAYERS} + {LAYERS} layers of {WIDTH}, {HEADS} heads, beam {BEAM}, {STEPS} steps"
    write("decoding", {"what": f"beam search, {sizes}, {threads} threads, medians of {turns} turns", **found})


if __name__ == "__main__":
    given = [int(word) for word in begin()]
    main(*(given + [5, 2][len(given) :]))
