"""What can be wrong with the objective: losses, outputs and metrics."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._judged import JUDGED
from chainrule.diagnosis.doctor.labels._label import Label
from chainrule.diagnosis.doctor.labels.measures import MEASURES

_SCORES = {
    "softmax-twice": Label(
        "A softmax before a criterion that has one itself.",
        "What the criterion is given sums to one over the classes; the first steps taken again without it.",
        "Give cross_entropy the scores as they are.",
        "LECTURES A5",
    ),
    "sigmoid-twice": Label(
        "A sigmoid before a criterion that has one itself.",
        "What binary_cross_entropy_with_logits is given comes from a sigmoid.",
        "binary_cross_entropy_with_logits on the scores.",
        "LECTURES A5",
    ),
    "softmax-of-one-score": Label(
        "A softmax over an axis of size one, which is always one.",
        "The size of the axis on the way to the loss.",
        "A sigmoid, or as many scores as classes.",
        "LECTURES A5",
    ),
    "softmax-over-wrong-axis": Label(
        "A softmax over the examples or places instead of the classes.",
        "Its axis beside the one in which the criterion looks for the classes.",
        "The axis of the classes, mostly dim=-1 or dim=1.",
        "LECTURES A5",
    ),
    "nll-without-logarithm": Label(
        "A negative log likelihood of what are no logarithms of probabilities.",
        "What it is given: probabilities with sum one, or scores that nobody normalized.",
        "log_softmax before nll_loss, or cross_entropy alone.",
        "LECTURES A5",
    ),
    "logarithm-twice": Label(
        "The logarithm of what is a logarithm already.",
        "The operations before the criterion.",
        "log_softmax alone.",
        "LECTURES A5",
    ),
    "kl-arguments-exchanged": Label(
        "kl_div with its arguments the other way round.",
        "Which argument is a logarithm, and which depends on the weights.",
        "kl_div(log_softmax(scores), probabilities).",
        "LECTURES A7",
    ),
    "kl-without-logarithm": Label(
        "kl_div of probabilities where it takes their logarithms.",
        "The values of its first argument.",
        "kl_div(log_softmax(scores), probabilities).",
        "LECTURES A7",
    ),
    "relu-on-scores": Label(
        "A ReLU after the last layer, before a criterion that takes scores of any sign.",
        "The last change of the scores; the first steps are taken again without it.",
        "No activation on scores.",
        "LECTURES C4",
    ),
    "scores-squashed": Label(
        "A tanh or sigmoid after the last layer, before a criterion that takes scores of any size.",
        "The last change of the scores; the first steps are taken again without it.",
        "No activation on scores.",
        "LECTURES C4",
    ),
    "temperature-far-off": Label(
        "Scores are multiplied or divided by a number that makes them all alike, or one of them all.",
        "The first steps are taken again without the factor.",
        "Leave the factor out, or choose one that keeps scores a few units apart.",
        "LECTURES A5",
    ),
    "logits-where-probabilities-are-expected": Label(
        "binary_cross_entropy of scores, which are not between 0 and 1.",
        "torch's error.",
        "binary_cross_entropy_with_logits.",
        "LECTURES A5",
    ),
}
_LOSSES = {
    "initial-loss-off": Label(
        "The loss does not begin where one that knows nothing begins.",
        "The first loss beside log of the number of classes, log 2, or the mean square of the targets.",
        "A smaller last layer, scaled targets; or it follows from another finding.",
        "LECTURES A5, B12",
    ),
    "loss-broadcasts": Label(
        "Predictions and targets of different shapes are spread over each other.",
        "Their shapes, and how many pairs are compared.",
        "squeeze or unsqueeze one of them.",
        "LECTURES A7",
    ),
    "loss-of-few-examples": Label(
        "Only some places of a batch count in the loss, the same ones in every step.",
        "Which examples get a gradient.",
        "The mean over the whole batch.",
        "LECTURES A6",
    ),
    "loss-divided-twice": Label(
        "A mean is divided by the batch size once more.",
        "The factor between criterion and loss; the recorded steps are taken again at the rate that makes up for it.",
        "Do not divide a mean.",
        "LECTURES A6",
    ),
    "scores-reshaped-in-loss": Label(
        "Axes of the scores are exchanged by view or reshape, which keeps the order of the numbers.",
        "The shapes before and after; the first steps are taken again with permute.",
        "transpose or permute.",
        "LECTURES A5",
    ),
    "loss-with-wrong-sign": Label(
        "What should fall is made to grow.",
        "The gradient at the scores pushes them away from their targets; or the loss falls below zero without end.",
        "A minus before a log likelihood, none before an error.",
        "LECTURES A5, A7",
    ),
    "class-never-counts": Label(
        "The loss has no gradient at the examples of one class.",
        "The gradient at the network's output, by the class of the example.",
        "Targets -1 and 1 for a margin; both terms of a likelihood that is written out.",
        "LECTURES A5",
    ),
    "variance-unpunished": Label(
        "A likelihood without the term that keeps its variance small.",
        "The gradient at what the exponential is given points the same way everywhere, at first and at the end.",
        "0.5 * (error**2 * exp(-log_var) + log_var).",
        "LECTURES A7",
    ),
    "quantiles-exchanged": Label(
        "Outputs are drawn to the quantiles on the other side.",
        "The gradients above and below the target stand for 1 - q where q is written.",
        "error = target - prediction.",
        "LECTURES A7",
    ),
    "same-targets-every-step": Label(
        "Every batch is compared with the same targets.",
        "The targets of the first batches beside their inputs, in training and in the evaluation.",
        "x[i], y[i].",
        "LECTURES A1",
    ),
    "contrast-with-wrong-partner": Label(
        "A contrastive loss names as positive what is not the other view of the same example.",
        "Distances in the inputs to the named partners beside those to the examples in the same place.",
        "torch.arange(n) as targets of the similarities of two views.",
        "LECTURES A5",
    ),
    "positive-and-negative-exchanged": Label(
        "Unlike examples are drawn together, and like ones pushed apart.",
        "Which pairs a step draws together, and their distances in the inputs beside those of the others.",
        "triplet_margin_loss(anchor, positive, negative); the distance for equal pairs, the margin for unequal ones.",
        "LECTURES A7",
    ),
    "sum-with-rate-for-mean": Label(
        "The loss is a sum over the batch, with a rate made for the mean.",
        "The recorded steps are taken again with the mean, and end far lower.",
        "reduction='mean', or the rate divided by the batch size.",
        "LECTURES A6",
    ),
    "output-cannot-reach-target": Label(
        "The last activation keeps the output from the range of the targets.",
        "The bounds of the activation, and the share of targets beyond them.",
        "A linear output, or targets scaled to the bounds.",
        "LECTURES A7, C4",
    ),
    "real-class-ignored": Label(
        "ignore_index is the number of a class that examples have.",
        "The targets with that number, each the only one of its example or between others.",
        "No ignore_index, or the number of the padding.",
        "LECTURES A5",
    ),
    "padding-in-loss": Label(
        "Places that only fill up sequences count in the loss.",
        "A number that only ends sequences, and the gradient at those places.",
        "ignore_index, or a mask.",
        "LECTURES A5",
    ),
    "label-smoothing-too-strong": Label(
        "Label smoothing leaves little of the label.",
        "What is left of the true class.",
        "label_smoothing=0.1.",
        "LECTURES A5",
    ),
    "softmax-on-several-true-classes": Label(
        "A softmax over classes of which several may be true.",
        "Targets with several ones in a row.",
        "binary_cross_entropy_with_logits.",
        "LECTURES A5",
    ),
    "poisson-with-wrong-input": Label(
        "poisson_nll_loss is given rates where it takes their logarithms, or the other way round.",
        "Its log_input, and the last change of what it is given.",
        "The last layer alone with log_input=True.",
        "LECTURES A7",
    ),
    "squared-error-on-classes": Label(
        "The numbers of classes are learned as if they were amounts.",
        "Whole-number targets, one output, and a metric that asks for equality.",
        "A score for each class, and cross_entropy.",
        "LECTURES A5, A7",
    ),
    "binary-loss-on-exclusive-classes": Label(
        "Yes or no for each class, where exactly one of several is true.",
        "One-hot targets of more than two classes under a binary criterion.",
        "cross_entropy with class numbers.",
        "LECTURES A5",
    ),
    "loss-detached": Label(
        "The loss is cut off from the weights.",
        "No weight gets a gradient when the step is played again; torch's error.",
        "No item(), detach(), numpy() or argmax between the output and the loss.",
        "LECTURES C1",
    ),
    "penalty-too-strong": Label(
        "The penalty on the weights outweighs the task.",
        "Trained on without it, the loss of the task falls far.",
        "A much smaller factor, such as 1e-4.",
        "LECTURES A6, C10",
    ),
    "one-task-drowns-the-other": Label(
        "One of several losses is so large that another goes under.",
        "Gradients of both at the weights they share; the quiet one falls once the loud one is left out.",
        "Scale the target of the loud one, or weigh it down.",
        "LECTURES A6",
    ),
    "divergence-outweighs-reconstruction": Label(
        "A term on the network's own code outweighs what the code is for.",
        "Gradients of both at the weights they share, and what is left of the divergence at the end.",
        "Reduce both in the same way, or weigh the divergence down at first.",
        "LECTURES A7",
    ),
}
_FINITE = {
    "exponential-overflows": Label(
        "exp of a large number is inf.",
        "The first operation of the first step that is not finite.",
        "log_softmax or logsumexp, which subtract the largest first.",
        "LECTURES A5",
    ),
    "log-of-zero": Label(
        "The logarithm of zero.",
        "The first operation of the first step that is not finite.",
        "log_softmax, or a clamp before the logarithm.",
        "LECTURES A5",
    ),
    "division-by-zero": Label(
        "A division by zero, or the spread of a single example.",
        "The first operation of the first step that is not finite.",
        "A small number added to the divisor.",
        "LECTURES C1",
    ),
    "root-at-zero": Label(
        "A square root or norm at zero, whose slope is infinite.",
        "The first operation whose gradient is not finite.",
        "A small number under the root.",
        "LECTURES C1",
    ),
    "softmax-of-nothing": Label(
        "A softmax over places that are all masked.",
        "The first operation of the first step that is not finite.",
        "Leave a place unmasked in each row.",
        "LECTURES A5",
    ),
}
_METRICS = {
    "metric-of-last-batch": Label(
        "The metric is of the last batch alone.",
        "Computed again from all answers; the last batch alone gives the number that was printed.",
        "Add up over the batches.",
        "LECTURES A1",
    ),
    "metric-mean-of-uneven-batches": Label(
        "The metric is the mean of means of batches of different sizes.",
        "Computed again from all answers; the mean of means gives the number that was printed.",
        "Add up what is right, divide by all.",
        "LECTURES A1",
    ),
    "metric-divided-wrongly": Label(
        "What was right is divided by something else than the number of examples.",
        "Computed again from all answers; another divisor gives the number that was printed.",
        "Divide by all examples.",
        "LECTURES A1",
    ),
    "metric-arguments-exchanged": Label(
        "A metric is given predictions as the truth.",
        "Its first argument is what the network gave.",
        "metric(truth, predictions).",
        "LECTURES A1",
    ),
    "answers-under-other-names": Label(
        "Classes have other numbers in the metric than in training.",
        "Predictions beside the truth: renamed one to one, far more of them are right.",
        "The same numbers in both, from 0 on.",
        "LECTURES A1",
    ),
    "decision-inverted": Label(
        "What is called yes is no.",
        "Far more predictions are right once both answers are exchanged.",
        "score > threshold for class 1.",
        "LECTURES A1",
    ),
    "scores-for-classes-in-metric": Label(
        "Scores are compared with classes for equality.",
        "What meets the classes are no whole numbers.",
        "argmax, or the indices of max.",
        "LECTURES A1",
    ),
    "metric-over-entries": Label(
        "Entries of one-hot rows are counted, nearly all of which are zero.",
        "The truth that is compared is one-hot.",
        "argmax, and the classes as numbers.",
        "LECTURES A1",
    ),
    "ranking-upside-down": Label(
        "An area under the curve is taken of the scores of the other class.",
        "It is far below a half.",
        "The score of class 1.",
        "LECTURES A1",
    ),
    "ranking-metric-of-decisions": Label(
        "An area under the curve is taken of decisions, not of scores.",
        "What the metric is given has two values.",
        "Scores, before any threshold.",
        "LECTURES A1",
    ),
    "metric-not-reset": Label(
        "What is added up for a metric or a printed loss runs on from epoch to epoch.",
        "Computed again for the epoch; what was printed is that of all epochs so far.",
        "Set it to zero at the beginning of each epoch.",
        "LECTURES A1",
    ),
    "errors-cancel": Label(
        "A mean of signed differences, in which errors above and below cancel out.",
        "The gradient is the same at all predictions; in a metric, what becomes of the differences.",
        "Their squares or sizes.",
        "LECTURES A7",
    ),
    "padding-in-metric": Label(
        "Padded places count in the metric.",
        "Places that the loss leaves out are compared and never masked.",
        "Count only real places.",
        "LECTURES A1",
    ),
    "metric-broadcasts": Label(
        "Predictions and targets of different shapes are spread over each other in the metric.",
        "Their shapes.",
        "squeeze the predictions.",
        "LECTURES A1",
    ),
    "argmax-over-wrong-axis": Label(
        "argmax over another axis than that of the classes.",
        "Its axis, and the number of classes that the criterion sees.",
        "The axis of the classes.",
        "LECTURES A1",
    ),
    "argmax-of-one-score": Label(
        "argmax over a single score, which is always 0.",
        "The shape of the scores.",
        "A threshold.",
        "LECTURES A1",
    ),
    "wrong-threshold": Label(
        "Probabilities are compared with zero, or scores with a half.",
        "What is compared: its last operation and its range.",
        "0.5 for probabilities, 0 for scores.",
        "LECTURES A5",
    ),
    "prediction-not-scaled-back": Label(
        "Predictions in one unit are judged by targets in another.",
        "Mean and spread of the truth beside those of the training targets.",
        "Scale predictions back before the metric.",
        "LECTURES A7",
    ),
    "metric-on-training-data": Label(
        "Everything that is evaluated was trained on.",
        "Examples of the evaluation found again among those of the training.",
        "Evaluate on held-out data.",
        "LECTURES A1, A8",
    ),
    "remainder-not-evaluated": Label(
        "The last, smaller batch is left out of the evaluation.",
        "drop_last on a loader that goes through the data in order.",
        "drop_last=False.",
        "LECTURES A1",
    ),
    "one-answer-for-all": Label(
        "One class is predicted for every example.",
        "The predictions of the last evaluation.",
        "Look for the cause: it is a consequence.",
        "LECTURES C10",
    ),
}
LABELS: dict[str, Label] = {**_SCORES, **_LOSSES, **_FINITE, **_METRICS, **MEASURES, **JUDGED}
