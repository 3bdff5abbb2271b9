"""What a transformer's decoder remembers from call to call: the memory that it looks at, and what it has written."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from chainrule.models.sequence._state import State
from chainrule.nn.attention import Decoder
from chainrule.nn.attention._multi_head import KeysValues


def read_memory(decoder: Decoder, memory: Float[Tensor, "b n e"], seen: Bool[Tensor, "b n"]) -> dict[str, Tensor]:
    """Return the state before the first token: each block's keys and values of a memory.

    Args:
        decoder: Whose blocks look at it.
        memory: What is looked at.
        seen: True where there is something.
    """
    state = {"memory.seen": seen}
    for number, read in enumerate(decoder.read(memory)):
        state[f"memory.keys.{number}"], state[f"memory.values.{number}"] = read
    return state


def first_place(state: State) -> int:
    """Return how many tokens were written: the position of the next one."""
    return state["keys.0"].shape[-2] if "keys.0" in state else 0


def write_beside(
    decoder: Decoder, x: Float[Tensor, "b t d"], state: State
) -> tuple[Float[Tensor, "b t d"], dict[str, Tensor]]:
    """Return the tokens after the last block, and the state after them.

    Args:
        decoder: The blocks.
        x: Tokens with their positions; those after what was written.
        state: From `read_memory`, or as the last call returned it.
    """
    count = len(decoder.blocks)
    memory = [KeysValues(state[f"memory.keys.{i}"], state[f"memory.values.{i}"]) for i in range(count)]
    written = (
        [KeysValues(state[f"keys.{i}"], state[f"values.{i}"]) for i in range(count)] if "keys.0" in state else None
    )
    x, now = decoder(x, memory, written, memory_mask=spread(state["memory.seen"]))
    after = dict(state)
    for number, one in enumerate(now):
        after[f"keys.{number}"], after[f"values.{number}"] = one
    return x, after


def spread(seen: Bool[Tensor, "b s"]) -> Bool[Tensor, "b 1 1 s"]:
    """Return what may be looked at, for scores (B, heads, M, S)."""
    return seen[:, None, None, :]
