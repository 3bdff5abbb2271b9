"""What can be wrong with the network: signals, gradients, and what may see what."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

_START: dict[str, Label] = {
    "all-units-equal": Label(
        "All units of a layer begin with the same weights; they get the same gradient and stay one unit.",
        "Slices of the weights and of their first gradient are compared; the steps are taken from random weights.",
        "Draw the weights at random, or leave the layers as torch makes them.",
        "LECTURES C5",
    ),
    "initialization-too-small": Label(
        "The weights begin so small that neither signal nor gradient gets through the layers.",
        "The spread between examples fades by layer, the loss stays, and falls with weights of the usual size.",
        "kaiming_normal_ before ReLUs, xavier_normal_ else.",
        "LECTURES C5, C10",
    ),
    "initialization-too-large": Label(
        "The weights begin so large that scores are huge or units saturated from the start.",
        "Scores or bounded units at the first weights; the same steps from weights of the usual size end far lower.",
        "kaiming_normal_ before ReLUs, xavier_normal_ else.",
        "LECTURES C5, C10",
    ),
    "offsets-at-start": Label(
        "Biases or gains of norms begin at odd values and hold up the signal: dead or saturated units, gains of zero.",
        "Their means at the start; the same steps from biases of zero and gains of one learn by far better.",
        "Biases of 0 (or a small positive number), gains of 1.",
        "LECTURES C5, C6",
    ),
}

_GRADIENTS: dict[str, Label] = {
    "graph-cut": Label(
        "Parameters that the loss depends on and the optimizer has never get a gradient: the graph is cut before them.",
        "The tape is followed back from the loss, along all values and along those with gradients; frozen layers and "
        "networks that no optimizer has are left out.",
        "Remove detach, .data, no_grad or the way through numpy; no argmax or round on the way.",
        "LECTURES C1",
    ),
    "layers-not-registered": Label(
        "Layers in a plain list or dictionary, or a tensor that is no nn.Parameter: the optimizer never gets them.",
        "Attributes of the modules are compared with .parameters(), and with what the loss depends on.",
        "nn.ModuleList, nn.ModuleDict, nn.Parameter.",
    ),
    "layers-made-in-forward": Label(
        "A layer with weights is made anew in each call: its random weights are never trained.",
        "Modules that run inside of a network, belong to none, and are other ones in each step.",
        "Make layers in __init__.",
    ),
    "unused-layer": Label(
        "A layer with parameters was made, and the loss does not depend on it.",
        "No recorded loss reaches its parameters, and they end as they began.",
        "Use it in forward, or remove it.",
    ),
    "result-thrown-away": Label(
        "A layer is called, or a function that changes nothing in place, and what it returns is not kept.",
        "Calls whose outputs go into nothing that ran afterwards; statements that are nothing but a call of a pure "
        "function of tensors.",
        "x = f(x), or the function with an underscore.",
    ),
    "backward-written-wrong": Label(
        "The backward of a hand-written torch.autograd.Function is not the gradient of its forward.",
        "Its gradients beside differences of its values, in float64; functions whose forward is flat (straight-through "
        "estimators, surrogates) or gives back its input (reversed gradients) are left out. The same steps with "
        "torch's own gradient of forward.",
        "grad_output times the derivative, one for each input of forward.",
        "LECTURES C2, C3",
    ),
    "gradients-vanish": Label(
        "The gradient fades on its way back through the layers, so that the first ones do not learn.",
        "Gradient over weights per layer at the start; the loss stays, and falls with ReLU and He initialization.",
        "ReLU, He initialization, norms, skip connections.",
        "LECTURES C9",
    ),
    "gradients-explode": Label(
        "The gradient grows on its long way back, through time or depth, and single steps throw the weights far away.",
        "Jumps of its norm by orders of magnitude, without clipping; the same steps clipped go well.",
        "nn.utils.clip_grad_norm_ before the step.",
        "LECTURES B10, C9",
    ),
    "dead-units": Label(
        "Units of a ReLU layer are zero for all data that was seen, and get no gradient back.",
        "The recorded batches are played with the weights at the end.",
        "A lower rate, He initialization, biases of zero, leaky_relu.",
        "LECTURES C5",
    ),
    "saturated-units": Label(
        "Outputs of tanh or sigmoid stand at their bounds, where the derivative is zero.",
        "Share of outputs within one percent of a bound, with the weights at the end.",
        "Standardized inputs, Xavier initialization, a lower rate, norms.",
        "LECTURES C4, C9",
    ),
}

_STRUCTURE: dict[str, Label] = {
    "no-activation": Label(
        "Two affine layers follow each other with nothing that bends between them: they are one linear layer.",
        "The tape between them; bottlenecks, separable convolutions, skips and projections are left out. The same "
        "steps with a ReLU between.",
        "An activation after each hidden layer.",
        "LECTURES C4",
    ),
    "layer-too-narrow": Label(
        "A layer of one or two units between wide ones lets hardly anything through.",
        "Widths on the tape; autoencoders are left out. The same steps with 32 units there.",
        "A wider layer.",
    ),
    "softmax-between-layers": Label(
        "A softmax as an activation: its units add up to one, and the next layer is given hardly anything.",
        "A softmax whose result is all that a layer is given; gates and attention multiply by it and are left out. The "
        "same steps with a ReLU in its place.",
        "nn.ReLU() between layers.",
        "LECTURES C4",
    ),
    "convolution-over-features": Label(
        "A conv1d gets (batch, places, features) from an embedding, and takes the places for channels.",
        "The tape between embedding and convolution: nothing turns the axes.",
        "embedded.transpose(1, 2).",
        "LECTURES D1",
    ),
    "layers-are-one": Label(
        "A list of layers holds one layer n times, [layer] * n: its places share the same weights.",
        "Modules with weights that stand twice in a ModuleList or Sequential.",
        "[nn.Linear(...) for _ in range(n)].",
    ),
    "norm-shared-by-layers": Label(
        "One batch norm stands behind several layers, and its running averages mix theirs.",
        "Calls of a norm within one call of its owner; the answers to one batch in both modes.",
        "A norm of its own for each layer.",
        "LECTURES C6",
    ),
    "dropout-on-scores": Label(
        "Dropout is the last operation of the network: scores are set to zero at random.",
        "What made the prediction that the loss compares.",
        "Dropout before the last layer.",
        "LECTURES C7",
    ),
    "norm-on-scores": Label(
        "A norm is the last operation of the network and fixes the size of its scores.",
        "What made the prediction that the loss compares.",
        "Norms before the last layer.",
        "LECTURES C6",
    ),
    "bias-before-norm": Label(
        "A bias right before batch normalization, which subtracts it again.",
        "The operation behind the layer.",
        "bias=False.",
        "LECTURES C6",
    ),
    "deep-without-skips": Label(
        "Many layers in a row without skip connections, which train worse than residual ones.",
        "Layers with weights counted, and sums or joins of two paths; a fault where the loss stays, and falls when "
        "each block adds its input.",
        "x + f(x).",
        "LECTURES C8",
    ),
    "layer-used-twice": Label(
        "One layer is used twice in a pass; both uses share its weights.",
        "Uses of each weight on the tape.",
        "A layer for each use, unless sharing is meant.",
    ),
    "more-parameters-than-examples": Label(
        "The network has a hundred parameters or more for each example.",
        "Different examples seen, and parameters.",
        "A smaller network, or regularization; look at the validation loss.",
        "LECTURES A8",
    ),
}

_ATTENTION: dict[str, Label] = {
    "attention-scaled-the-wrong-way": Label(
        "The scores of an attention are multiplied by the root of the width, not divided: its softmax is saturated.",
        "Scores before the softmax against plain products of queries and keys; the same steps with the usual scale.",
        "scores / math.sqrt(d).",
        "LECTURES H1",
    ),
    "attention-not-scaled": Label(
        "The scores of an attention are not divided by the root of the width.",
        "As above; a fault where the softmax is saturated at the first weights and the usual scale learns better.",
        "scores / math.sqrt(d).",
        "LECTURES H1",
    ),
    "heads-mixed-with-places": Label(
        "view makes (batch, heads, places, width) of (batch, places, features), or back, without a transpose.",
        "Shapes before and after: the places keep their size and change their axis.",
        "view(b, t, h, d).transpose(1, 2); transpose(1, 2).reshape(b, t, h * d).",
        "LECTURES H3",
    ),
    "attention-over-wrong-axis": Label(
        "The weights of an attention do not sum to one over the keys.",
        "The dimension of the softmax against the one that the product with the values sums over.",
        "softmax(dim=-1).",
        "LECTURES H1",
    ),
}

_SIGHT: dict[str, Label] = {
    "no-causal-mask": Label(
        "A model that predicts the next token sees it.",
        "Targets are the inputs shifted by one; tokens are changed from the middle on, and earlier outputs move.",
        "A causal mask in each attention; one direction only.",
        "LECTURES H4",
    ),
    "causal-mask-inverted": Label(
        "The mask shows the future and hides the past.",
        "As above, and changed earlier tokens move nothing.",
        "torch.tril for what may be seen; nn.MultiheadAttention wants True where it may not.",
        "LECTURES H4",
    ),
    "causal-mask-shifted": Label(
        "The mask lets each place see the next one, its target.",
        "As above; only the place right before the change moves.",
        "The diagonal: tril(diagonal=0), or triu(diagonal=1) for what may not be seen.",
        "LECTURES H4",
    ),
    "mask-filled-with-zero": Label(
        "Masked scores are set to zero, or multiplied by it, before the softmax: they still get weight.",
        "As above, and what the scores before the softmax are filled with.",
        'masked_fill(mask == 0, float("-inf")).',
        "LECTURES H4",
    ),
    "target-seen": Label(
        "The input at a place is the very target of that place: targets are not shifted.",
        "Inputs and targets are compared; the output at a place moves with the input there. Networks that look both"
        " ways over one input (autoencoders, masked words) are left out.",
        "Inputs tokens[:, :-1], targets tokens[:, 1:].",
        "LECTURES G4, G6",
    ),
    "past-unseen": Label(
        "Each output depends on its own place alone.",
        "Changed earlier tokens move nothing.",
        "A mask that shows the past; a state that is carried on.",
        "LECTURES H4",
    ),
    "order-ignored": Label(
        "The order of a sequence makes no difference: attention without positions.",
        "The tokens between the first and the last are reversed, and the answer stays.",
        "Position embeddings.",
        "LECTURES H2, H6",
    ),
    "examples-leak": Label(
        "The answer to an example depends on the other examples of its batch.",
        "One example is replaced in evaluation mode; the operation is named into which examples go apart and out of "
        "which they come mixed. Graphs, whose examples are linked by a matrix, are left out.",
        "flatten(1), permute, reductions over the other dimensions.",
        "LECTURES C6",
    ),
    "batch-axis-as-time": Label(
        "A recurrent or attention layer that takes time first is given the batch first: it runs over the examples.",
        "As examples-leak; the layer named has batch_first=False.",
        "batch_first=True.",
        "LECTURES G1",
    ),
    "softmax-over-batch": Label(
        "A softmax in the network runs over the examples.",
        "As examples-leak; the operation named is a softmax.",
        "dim=-1, or dim=1 for scores (N, C).",
        "LECTURES A5",
    ),
    "place-in-batch-matters": Label(
        "The answer to an example depends on where it stands in its batch.",
        "The batch is moved on by one: the answers must move with it. Networks with a memory are left out.",
        "Positions along the axis of time, not of the batch.",
        "LECTURES H2",
    ),
    "dropout-always-on": Label(
        "Dropout is on in evaluation mode as well.",
        "The same input twice in evaluation mode; which operation draws. Averages over several draws are left out.",
        "F.dropout(x, p, training=self.training), or nn.Dropout made in __init__.",
        "LECTURES C7",
    ),
    "random-in-evaluation": Label(
        "The network draws at random in evaluation mode.",
        "The same input twice in evaluation mode gives two answers, and no dropout is on; a fault where other classes, "
        "or numbers far off, are answered. Averages over draws and autoencoders are left out.",
        "Meant in a sampler; else the mean in evaluation.",
    ),
    "evaluation-is-another-network": Label(
        "A layer of one's own gives other answers in evaluation mode, such as by averages that are never kept up.",
        "A batch of the training in both modes, torch's own dropout off; networks with its norms, and those that "
        "draw in training, are left out.",
        "Write to the buffer itself: self.mean.mul_(0.9).add_(0.1 * mean).",
        "LECTURES C6",
    ),
    "state-carried-over": Label(
        "A state is kept from call to call, so that an answer depends on earlier batches.",
        "The same input twice in a copy, with the same seed, gives two answers.",
        "Begin each sequence with zeros.",
        "LECTURES G1",
    ),
    "input-ignored": Label(
        "The network gives the same answer whatever its input is.",
        "Every example is exchanged for another, and nothing moves.",
        "Find the layer that gives the same for all: dead units, a constant in place of the input.",
    ),
    "part-of-input-unseen": Label(
        "A part of the input has no effect: steps of a sequence, columns, pixels.",
        "Gradient by the input, and a change of the parts without any.",
        "Read the last step or the mean, not the first; look at slices and strides in forward.",
        "LECTURES D1, D4, G1",
    ),
    "argument-ignored": Label(
        "The network is given something of each example beside its input, such as a step or condition, and ignores it.",
        "No operation of the recorded steps uses it, and exchanging it between the examples moves no answer.",
        "Use it in forward, as an embedding that is added or joined.",
    ),
    "noise-level-not-given": Label(
        "The network is to find noise of a level that differs by example, and is not told the level.",
        "The target is drawn from a normal distribution, and its share in the only input differs from example to "
        "example by more than chance.",
        "model(noisy, step).",
    ),
    "padding-mask-inverted": Label(
        "The mask of an attention hides what is there and shows the padding.",
        "The keys that may be looked at (key_padding_mask, attn_mask, weights of a written softmax) beside the places "
        "at which the rows of tokens end.",
        "key_padding_mask=(tokens == PAD); of scaled_dot_product_attention True means: may be looked at.",
        "LECTURES H4",
    ),
    "padding-seen": Label(
        "The answer changes with the amount of padding behind a sequence.",
        "Padding that all rows of a batch share is cut off, and the answers are compared.",
        "Packed sequences, masks of padded keys, means over real places.",
        "LECTURES G1, H4",
    ),
}

LABELS: dict[str, Label] = {**_START, **_GRADIENTS, **_STRUCTURE, **_ATTENTION, **_SIGHT}
