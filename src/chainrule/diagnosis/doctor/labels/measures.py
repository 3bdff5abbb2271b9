"""What can be wrong with how answers are compared and judged, beside a single operation."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

MEASURES = {
    "scores-where-overlap-takes-probabilities": Label(
        "An overlap (Dice, Jaccard, Tversky) is computed from scores, which are not between 0 and 1.",
        "The recorded loss of answers that are all right, beside that of answers beyond zero and one, which is lower.",
        "torch.sigmoid(scores) before the overlap.",
        "LECTURES A5",
    ),
    "predictions-in-another-order": Label(
        "Predictions are compared with the truth of other examples, for one of the two was shuffled or sorted.",
        "The labels of the very examples that were asked, looked up in their data set; or examples that come in "
        "another order from evaluation to evaluation, and a truth that does not.",
        "Collect labels and predictions in one loop, or shuffle=False.",
        "LECTURES A1",
    ),
    "ratio-averaged-over-batches": Label(
        "F1, R2 or another ratio is computed for each batch and averaged.",
        "Computed again from all answers together; the mean of those of the batches is what was printed. Or as it is "
        "written: a mean over pieces of something divided by what is counted in the piece.",
        "Compute it once, of all predictions and targets.",
        "LECTURES A1",
    ),
    "spread-for-variance": Label(
        "A standard deviation is taken for a variance, or a variance for a standard deviation.",
        "What a normal likelihood is given for its variance is called a spread, or is compared with plain errors in "
        "the evaluation; noise is multiplied by the exponential of a logarithm of a variance.",
        "Square the spread, or take the root of the variance: exp(0.5 * log_var).",
        "LECTURES A7",
    ),
}
