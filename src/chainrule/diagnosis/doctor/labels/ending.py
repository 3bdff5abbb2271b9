"""How a training can end."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

FAILS = "ends-in-error"
"""The one label that no check gives: whoever runs the training knows it."""

LABELS: dict[str, Label] = {
    FAILS: Label(
        means="The training ends with an error of its own.",
        told="The error is caught, shown with its traceback, and what was seen before it is looked at all the same. "
        "Beside a surer finding it counts as that one's consequence.",
        change="What the error says; its place is the innermost line of your own.",
    )
}
