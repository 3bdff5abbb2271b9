"""What can be wrong at a step: the order of clearing, backward and step, and what a step does."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

STEPS: dict[str, Label] = {
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
    "update-of-a-copy": Label(
        "Steps that somebody wrote compute new weights and leave the network's own as they are.",
        "Backward passes, steps without an optimizer or that change nothing, and weights that end as they began; an "
        "assignment to the loop's own name in the program.",
        "p -= rate * p.grad under torch.no_grad().",
        "LECTURES B1",
    ),
    "clipped-before-unscaling": Label(
        "Gradients are clipped while they are scaled up, and divided afterwards.",
        "The norm that clipping leaves beside the norm that the step uses.",
        "Unscale, then clip, then step.",
        "LECTURES B10, I3",
    ),
    "loss-scale-not-undone": Label(
        "The loss is multiplied by a large factor, and its gradients are never divided by it.",
        "A factor on the way to the loss, and gradients that arrive at the step with it; the recorded steps go better "
        "without.",
        "Divide the gradients before the step.",
        "LECTURES I3",
    ),
    "weights-in-two-optimizers": Label(
        "Two optimizers that take turns hold the same weights.",
        "Tensors that both have, and steps of both in turns; one of them has no others.",
        "Give each optimizer the weights of its own part.",
    ),
    "schedule-of-another-optimizer": Label(
        "The schedule belongs to an optimizer that takes no step.",
        "The schedule's own optimizer, and those that were seen to step.",
        "Make the schedule from the optimizer that is used.",
        "LECTURES B9",
    ),
    "backward-through-same-past": Label(
        "Each step of time goes backward through the whole past again.",
        "Several passes of one line before a step, the graph of each of which holds all of the one before and more.",
        "Add up the losses, and go backward once.",
        "LECTURES G1",
    ),
    "method-not-called": Label(
        "A method is named and not called, as the parentheses are missing.",
        "Statements of the program that are nothing but the name of a method such as step, zero_grad or eval.",
        "optimizer.zero_grad(), with parentheses.",
    ),
}
