"""Everything that a call may change, put back after it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.analysis._used import modules_of, tensors_of


@contextmanager
def as_it_was(*functions: Callable[..., Any]) -> Iterator[dict[int, Tensor]]:
    """While the block runs, functions may do as they like; afterwards all is as before.

    That is: random generators (torch, NumPy, Python), attributes of the networks they use (a hidden state that was
    kept), parameters and buffers (running statistics), and tensors around them.

    Yields:
        id of a tensor -> a copy of what it held before.
    """
    modules = [m for function in functions for each in modules_of(function).values() for m in each.modules()]
    tensors = {id(t): t for function in functions for t in tensors_of(function).values()}
    attributes = [(vars(m), dict(vars(m))) for m in modules]
    tables = [(t, dict(t)) for m in modules for t in (m._parameters, m._buffers, m._modules)]
    copies = {key: tensor.detach().clone() for key, tensor in tensors.items()}
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=devices):
            yield copies
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        for table, before in (*attributes, *tables):
            table.clear()
            table.update(before)
        with torch.no_grad():
            for key, tensor in tensors.items():
                if not tensor.is_meta and not torch.equal(
                    tensor, copies[key]
                ):  # kernels of norms change buffers without counting a version
                    tensor.detach().copy_(copies[key])
