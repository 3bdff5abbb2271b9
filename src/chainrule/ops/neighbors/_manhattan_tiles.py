"""The loops of `manhattan` and `byte_manhattan`, compiled by numba, which this file needs.

Four queries and four points are compared at once: sixteen sums stay in registers, and each number is read once for four
of them. Compiling takes seconds and is done once: the result is kept on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import unwrap

import numba
import numpy as np
from numba import float32, int32, njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def fill_tiles(queries: Floats, points: Floats, out: Floats, *, threads: int) -> None:
    """Write the sums of absolute differences, (Q, D) and (N, D) -> (Q, N), with at most so many threads."""
    with _threads(threads):
        _fill(queries, points, out)


def fill_byte_sums(queries: Bytes, points: Bytes, out: NDArray[np.int32], *, threads: int) -> None:
    """Write the same of numbers of 8 bits, with at most so many threads."""
    with _threads(threads):
        _fill_bytes(queries, points, out)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(min(count, int(numba.config.NUMBA_NUM_THREADS)))  # type: ignore[attr-defined]
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _loops(queries: Floats, points: Floats, out: Floats) -> None:
    count, others, size = queries.shape[0], points.shape[0], queries.shape[1]
    for tile in prange((count + 3) // 4):
        a = tile * 4
        if a + 4 > count:
            for i in range(a, count):
                for j in range(others):
                    total = float32(0.0)
                    for d in range(size):
                        total += abs(queries[i, d] - points[j, d])
                    out[i, j] = total
            continue
        for b in range(0, others - 3, 4):
            s00 = s01 = s02 = s03 = float32(0.0)
            s10 = s11 = s12 = s13 = float32(0.0)
            s20 = s21 = s22 = s23 = float32(0.0)
            s30 = s31 = s32 = s33 = float32(0.0)
            for d in range(size):
                q0, q1, q2, q3 = queries[a, d], queries[a + 1, d], queries[a + 2, d], queries[a + 3, d]
                p0, p1, p2, p3 = points[b, d], points[b + 1, d], points[b + 2, d], points[b + 3, d]
                s00 += abs(q0 - p0)
                s01 += abs(q0 - p1)
                s02 += abs(q0 - p2)
                s03 += abs(q0 - p3)
                s10 += abs(q1 - p0)
                s11 += abs(q1 - p1)
                s12 += abs(q1 - p2)
                s13 += abs(q1 - p3)
                s20 += abs(q2 - p0)
                s21 += abs(q2 - p1)
                s22 += abs(q2 - p2)
                s23 += abs(q2 - p3)
                s30 += abs(q3 - p0)
                s31 += abs(q3 - p1)
                s32 += abs(q3 - p2)
                s33 += abs(q3 - p3)
            out[a, b], out[a, b + 1], out[a, b + 2], out[a, b + 3] = s00, s01, s02, s03
            out[a + 1, b], out[a + 1, b + 1], out[a + 1, b + 2], out[a + 1, b + 3] = s10, s11, s12, s13
            out[a + 2, b], out[a + 2, b + 1], out[a + 2, b + 2], out[a + 2, b + 3] = s20, s21, s22, s23
            out[a + 3, b], out[a + 3, b + 1], out[a + 3, b + 2], out[a + 3, b + 3] = s30, s31, s32, s33
        for i in range(a, a + 4):
            for j in range(others - others % 4, others):
                total = float32(0.0)
                for d in range(size):
                    total += abs(queries[i, d] - points[j, d])
                out[i, j] = total


_fill = njit(parallel=True, fastmath=True, cache=True)(unwrap(_loops))  # what wraps it, as checks do, is not compiled


def _byte_loops(queries: Bytes, points: Bytes, out: NDArray[np.int32]) -> None:
    for i in prange(queries.shape[0]):
        for j in range(points.shape[0]):
            total = int32(0)
            for d in range(queries.shape[1]):  # in this form, and in 32 bits, it becomes vpsadbw
                total = int32(total + abs(int32(int32(queries[i, d]) - int32(points[j, d]))))
            out[i, j] = total


_fill_bytes = njit(parallel=True, fastmath=True, cache=True)(unwrap(_byte_loops))
