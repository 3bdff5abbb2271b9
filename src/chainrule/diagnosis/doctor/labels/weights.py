"""What can be wrong with the weights that learn: which ones move, and which are kept, averaged and evaluated."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

WEIGHTS: dict[str, Label] = {
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
    "copy-is-the-network-itself": Label(
        "A network that is to stay behind, such as a teacher, is the very one that learns.",
        "An assignment to a name such as teacher, target or ema, and calls under it in each step that the network "
        "answers which learns.",
        "copy.deepcopy(model).",
    ),
    "ruined-by-rate-search": Label(
        "The training begins from the weights that a search for its rate has ruined.",
        "An optimizer whose rate grows, then another one over the same weights, at a loss above the very first one.",
        "Search on a copy of the network, or load its state again.",
        "LECTURES B12",
    ),
    "model-kept-between-folds": Label(
        "One network is trained on from fold to fold, or from setting to setting, and has seen what is held out.",
        "A loop over folds, seeds or settings around the whole training, one network that learns in it, and a loss "
        "that never comes back to where it began; examples that are left out at first and others at last, or "
        "optimizers made anew at rates that do not fall.",
        "Make network and optimizer in the loop.",
        "LECTURES A8",
    ),
}
