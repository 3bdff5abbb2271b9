"""Gates, states and gradients of a recurrent network over a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from chainrule.analysis import LayerRecord, record_gates
from chainrule.analysis._gates import GONE, pace, vanishing
from chainrule.core.errors import UsageError
from chainrule.draw.gates import GATES, gates_page, gates_picture, gates_table, gradient_words
from chainrule.draw.looked import caption_part
from chainrule.draw.wording import number_text
from chainrule.tasks.explaining._answers import answers_text
from chainrule.tasks.explaining._explain import Explanation
from chainrule.tasks.explaining._fitting_method import require_recurrent
from chainrule.tasks.explaining._reading import Source, read

if TYPE_CHECKING:
    from chainrule.tasks.runs._run import Run

UNITS = 32
OPEN, CLOSED = 0.9, 0.1


def explain_gates(
    run: Run,
    model: nn.Module,
    *,
    text: str = "",
    picture: Source | None = None,
    at: int | None = None,
    units: int = UNITS,
) -> Explanation:
    """Return what every recurrent layer did at every token, and how far back the states matter for the answer.

    Args:
        run: Of a network with recurrent layers.
        model: That network.
        text: What it reads.
        picture: What it writes about, a file or what stands in it, in place of a text.
        at: Which token is asked about, as the task of the run says.
        units: How many units of each layer are told and drawn: those that change most.

    Raises:
        UsageError: The network has no recurrent layer, or no unit is wanted.

    Source:
        LECTURES G1-G3, C9.
    """
    if units < 1:
        raise UsageError("gates are those of units", expected="at least 1", got=units)
    reading = read(run, model, text=text, picture=picture, at=at)
    require_recurrent(run, model)
    answers: list[tuple[str, float]] = []

    def output(given: Any) -> Tensor:
        answers.extend(reading.answers(given))
        return reading.output(given)

    records = record_gates(model, *reading.inputs, output=output)
    facts = {
        **reading.facts(run, "gates", answers),
        "layers": [layer_facts(record, units) for record in records],
    }
    before = [] if reading.seen is None else [caption_part(facts, reading.seen.picture.numpy())]

    def drawn(format: Literal["png", "svg"], theme: Literal["light", "dark"]) -> bytes:
        return gates_picture(facts, format=format, theme=theme)

    return Explanation("gates", facts, records, _shown(facts), lambda: gates_page(facts, before), drawn)


def layer_facts(record: LayerRecord, units: int) -> dict[str, Any]:
    """Return what is told of a layer that read one text."""
    values = {name: value[:, 0].double() for name, value in record.values.items()}  # (T, H)
    shown = chosen_units(values["h"], units)
    whole = len(values["h"][0])
    wide = {name: value for name, value in values.items() if value.shape[1] == whole}  # a projected h is smaller
    return {
        "name": record.name,
        "cell": record.cell,
        "backward": record.backward,
        "count": whole,
        "units": shown,
        "values": {name: value[:, shown].T.tolist() for name, value in wide.items()},
        "gates": {name: _shares(value) for name, value in values.items() if name in GATES},
        "gradients": {name: _back(norms[:, 0], record.backward) for name, norms in record.gradients.items()},
    }


def chosen_units(states: Tensor, count: int) -> list[int]:
    """Return the units whose state changes most, those that change alike beside each other.

    Args:
        states: (T, H).
        count: How many; all where there are fewer.
    """
    spread = states.std(dim=0, correction=0)
    chosen = spread.topk(min(count, len(spread))).indices
    centered = (states - states.mean(dim=0))[:, chosen]
    directions = torch.linalg.svd(centered, full_matrices=False).Vh[:2]  # (2 or 1, K)
    angle = torch.atan2(directions[-1], directions[0])
    return chosen[angle.argsort(stable=True)].tolist()


def _shares(gate: Tensor) -> dict[str, float]:
    return {
        "mean": float(gate.mean()),
        "open": float((gate > OPEN).double().mean()),
        "closed": float((gate < CLOSED).double().mean()),
    }


def _back(norms: Tensor, backward: bool) -> dict[str, Any]:
    steps, factor = vanishing(norms, backward=backward), pace(norms, backward=backward)
    return {
        "norms": norms.tolist(),
        "below": steps,
        "pace": factor,
        "words": _words(int((norms > 0).sum()), steps, factor),
    }


def _words(count: int, steps: int | None, factor: float | None) -> str:
    if factor is None:
        return "no gradient goes from token to token" if count else "nothing depends on it"
    there = (
        f"below {number_text(GONE)} of its beginning {steps} tokens away" if steps else "it reaches the farthest token"
    )
    return f"{there}; times {number_text(factor, digits=3)} a token"


def _shown(facts: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from chainrule.draw import table_text

    lines: list[Any] = [answers_text(facts)]
    if any(layer["gates"] for layer in facts["layers"]):
        lines += [Text(), table_text(gates_table(facts))]
    lines += [Text(), Text("gradient", style="bold"), *(Text(f"  {words}") for words in gradient_words(facts))]
    return Group(*lines)
