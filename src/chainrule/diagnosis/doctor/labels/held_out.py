"""What can be wrong with the part that is learned from and the part that is held out."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

HELD_OUT: dict[str, Label] = {
    "learns-from-validation": Label(
        "Steps are taken on what is held out.",
        "Steps in evaluation mode, or in a loop over something that is called validation or test, on examples that no "
        "other step has seen.",
        "No backward and no step in the loop over validation batches.",
        "LECTURES A8",
    ),
    "training-data-overwritten": Label(
        "The names of the training data are given to something else, such as the last piece of the validation.",
        "The different examples of the first epoch beside those of all later ones: a small piece is left, of the "
        "validation or of one batch.",
        "Names of their own in each loop, or functions for training and evaluation.",
        "LECTURES A8",
    ),
}
