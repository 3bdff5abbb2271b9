"""The contestant of `../language.py` with Hugging Face's GPT-2, run in the peers' environment.

python language_gpt2.py gpt --tokens FILE --threads N --skipped N --counted N
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from language_sizes import BLOCKS, HEADS, LENGTH, WIDTH, windows
from plain_language import State, plain_steps
from torch import Tensor, nn
from turns import quiet_output, take_turns


class Gpt2(nn.Module):
    """Its scores alone."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        config = transformers.GPT2Config(
            vocab_size=vocabulary,
            n_positions=LENGTH,
            n_embd=WIDTH,
            n_layer=BLOCKS,
            n_head=HEADS,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            attn_implementation="sdpa",
        )
        self.network = transformers.GPT2LMHeadModel(config)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Scores; there is no state."""
        return self.network(tokens).logits, None


def main(args: argparse.Namespace) -> None:
    """Get ready and take turns."""
    out = quiet_output()
    torch.set_num_threads(args.threads)
    with np.load(args.tokens) as kept:
        tokens, vocabulary = kept["tokens"], int(kept["vocabulary"])
    model, batches = Gpt2(vocabulary), windows(tokens)

    def turn() -> dict[str, Any]:
        times = plain_steps(model, batches, args.skipped + args.counted)
        return {"seconds": float(np.median(np.diff(times)[args.skipped - 1 :]))}

    parameters = sum(p.numel() for p in model.parameters())
    take_turns(turn, {"version": f"transformers {transformers.__version__}", "parameters": parameters}, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["gpt"])
    parser.add_argument("--tokens", type=Path, required=True)
    for name in ("threads", "skipped", "counted"):
        parser.add_argument(f"--{name}", type=int, required=True)
    main(parser.parse_args())
