"""States that are loaded and do not arrive."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Loaded
from chainrule.diagnosis.doctor.checks._check import check
from chainrule.diagnosis.doctor.findings import Fact, Finding

HALF = 0.5
"""Share of a network's weights from which on it is not a new head that is missing."""


@check("weights-not-loaded")
def weights_not_loaded(case: Case) -> Iterator[Finding]:
    """Names that do not agree, which `strict=False` says nothing about."""
    for event in case.seen.of(Loaded):
        own = dict(event.module.named_parameters())
        missing = [name for name in event.missing if name in own]
        part = sum(own[n].numel() for n in missing) / max(1, sum(p.numel() for p in own.values()))
        if part < HALF or not event.unexpected:
            continue
        yield Finding(
            "weights-not-loaded",
            f"Of the state that is loaded next to nothing arrives: {len(missing)} of {len(own)} weights have another "
            "name in it, and strict=False keeps quiet.",
            "fault",
            0.95,
            (
                Fact("weights that the state has not", ", ".join(missing[:3])),
                Fact("what it has instead", ", ".join(event.unexpected[:3])),
                Fact("share of the weights that stay as they were", f"{part:.0%} (usual: 0%, or that of a new head)"),
            ),
            "Rename the keys (`{k.removeprefix(...): v for k, v in state.items()}`) and load with strict=True.",
            case.place(event.line),
            explains=("frozen-at-random", "underfits", "rate-too-low"),
        )
        return
