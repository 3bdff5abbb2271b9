"""Whether an error says that there is no memory left."""

from __future__ import annotations

import torch

SAID = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", "Unable to allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error came because memory was asked for that is not there.

    Torch has an error of its own for graphics processors; on the CPU it is a plain RuntimeError with a sentence.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
        (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in SAID)
