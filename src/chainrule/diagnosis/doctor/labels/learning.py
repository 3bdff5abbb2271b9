"""What can be wrong with learning: optimizers, rates, modes and the loop."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label
from chainrule.diagnosis.doctor.labels.loop import LOOP, UPDATES

_LOOP = {
    "gradients-not-cleared": Label(
        "Each backward adds its gradients to those of all steps before.",
        "Each gradient is followed from backward to step: one that a step has used is still there, and is added "
        "to, when "
        "the next step uses it. Passes that are added up before one step are not meant.",
        "optimizer.zero_grad() once for every step.",
        "LECTURES B1",
    ),
    "gradients-cleared-before-step": Label(
        "Gradients are cleared between backward and step, so no step has any.",
        "A backward pass, a clearing, and a step with a gradient of norm zero, in this order.",
        "optimizer.zero_grad() before backward or after step.",
        "LECTURES B1",
    ),
    "accumulation-forgets": Label(
        "Of several backward passes before a step only the last one counts.",
        "Several passes of one line before each step, on other examples, with a clearing between them and "
        "nothing there "
        "when the next one adds.",
        "Clear gradients only after the step.",
        "LECTURES B1",
    ),
    "accumulation-not-divided": Label(
        "Gradients of several batches are added up at a rate made for their mean.",
        "Several passes add up before each step, each with the full mean of its batch, and the recorded steps "
        "go better "
        "when the sum is divided. Optimizers that divide by the gradient's size do not mind.",
        "Divide each loss by the number of passes.",
        "LECTURES B1",
    ),
    "backward-never-called": Label(
        "No gradient is ever computed.",
        "An optimizer was made, the network was called in training mode with gradients recorded, and there was no "
        "backward pass and no change of a weight.",
        "loss.backward() before optimizer.step().",
        "LECTURES C1",
    ),
    "batches-without-backward": Label(
        "The network is called with many batches, and only the last one is learned from.",
        "Calls on the tape of a backward pass whose answers do not lead to its loss: three and more of other examples "
        "for each that does.",
        "backward and step inside of the loop over batches.",
        "LECTURES B1",
    ),
    "loss-cleared-away": Label(
        "Of two losses only the last one is learned from.",
        "Two backward passes of different lines before one step, with a clearing between them, and nothing used what "
        "the first one gave.",
        "One zero_grad before both, or one backward of the sum.",
        "LECTURES B1",
    ),
    "one-step-an-epoch": Label(
        "One step is taken for all batches of an epoch.",
        "Before each step the network is called with many batches that together are all examples, and much of the "
        "first loss is left at the end.",
        "step inside of the loop over batches.",
        "LECTURES B1",
    ),
    "steps-uphill": Label(
        "Steps go along the gradient, not against it.",
        "maximize=True, or steps by hand whose rate is below zero, with a loss that is to be small and does not fall.",
        "weight -= rate * gradient.",
        "LECTURES B1",
    ),
    "step-never-called": Label(
        "Gradients are computed, and the optimizer never steps.",
        "Weights of an optimizer get gradients, and are at the end what they were at first.",
        "optimizer.step() after loss.backward().",
        "LECTURES B1",
    ),
    "step-before-backward": Label(
        "The step comes before the backward pass that it should use.",
        "The last thing before most steps is a call of the network that nothing was computed back from yet.",
        "zero_grad, call, loss, backward, step.",
        "LECTURES B1",
    ),
    "step-called-twice": Label(
        "Two steps are taken with one gradient.",
        "Two steps of one optimizer with no backward pass between them, most of the time.",
        "One step for each backward.",
        "LECTURES B1",
    ),
}
_WEIGHTS = {
    "optimizer-of-another-model": Label(
        "The optimizer holds the weights of a network that is not the one trained.",
        "None of the optimizer's tensors ever gets a gradient, and the network's do and never change.",
        "Make the optimizer from the parameters of the network that is called.",
    ),
    "parameters-left-out": Label(
        "Weights get gradients and are in no optimizer.",
        "A weight with a gradient that no optimizer has and that never changes. One that is frozen, or looks trained "
        "(its largest singular value stands out from a random matrix's), is meant to stay.",
        "optimizer over model.parameters(); requires_grad_(False) for what is to stay.",
    ),
    "frozen-at-random": Label(
        "Weights are frozen as they were drawn, and nobody has ever trained them.",
        "requires_grad is False, they never change, and their largest singular value is that of a random matrix.",
        "Load trained weights before freezing, or do not freeze.",
        "LECTURES I1",
    ),
    "optimizer-made-anew": Label(
        "Optimizers follow each other over the same weights, each without what the one before has gathered.",
        "Three and more optimizers were made in one line over the same weights, and each has taken steps.",
        "Make the optimizer once, before the loop.",
        "LECTURES B2, B6",
    ),
    "model-made-anew": Label(
        "The network is made anew in every epoch.",
        "Networks of equal shapes learn one after the other, each once from the same examples. Folds see different "
        "ones.",
        "Make the network once, before the loop over epochs.",
        "LECTURES B1",
    ),
    "best-weights-not-copied": Label(
        "The best weights are kept by reference, and go on changing.",
        "The state that is loaded is the network's own memory; or a variable for the best network is assigned "
        "the network.",
        "copy.deepcopy(model.state_dict()).",
        "LECTURES B11",
    ),
    "evaluated-another-model": Label(
        "The network that is evaluated never learns.",
        "It has the shapes of the trained one, shares no weight with it, and its weights are those of the "
        "start, or random; "
        "an average that follows the weights changes.",
        "Evaluate the network that the optimizer moves.",
    ),
    "average-too-slow": Label(
        "The average of the weights that is evaluated has not arrived where the weights are.",
        "Its distance from the last weights over the way that these have gone; and the loss of training batches with "
        "the one and the other.",
        "A decay whose 1 / (1 - decay) is far below the number of steps, or one that rises.",
        "Polyak and Juditsky 1992",
    ),
    "average-without-statistics": Label(
        "The weights are averaged and the running statistics of batch normalization are not.",
        "The average is evaluated with statistics as they were made (zero and one); the trained network has others.",
        "update_bn before evaluating, or copy the buffers.",
        "Izmailov et al. 2018; LECTURES C6",
    ),
    "learns-from-validation": Label(
        "Steps are taken on what is held out.",
        "Backward passes and steps in a loop over something that is called validation or test, beside others outside "
        "of it.",
        "No backward and no step in the loop over validation batches.",
        "LECTURES A8",
    ),
    "best-in-wrong-direction": Label(
        "Of all epochs the worst one is kept, or none.",
        "The comparison with the best so far, as it is written: the name of the value says whether a small or a large "
        "one is better; and what the best begins at.",
        "< for losses and errors, from infinity; > for accuracies.",
        "LECTURES B11",
    ),
    "weights-not-loaded": Label(
        "A state is loaded whose names are not those of the network, so that nothing of it arrives.",
        "load_state_dict with strict=False: more weights are missing than were found, and as many names were not "
        "expected; or what was loaded is no longer there at the first call.",
        "Load with strict=True, after renaming the keys; nothing that draws weights after it.",
        "LECTURES I1",
    ),
    "graph-kept": Label(
        "Losses are kept with all that they were computed from, and memory grows.",
        "Losses of many earlier steps are alive with their graphs, or what tensors of before hold grows from "
        "step to step.",
        "loss.item() in sums and lists.",
        "LECTURES C1",
    ),
    "state-keeps-graph": Label(
        "A state is carried from step to step with all that it was computed from.",
        "Backward leads into earlier steps: autograd says so, or a tensor of before with a growing graph leads "
        "to the loss.",
        "state.detach() between the steps.",
        "LECTURES G1",
    ),
}
_RATES = {
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
        "It is below a fiftieth of its highest value in two fifths of the steps, and the loss falls again at "
        "the highest.",
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
}
_MODES = {
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
}
_AMOUNT = {
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
}
LABELS: dict[str, Label] = {**_LOOP, **LOOP, **UPDATES, **_WEIGHTS, **_RATES, **_MODES, **_AMOUNT}
