"""Where a program seeds what draws its examples."""

from __future__ import annotations

import ast

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._program import calls, functions, loops, name_of

_SEEDS = frozenset({"manual_seed", "seed", "seed_everything", "set_seed", "default_rng", "RandomState", "Random"})
_DRAWS = frozenset({"randint", "randperm", "choice", "choices", "sample", "shuffle", "permutation", "integers", "rand",
                    "multinomial", "random", "randrange", "DataLoader"})  # fmt: skip


def seeded_again(case: Case) -> ast.Call | None:
    """Where a generator that draws examples is seeded again and again: in a loop, or in what a loop calls."""
    tree = case.source.tree
    known = functions(tree)
    for loop in loops(tree):
        if any(isinstance(inner, (ast.For, ast.While)) for inner in ast.walk(loop) if inner is not loop):
            bodies: list[ast.AST] = []  # a seed of each epoch or each run: examples differ from step to step
        else:
            bodies = [loop]
        bodies += [known[name_of(node)] for node in ast.walk(loop) if isinstance(node, ast.Call)
                   and name_of(node) in known and not loops(known[name_of(node)])]  # fmt: skip
        for body in bodies:
            found = next(calls(body, _SEEDS), None)
            if found is not None and next(calls(body, _DRAWS), None) is not None:
                return found
    return None
