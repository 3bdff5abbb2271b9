"""What can be wrong with learning, beside what is at a single step: what is learned from, what moves, what is read."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

LOOP = {
    "training-data-overwritten": Label(
        "The names of the training data are given to something else, such as the last piece of the validation.",
        "The different examples of the first epoch beside those of all later ones: a small piece is left, of the "
        "validation or of one batch.",
        "Names of their own in each loop, or functions for training and evaluation.",
        "LECTURES A8",
    ),
    "model-kept-between-folds": Label(
        "One network is trained on from fold to fold, or from setting to setting, and has seen what is held out.",
        "A loop over folds, seeds or settings around the whole training, one network that learns in it, and a loss "
        "that never comes back to where it began.",
        "Make network and optimizer in the loop.",
        "LECTURES A8",
    ),
    "ruined-by-rate-search": Label(
        "The training begins from the weights that a search for its rate has ruined.",
        "An optimizer whose rate grows, then another one over the same weights, at a loss above the very first one.",
        "Search on a copy of the network, or load its state again.",
        "LECTURES B12",
    ),
    "backward-through-same-past": Label(
        "Each step of time goes backward through the whole past again.",
        "Several passes of one line before a step, the graph of each of which holds all of the one before and more.",
        "Add up the losses, and go backward once.",
        "LECTURES G1",
    ),
    "debugging-left-on": Label(
        "What finds errors, such as autograd's detection of anomalies, runs in every step and makes it slow.",
        "The mode at each backward pass; recorded steps are timed with it and without.",
        "Turn it off once the error is found.",
    ),
    "method-not-called": Label(
        "A method is named and not called, as the parentheses are missing.",
        "Statements of the program that are nothing but the name of a method such as step, zero_grad or eval.",
        "optimizer.zero_grad(), with parentheses.",
    ),
    "attribute-that-nothing-reads": Label(
        "A setting is written to a name that nothing reads.",
        "Attributes of optimizers, weights, modules, losses and loaders that none of torch's have: optimizer.lr, "
        "parameter.require_grad, module.requires_grad, loader.shuffle.",
        'group["lr"] of each of the optimizer\'s groups; requires_grad_ of a module.',
        "LECTURES B9",
    ),
    "copy-is-the-network-itself": Label(
        "A network that is to stay behind, such as a teacher, is the very one that learns.",
        "An assignment of the network that an optimizer has to a name such as teacher, target or ema.",
        "copy.deepcopy(model).",
    ),
    "patience-never-reset": Label(
        "The count of epochs without progress is not set back by progress.",
        "A count that the program raises where the best is not renewed, and that nothing sets to zero.",
        "Set it to zero where the best is renewed.",
        "LECTURES B11",
    ),
}
UPDATES = {
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
        "Tensors that both have, and steps of both in turns.",
        "Give each optimizer the weights of its own part.",
    ),
    "schedule-of-another-optimizer": Label(
        "The schedule belongs to an optimizer that takes no step.",
        "The schedule's own optimizer, and those that were seen to step.",
        "Make the schedule from the optimizer that is used.",
        "LECTURES B9",
    ),
}
