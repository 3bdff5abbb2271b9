"""A generator that is set back in every step: what should be drawn anew is the same again and again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.checks._program import calls, functions, learning_loops, name_of, spelled
from chainrule.diagnosis.doctor.checks.learning._modes import dropping
from chainrule.diagnosis.doctor.findings import Fact, Finding

SEEDS = frozenset({"manual_seed", "manual_seed_all", "seed_everything", "set_seed"})
"""What sets a generator."""


@check("seeded-in-every-step")
def seeded_in_every_step(case: Case) -> Iterator[Finding]:
    """A constant seed in the loop over batches, and a network that drops at random."""
    around = learning_loops(case)
    drops = [found for batch in case.batches for found in dropping(batch.tape)]
    if not around or not drops or case.source.path is None:
        return
    known = functions(case.source.tree)
    inside = [node for loop in around for node in ast.walk(loop)]
    changing = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    statements = [s for s in around[-1].body if not isinstance(s, ast.If)]
    for each in (call for statement in statements for call in calls(statement)):
        own = known.get(name_of(each))
        seeds = name_of(each) in SEEDS or (own is not None and any(name_of(c) in SEEDS for c in calls(own)))
        names = {node.id for a in (*each.args, *each.keywords) for node in ast.walk(a) if isinstance(node, ast.Name)}
        if not seeds or names & changing:
            continue
        yield Finding(
            "seeded-in-every-step",
            "The random generator is set to the same seed in every step: dropout drops the same units each time.",
            "fault",
            0.9,
            (
                Fact("in the loop over batches", spelled(each)),
                Fact("operations that drop at random in each step", f"{len(dropping(case.batches[0].tape))}"),
                Fact("largest probability to drop", f"{max(share for _, share in drops):g}"),
            ),
            "Set the seed once, before the training.",
            case.place((str(case.source.path), each.lineno)),
            explains=("overfits", "dropout-too-strong", "underfits"),
        )
        return
