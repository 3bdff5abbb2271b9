"""What can be wrong with the data: inputs, targets, and how they reach the network."""

from __future__ import annotations

from chainrule.diagnosis.doctor.labels._label import Label

LABELS: dict[str, Label] = {
    "input-not-finite": Label(
        "There is nan or inf among what the network is given.",
        "The inputs of the recorded steps, column by column; a column that is so in every example was divided by zero.",
        "Fill or drop what is missing; add a small number to the spread that is divided by.",
        "LECTURES A9",
    ),
    "target-not-finite": Label(
        "There is nan or inf among the targets.",
        "The targets of the recorded steps, and a loss that is not finite.",
        "Leave those examples out, or mend what made them.",
    ),
    "inputs-all-equal": Label(
        "All examples are the same.",
        "A number for each example that equal ones share: there is one number only.",
        "Look at what stands between the data and the network.",
    ),
    "constant-columns": Label(
        "Some columns never change.",
        "Least and most of each column of a table.",
        "Drop them, or look at why they say nothing.",
    ),
    "input-not-scaled": Label(
        "Inputs are far from the unit scale, or columns of very different scale.",
        "Training again from the same start with inputs of mean 0 and spread 1: the loss falls much further.",
        "(x - mean) / std with the statistics of the training part.",
        "LECTURES A9; LeCun et al., Efficient BackProp, 4.3",
    ),
    "scaled-over-wrong-axis": Label(
        "Each example of a table was scaled by itself, and not each column.",
        "Rows of mean 0 and spread 1, or of length 1, whose columns are of different kinds; training again with "
        "columns scaled: the loss falls much further.",
        "Statistics over axis 0.",
        "LECTURES A9",
    ),
    "input-squeezed": Label(
        "Inputs hardly differ: divided twice, or squeezed by a placeholder or a few values far away.",
        "A spread far below one, or a gap in a column many spreads of the other values wide; training again "
        "without it.",
        "Divide once; fill what is missing with the mean of the training part before scaling.",
        "LECTURES A9",
    ),
    "input-rounded-away": Label(
        "A division of whole numbers has left a few values of many.",
        "How many values differ, and a whole-number division in the program.",
        "Convert to float, then divide.",
    ),
    "bytes-wrap-around": Label(
        "Arithmetic on unsigned bytes wrapped around: 0 - 100 is 156.",
        "A subtraction of a whole number before anything is made a float, and inputs that fill the range of bytes from "
        "zero on, where they would have a sign.",
        "Convert to float first, then subtract.",
    ),
    "input-clipped": Label(
        "Inputs were cut off at bounds that many of them reach.",
        "Values piled up at the least and the most value of all columns.",
        "Scale first, clip far outside.",
    ),
    "tokens-mostly-unknown": Label(
        "Nearly all tokens are the unknown one.",
        "The share of the commonest token that is not padding, and how far it is ahead of the next.",
        "A larger vocabulary, and looking words up as they were counted.",
        "LECTURES A9, G5",
    ),
    "input-mostly-padding": Label(
        "Most places of the sequences are padding.",
        "The share of the token that rows are filled up with; training again on rows cut to the usual length.",
        "Fill up to the longest of the batch, mask or pack.",
        "LECTURES G1, H4",
    ),
    "ids-as-numbers": Label(
        "Identifiers of letters, words or categories go in as sizes.",
        "What each number by itself says of the target, beside a smooth curve through them; training again with the "
        "numbers in another order, which would do harm to sizes.",
        "nn.Embedding, or one-hot.",
        "LECTURES A9",
    ),
    "columns-in-changing-order": Label(
        "The columns of the input are in another order in each batch.",
        "Means of columns from batch to batch: unlike as they stand, alike in order of size.",
        "Shuffle rows only.",
    ),
    "sequences-truncated": Label(
        "Sequences are cut so short that most is lost.",
        "Short rows that are all full, and the longer ones that they were cut from.",
        "Keep as many tokens as 95% of the examples have.",
    ),
    "axes-exchanged": Label(
        "Reshape was used where axes must be exchanged, which mixes the numbers.",
        "A reshape whose axes come back in another order; or another reading of the inputs in which "
        "neighbours are much "
        "more alike.",
        "permute or transpose.",
        "LECTURES D1",
    ),
    "batch-and-time-exchanged": Label(
        "A recurrent layer runs over the examples of the batch instead of over time.",
        "The axis that the layer takes as time is as long as there are examples, the other one is not.",
        "batch_first, or transpose.",
        "LECTURES G1",
    ),
    "target-constant": Label(
        "All targets are the same.",
        "The targets of the recorded steps.",
        "Look at how they are read.",
    ),
    "targets-cut-to-whole-numbers": Label(
        "Targets that are numbers were cast to whole ones.",
        "Few whole numbers in training where the metric's true values have fractions, or a cast in the program.",
        "Keep them as floats.",
    ),
    "target-shifted-twice": Label(
        "Targets are shifted in the data and once more in the loss: the token after the next is learned.",
        "For each answer the place that it stands at, followed through the operations, and the token that it is "
        "compared with, looked up in the input.",
        "Shift once.",
        "LECTURES G5",
    ),
    "input-as-target": Label(
        "The output is compared with the very input that was to be cleaned or changed.",
        "Target and input equal in training, and another target in evaluation.",
        "Keep the clean example beside the changed one.",
    ),
    "target-not-scaled": Label(
        "Targets are far from the unit scale, and the network does not get there.",
        "Training again from the same start with targets of mean 0 and spread 1: the share of unexplained "
        "variance falls "
        "much further.",
        "(y - mean) / std, and scale answers back.",
        "LECTURES A7",
    ),
    "labels-out-of-range": Label(
        "Targets have values that the loss cannot be compared with.",
        "What ended the training, or least and most of the targets.",
        "Classes from 0 to K - 1; two classes as 0.0 and 1.0; probabilities that add up to 1.",
        "LECTURES A5",
    ),
    "labels-of-wrong-kind": Label(
        "The loss refuses the type or shape of its targets.",
        "What ended the training.",
        "Whole numbers (N,) for classes, floats of the answers' shape for everything else.",
        "LECTURES A5, A7",
    ),
    "labels-start-at-one": Label(
        "Classes are numbered from 1.",
        "Class 0 never occurs in the training set, and all others do.",
        "labels - 1, and one output less.",
        "LECTURES A5",
    ),
    "class-missing": Label(
        "A class of the validation never occurs in training.",
        "Classes of both parts, and the chance that it is missing by draw.",
        "Shuffle before the split, or split by class.",
        "LECTURES A1",
    ),
    "labels-numbered-differently": Label(
        "Training and validation number the classes differently.",
        "The matching of answered and true classes that fits best is far better than that of equal numbers.",
        "One numbering, made on the training part.",
        "LECTURES A1",
    ),
    "classes-uneven": Label(
        "One class has nearly all examples.",
        "Counts of the classes, and whether the network answers anything else.",
        "Weights inverse to the frequency, or an even sampler; F1 or mean recall as the metric.",
        "LECTURES C10",
    ),
    "rare-class-neglected": Label(
        "A rare class is mostly missed, and neither loss nor sampling makes up for how seldom it occurs.",
        "Recall of each class in the validation; training again with classes drawn evenly finds far more of it.",
        "Class weights or a weighted sampler; F1 or mean recall as the metric.",
        "LECTURES A9",
    ),
    "class-weights-upside-down": Label(
        "Weights of classes grow with their frequency.",
        "The correlation of the logarithms of weight and count, of the loss's weights or the sampler's.",
        "total / (classes * counts).",
        "LECTURES A6",
    ),
    "labels-unrelated": Label(
        "Labels have nothing to do with their inputs.",
        "Neighbours and a linear fit say no more of the labels than of shuffled ones, though they do in the "
        "validation, or once labels are taken in another order (as text, moved by one, in reverse); and the network "
        "learns no more from them. What follows in time is to be forecast, and may be unpredictable.",
        "Shuffle and filter inputs and labels together; keep name and label in one table, or sort both by one key.",
        "LECTURES A2; Zhang et al., Understanding deep learning requires rethinking generalization",
    ),
    "labels-partly-wrong": Label(
        "Many labels are wrong in one part, training or validation, and right in the other.",
        "Training examples answer for their neighbours far better in the validation than in training itself, or the "
        "reverse.",
        "Mend how labels are joined to examples.",
        "LECTURES A9",
    ),
    "validation-among-training": Label(
        "Validation examples are training examples as well.",
        "Equal examples in both, beyond what such data have by chance.",
        "Split first; then repeat, oversample or augment.",
        "LECTURES A1",
    ),
    "split-parts-exchanged": Label(
        "The part to validate on is trained on, and the larger one validated.",
        "The names that the parts of a split are given in the program, and how many examples each was used for.",
        "x_train, x_test, y_train, y_test = train_test_split(x, y).",
    ),
    "split-not-shuffled": Label(
        "Data in order were split as they stood: training and validation hold different classes, or ranges of targets.",
        "Classes of one part that would be missing from the other by chance less than once in a million; for numbers "
        "the share of validation targets outside of those of training.",
        "Shuffle before splitting, or split by class.",
        "LECTURES A9",
    ),
    "validation-nearly-training": Label(
        "Validation examples are nearly equal to training examples.",
        "Distances to the nearest training example, against those among training examples.",
        "Split first; then copy, augment or add noise.",
        "LECTURES A1",
    ),
    "windows-overlap": Label(
        "Windows of the validation overlap with those of training.",
        "The first half of a validation window stands inside of a training window.",
        "Split by time, then cut windows.",
        "LECTURES G4",
    ),
    "target-among-inputs": Label(
        "The target, or something computed from it, is among the inputs.",
        "The correlation of each column, and of products of two, with the target.",
        "Drop the column.",
    ),
    "future-in-window": Label(
        "The window holds the value that is to be forecast.",
        "One step of the window is the target exactly.",
        "End the window before the target.",
    ),
    "selection-before-split": Label(
        "Features were chosen with the labels of all examples.",
        "On training and validation together all t values lie just above one bound: the end of a "
        "distribution, cut off.",
        "Choose on the training part only.",
        "Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 7.10.2",
    ),
    "target-code-of-all-rows": Label(
        "Categories are coded by mean targets that were computed with the validation.",
        "A column is the mean target of each group over all examples, and not over those of training.",
        "Compute the means on the training part only.",
    ),
    "validation-prepared-differently": Label(
        "Training and validation are prepared in different ways.",
        "Mean, spread and columns of both, frequencies of tokens; and asking the network about the validation prepared "
        "otherwise.",
        "One function for both, with the statistics of the training part.",
        "LECTURES A9",
    ),
    "data-not-shuffled": Label(
        "Examples come sorted by class or target.",
        "The share of the targets' variance that lies between batches.",
        "A new order in each epoch.",
        "LECTURES B1",
    ),
    "few-examples-again": Label(
        "Training meets the same few examples again and again.",
        "Different examples that were met, against how many there are.",
        "Go through the whole loader in each epoch.",
        "LECTURES B1",
    ),
    "data-changed-in-place": Label(
        "The examples themselves are changed each time they are used, so that they drift from epoch to epoch.",
        "Stored rows at the beginning and the end, in whatever order; mean and spread of the inputs from call to "
        "call, and an assignment in place in the program.",
        "Change a copy: x = (x - mean) / std under another name, or once before the loop.",
    ),
    "data-grows": Label(
        "The training data become more from epoch to epoch.",
        "Steps between evaluations, and a name that a loop makes of itself and more.",
        "Make the enlarged set anew from the original one.",
    ),
    "batches-overlap": Label(
        "Each batch holds most of the examples of the batch before.",
        "A number for each example, from batch to batch.",
        "x[i * size : (i + 1) * size].",
    ),
    "empty-batches": Label(
        "Batches without any example, whose loss is no number.",
        "The shapes of what the network is called with.",
        "x[i : i + size].",
    ),
    "examples-left-out": Label(
        "A data set gives out fewer examples than it holds.",
        "Its length beside that of its members.",
        "len(self.x) in __len__.",
    ),
    "iterator-used-up": Label(
        "The data are an iterator that is empty after the first epoch.",
        "Evaluations that go on after the last step, and where the iterator is made.",
        "Make it anew in each epoch.",
        "LECTURES B1",
    ),
    "no-steps": Label(
        "The training took no step at all.",
        "No backward pass and no step, and loaders without a batch.",
        "A batch that fits the data, or drop_last=False.",
        "LECTURES B1",
    ),
    "augmentation-breaks-label": Label(
        "Augmentation makes other classes of the examples.",
        "Training again on the examples as they were before it: the validation is answered much better.",
        "Only changes that leave the class.",
        "LECTURES D5",
    ),
    "augmentation-in-evaluation": Label(
        "Augmentation runs in evaluation as well.",
        "The same validation examples look different in the first and the last evaluation.",
        "A transform of its own for the validation, without anything random.",
        "LECTURES D5",
    ),
    "own-target-in-code": Label(
        "Categories are coded by mean targets that hold each example's own target.",
        "A column is the mean target of each group over training, drawn to a common mean or not, and says far more of "
        "the targets there than in validation.",
        "Code each training example by the others of its category, or by other folds.",
    ),
    "target-not-turned-along": Label(
        "Pictures are mirrored or turned at random, and their masks or boxes are not.",
        "Each mask or box is laid over its picture as it is and turned: in training many fit far better turned, in "
        "validation none.",
        "Draw the turn once and apply it to both.",
        "LECTURES D5",
    ),
    "mask-blended": Label(
        "Masks of classes are resized or turned by interpolation, which makes up classes along every edge.",
        "Places whose class lies between those on both sides, in training and in validation; how masks are resized in "
        "the program.",
        'mode="nearest" for masks.',
    ),
    "mixed-labels-do-not-fit": Label(
        "Examples are mixed of two, and their labels with exchanged or other weights.",
        "The place of each mixed example between the means of its two classes, beside the share in its label.",
        "The same weights and partners for both.",
        "Zhang et al., mixup",
    ),
    "circle-cut-open": Label(
        "A target that closes to a circle (an angle, a time of day) is learned as a number.",
        "Neighbors of examples at one end of the range are at the other end, and not in the middle; those of one "
        "quarter are not at the other.",
        "Learn sine and cosine; atan2 gives the angle back.",
        "LECTURES A7",
    ),
    "gross-errors-kept": Label(
        "A few targets are far off all others, and rule scale and loss.",
        "A gap of many spreads below or above few of them, of which the inputs tell nothing; training again with those "
        "drawn in explains far more of all others.",
        "Leave out what cannot be; scale by what is left.",
        "LECTURES A7, A9",
    ),
    "unknown-taken-for-no": Label(
        "Labels that nobody determined are filled with zero and learned as if they were negative.",
        "Targets that were nan and are 0 in the loss; positives that are rarer in training than in validation, alike "
        "for all labels.",
        "Leave unknown labels out of the loss by a mask.",
    ),
    "smoothed-with-the-future": Label(
        "The series was smoothed over later values as well before a forecast is made of it.",
        "The last step of each window is a weighted mean of the targets around it, those that come later included.",
        "Average over past values only.",
        "LECTURES G4",
    ),
}
