"""What can be wrong with how much is learned: steps, time, and how far the loss comes."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

AMOUNT: dict[str, Label] = {
    "too-few-steps": Label(
        "A handful of steps, and the loss still falls.",
        "Fewer than 25 steps; taken on from the last weights, the loss falls by much of what is left.",
        "Smaller batches, more epochs.",
        "LECTURES B1, B12",
    ),
    "stopped-too-early": Label(
        "The training ends while the loss still falls.",
        "The same with more steps.",
        "More epochs.",
        "LECTURES B11",
    ),
    "one-example-at-a-time": Label(
        "The examples of a batch go through the network one by one.",
        "Calls with one example each before one backward; put together they give the same, in less time.",
        "One call for the batch.",
        "LECTURES B1",
    ),
    "data-loading-slow": Label(
        "Most of the time goes by before a batch is there.",
        "Time from a step to the next call, against the time of the step; waits that come with each epoch, and what "
        "the loop over epochs reads.",
        "Prepare the data once; several workers.",
    ),
    "saves-too-often": Label(
        "Weights are written to a file after every step.",
        "The wait between steps takes most of the time, and the loop over batches saves.",
        "Save once an epoch.",
        "LECTURES B11",
    ),
    "evaluates-too-often": Label(
        "Evaluation takes more time than learning.",
        "Time of evaluations that stand between most of the steps.",
        "Evaluate once an epoch.",
    ),
    "one-batch-is-not-learned": Label(
        "Not even one batch is learned by heart.",
        "The first recorded batch again and again, at three rates.",
        "Look at the loss, the targets and the network before any option.",
        "LECTURES B12",
    ),
    "overfits": Label(
        "The training is learned by heart, and what was held out is not.",
        "With the last weights: the share that is right in the recorded batches, and in the last evaluation.",
        "More or varied data, weight decay, dropout, a smaller network, an earlier end.",
        "LECTURES A6",
    ),
    "underfits": Label(
        "The training loss stays high, though one batch is learned by heart.",
        "Loss at the end of the training, and of one batch that alone was learned.",
        "A larger network, a longer training, less regularization.",
        "LECTURES A8, B12",
    ),
    "patience-never-reset": Label(
        "The count of epochs without progress is not set back by progress.",
        "A count that the program raises where the best is not renewed, and that nothing sets to zero.",
        "Set it to zero where the best is renewed.",
        "LECTURES B11",
    ),
}
