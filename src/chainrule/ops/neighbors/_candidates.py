"""Pairs of a query and a point that may be among its nearest, and who they are in the end."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.ops.neighbors._bounds import Exact

KEPT = 2**21
"""How many are kept before float64 decides between them: 32 MB."""
REFINE_BYTES = 2**22
"""Memory for the differences of candidates: 4 MB stay in the cache."""


class Candidates:
    """Pairs of a query and a point that may be among its k nearest; too many are cut down to those that are."""

    def __init__(self, queries: Tensor, points: Tensor, k: int, distance: str) -> None:
        self.given = (queries, points, k, distance)
        self.found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self.limit = max(KEPT, 4 * k * len(queries))

    def add(self, row: Tensor, index: Tensor, low: Tensor, exact: Exact | None, furthest: Tensor) -> None:
        """Keep pairs with their lower bounds, and with their distances where those are known already."""
        known = torch.full_like(low, torch.nan, dtype=torch.float64) if exact is None else exact(low, row)
        self.found.append((row, index, low, known))
        if sum(len(row) for row, *_ in self.found) > self.limit:
            self.found = [self._cut_down(furthest)]

    def nearest(self, furthest: Tensor) -> tuple[Tensor, Tensor]:
        """Distances and positions, (q, k)."""
        _, index, _, exact = self._cut_down(furthest)
        queries, _, k, distance = self.given
        near = exact.reshape(len(queries), k)
        return near if distance == "l1" else near.sqrt(), index.reshape(len(queries), k)

    def _apart(self, row: Tensor, index: Tensor) -> Tensor:
        """Sums of differences or of their squares, in float64."""
        queries, points, _, distance = self.given
        exact = torch.empty(len(row), dtype=torch.float64)
        group = max(1, REFINE_BYTES // (16 * queries.shape[1] + 1))
        for start in range(0, len(row), group):
            part = slice(start, start + group)
            apart = queries[row[part]].double().sub_(points[index[part]])
            exact[part] = apart.abs_().sum(1) if distance == "l1" else apart.square_().sum(1)
        return exact

    def _cut_down(self, furthest: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """By query, then distance, then position; at most k of each query, none surely behind its k-th nearest."""
        queries, _, k, _ = self.given
        row, index, low, exact = (torch.cat(columns) for columns in zip(*self.found))
        near = low <= furthest[row]
        row, index, low, exact = row[near], index[near], low[near], exact[near]
        unknown = exact.isnan().nonzero().squeeze(1)
        exact[unknown] = self._apart(row[unknown], index[unknown])
        order = index.argsort(stable=True)
        order = order[exact[order].argsort(stable=True)]
        order = order[row[order].argsort(stable=True)]
        counts = torch.bincount(row, minlength=len(queries))
        place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row[order]]
        order = order[place < k]
        return row[order], index[order], low[order], exact[order]


def places_of(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of what is true, by row, whichever way the mask lies in memory."""
    if mask.is_contiguous():
        row, column = mask.nonzero(as_tuple=True)
        return row, column
    column, row = mask.t().nonzero(as_tuple=True)
    order = row.argsort(stable=True)
    return row[order], column[order]


def merged(best: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """The k smallest bounds of each query, with the new ones, which come by row."""
    if not len(row):
        return best
    counts = torch.bincount(row, minlength=len(best))
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    worst = torch.finfo(best.dtype).max if best.is_floating_point() else torch.iinfo(best.dtype).max
    new = torch.full((len(best), int(counts.max())), worst, dtype=best.dtype)
    new[row, place] = values
    return torch.cat([best, new], 1).topk(best.shape[1], largest=False).values.sort(1).values
