"""What can be wrong with how answers are judged where several belong to one example: lists, boxes, labels."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

JUDGED: dict[str, Label] = {
    "absent-labels-flatter": Label(
        "All labels or places are counted, most of which are absent or ground and easy to be right about.",
        "The share of right entries, as printed, beside the mean F1 of what is there and beside predicting nothing.",
        "F1, or precision and recall, of what is there; intersection over union.",
        "LECTURES A1",
    ),
    "boxes-in-two-notations": Label(
        "Boxes are given in one notation, and their overlap is computed in another.",
        "How the program reads them, and boxes that would end before they begin if they were read so.",
        "Corners everywhere, or convert before comparing.",
    ),
    "worst-taken-for-best": Label(
        "The list of the best holds the worst: an ascending order, of which the first are taken.",
        "What is sorted, in which direction, and which end is taken, as it is written.",
        "Sort the negated scores, or topk.",
        "LECTURES A1",
    ),
    "known-items-recommended": Label(
        "What a user is known to have is not taken out of the list of recommendations, and fills it.",
        "The network is asked for all items of some users: most of the best are those of training.",
        "Set the scores of known items to minus infinity before choosing.",
    ),
}
