"""What can be wrong with the mode that a network is in: training, evaluation, and what runs beside them."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

MODES: dict[str, Label] = {
    "evaluated-in-training-mode": Label(
        "The network is evaluated while dropout and batch statistics are active.",
        "Calls that nothing is learned from and that are no part of a step, in training mode; and a copy "
        "answers otherwise "
        "in evaluation mode. One batch asked many times over is meant.",
        "model.eval() before evaluating.",
        "LECTURES C6, C7",
    ),
    "trained-in-evaluation-mode": Label(
        "The network is trained while dropout and batch statistics are off.",
        "The call before backward is in evaluation mode, and a copy answers otherwise in training mode. "
        "Normalization that "
        "came with statistics of its own and is off all the time is meant.",
        "model.train() at the beginning of each epoch.",
        "LECTURES C6, C7",
    ),
    "teacher-in-training-mode": Label(
        "A network that does not learn is asked in training mode, for what another one should learn.",
        "Calls without gradients beside most steps, weights that stay as they are, and answers that are others in "
        "evaluation mode.",
        "teacher.eval().",
        "LECTURES C6, C7",
    ),
    "modules-in-another-mode": Label(
        "Parts stay in evaluation mode while the network learns.",
        "Parts that act otherwise in training, are not frozen and have no statistics from elsewhere.",
        "model.train() of the whole network.",
        "LECTURES C6",
    ),
    "gradients-in-evaluation": Label(
        "Evaluation records what gradients would need.",
        "Calls in evaluation mode with gradients recorded, and no backward after them.",
        "with torch.no_grad().",
        "LECTURES C1",
    ),
    "seeded-in-every-step": Label(
        "The random generator is set to the same seed in each step, so that dropout drops the same units for ever.",
        "A call of manual_seed in the loop over batches with nothing in it that changes, and operations that draw.",
        "Seed once, before the training.",
        "LECTURES C7",
    ),
    "dropout-too-strong": Label(
        "So much is dropped that hardly anything gets through.",
        "Asked without dropout, a few steps with a probability of 0.1 come further than the whole training.",
        "The probability to drop, not to keep.",
        "LECTURES C7",
    ),
    "batch-norm-tiny-batch": Label(
        "Batch normalization takes its statistics from a few numbers.",
        "Numbers per channel; and the loss with running statistics against that with the batch's own.",
        "Larger batches, or group or layer normalization.",
        "LECTURES C6",
    ),
    "batch-norm-statistics-off": Label(
        "The running statistics of batch normalization are not the data's.",
        "With the last weights the loss of training batches is far higher with running statistics than with their own.",
        "momentum=0.1.",
        "LECTURES C6",
    ),
    "debugging-left-on": Label(
        "What finds errors, such as autograd's detection of anomalies, runs in every step and makes it slow.",
        "The mode at each backward pass; recorded steps are timed with it and without.",
        "Turn it off once the error is found.",
    ),
}
