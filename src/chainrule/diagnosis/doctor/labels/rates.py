"""What can be wrong with the rate, its schedule and the optimizer's other settings."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

RATES: dict[str, Label] = {
    "rate-too-low": Label(
        "The learning rate is too low.",
        "From the first weights, on the recorded batches: at ten to a thousand times the rate, a few dozen "
        "steps come much "
        "further than the whole training did; at the used rate they do not.",
        "A higher rate, as the range test shows.",
        "LECTURES B12, C10",
    ),
    "rate-too-high": Label(
        "The learning rate is too high.",
        "The same with lower rates; or the loss stays where it is and falls at once at a tenth of the rate.",
        "A lower rate, or a schedule.",
        "LECTURES B12",
    ),
    "loss-does-not-move": Label(
        "The loss stays where it began.",
        "Its mean at the end is that of the start. A symptom: of the four causes of the lectures the rate and "
        "the scale of "
        "the first weights hold it from the start, strong penalties and uneven classes later.",
        "Look at the rate and at the first weights.",
        "LECTURES C10",
    ),
    "loss-diverges": Label(
        "The loss ends far above where it began.",
        "Mean at the end above twice that of the start. A symptom.",
        "Look at the rate, the order of the steps and the scale of the data.",
        "LECTURES B12",
    ),
    "loss-oscillates": Label(
        "The loss jumps by more than its size from step to step.",
        "The median jump in the second half is above the median loss. A symptom.",
        "A lower rate, or larger batches.",
        "LECTURES B12",
    ),
    "betas-exchanged": Label(
        "Adam's two decay rates stand in each other's place.",
        "The first is the larger one, and far from 0.9.",
        "betas=(0.9, 0.999).",
        "LECTURES B6",
    ),
    "updates-lost-to-rounding": Label(
        "Weights of 16 bits do not change, for each step is smaller than their rounding.",
        "The first recorded step in 32 bits changes weights that it does not change in theirs.",
        "Weights in 32 bits, autocast for what is computed.",
        "LECTURES I3",
    ),
    "momentum-too-large": Label(
        "Momentum reaches too far back for this training.",
        "It is one or more, or the recorded steps with a usual one come much further than the whole training.",
        "momentum=0.9.",
        "LECTURES B2",
    ),
    "epsilon-too-large": Label(
        "The optimizer's epsilon is larger than the gradients.",
        "The recorded steps with 1e-8 come much further than the whole training.",
        "eps=1e-8.",
        "LECTURES B6",
    ),
    "weight-decay-too-strong": Label(
        "The optimizer pulls weights to zero faster than they learn.",
        "Without the decay the loss falls at once, from the first weights or from the last ones; with it it does not.",
        "weight_decay=1e-4.",
        "LECTURES A6, B7",
    ),
    "clipped-to-nothing": Label(
        "Gradients are clipped far below any norm that comes, and the rate does not make up for it.",
        "The limit is below a twentieth of the usual norm, and the recorded steps without clipping come much further.",
        "A limit near the usual norm.",
        "LECTURES B10",
    ),
    "clipping-without-effect": Label(
        "Gradients are clipped when no step follows.",
        "Clipping stands after the step, or before backward, most of the time.",
        "Clip between backward and step.",
        "LECTURES B10",
    ),
    "rate-is-zero": Label(
        "The rate is zero for many steps.",
        "Rates as they were at each step: zero in a tenth of them at first, or in a third at the end.",
        "A true division in the warm-up; a schedule that ends with the training.",
        "LECTURES B9",
    ),
    "schedule-kills-rate": Label(
        "The rate is next to nothing for most of the training.",
        "It is below a fiftieth of its highest value in two fifths of the steps, and from the last weights on the loss "
        "falls again at the highest.",
        "Step the schedule in the unit that it counts.",
        "LECTURES B9",
    ),
    "rate-rises-without-end": Label(
        "The rate grows to the end, faster and faster.",
        "Highest at the last step, and more growth in the second half than in the first.",
        "A factor below one.",
        "LECTURES B9",
    ),
    "warm-up-too-long": Label(
        "The training ends before the warm-up does.",
        "The rate rises evenly to the last step, and a few steps at its highest value come further than all.",
        "A warm-up over a tenth of the steps.",
        "LECTURES B9",
    ),
    "schedule-never-stepped": Label(
        "A schedule was made and never stepped.",
        "Its own counter, beside the steps of its optimizer.",
        "scheduler.step().",
        "LECTURES B9",
    ),
    "plateau-in-wrong-mode": Label(
        "A schedule that waits for a plateau takes what gets better for what gets worse.",
        "The values that it was given go with the training loss and it waits for them to rise, or the other way; their "
        "name says the same.",
        'mode="min" for losses, mode="max" for accuracies.',
        "LECTURES B9",
    ),
    "schedule-goes-around": Label(
        "A cosine is stepped many times its length, and the rate rises again.",
        "Its length and its own counter: more than three times as many.",
        "T_max in the unit in which it is stepped.",
        "LECTURES B9",
    ),
    "schedule-stepped-too-rarely": Label(
        "A schedule that counts batches is stepped once an epoch.",
        "Its length is near the number of steps, and its counter far below.",
        "scheduler.step() in each batch.",
        "LECTURES B9",
    ),
    "attribute-that-nothing-reads": Label(
        "A setting is written to a name that nothing reads.",
        "Attributes of optimizers, weights, modules, losses and loaders that none of torch's have, and that the "
        "program does not read itself: optimizer.lr, parameter.require_grad, module.requires_grad, loader.shuffle.",
        'group["lr"] of each of the optimizer\'s groups; requires_grad_ of a module.',
        "LECTURES B9",
    ),
}
