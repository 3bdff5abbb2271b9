"""The sections of a recipe: closed, typed, plain data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

OWN = "own"
"""The model name of a network that a person handed over as `--model FILE.py:NAME` or in Python."""
CARD = "card"
"""The normalization that stands on a model's card."""

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of a recipe whose keys are all known."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Named(BaseModel):
    """A part of a recipe that names a registered function; the other keys are that function's options."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(strict=True)]
    """Which of the registered parts."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `name`."""
        return dict(self.model_extra or {})


def name_alone(value: Any) -> Any:
    """`words` stands for `{name: words}`."""
    return {"name": value} if isinstance(value, str) else value


class Data(Named):
    """Which data set; other keys are options of the source."""


class ImageData(Data):
    """Which images, how they are split, what is made of them; other keys are options of the source."""

    validation: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the training images set aside to choose by; stratified by class."""
    test_share: Annotated[Share, Field(gt=0)] = 0.2
    """Share set aside as the test part where the data set has no official one."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Seed of the split; the seed of the training when left out."""
    normalize: Literal["channel", "pixel", "none", "card"] = "channel"
    """Subtract the mean of the training part and divide by its deviation: per channel or per pixel. `card`: those that
    the model's card says, which also hold when `model.weights` are given and nothing is said here."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many training images, stratified by class."""
    features: list[Named] = []
    """What a classifier is given in place of the image: names, or names with options: `[hog, {name: hog, cell: 4}]`."""

    @field_validator("features", mode="before")
    @classmethod
    def _names_alone(cls, value: Any) -> Any:
        """`hog` stands for `[hog]`, and `hog` in the list for `{name: hog}`."""
        parts = [value] if isinstance(value, str | dict) else value
        if not isinstance(parts, list) or not all(isinstance(part, str | dict | Named) for part in parts):
            raise ValueError(f"features are a list of names, with options or without, not {value!r}")
        return [{"name": part} if isinstance(part, str) else part for part in parts]

    @field_validator("features")
    @classmethod
    def _no_feature_twice(cls, value: list[Named]) -> list[Named]:
        if twice := [part.name for number, part in enumerate(value) if part in value[:number]]:
            raise ValueError(f"{twice[0]} is there twice, with the same options")
        return value


class TokenData(Data):
    """Which text, how it is split and cut into tokens; other keys are options of the source."""

    validation: Annotated[Share, Field(gt=0)] = 0.05
    """Share of the text set aside to choose by: what stands right before the test part."""
    test_share: Annotated[Share, Field(gt=0)] = 0.1
    """Share at the end of the text that is the test part, where the text has no official one."""
    tokenizer: Named = Named(name="characters")
    """How text becomes tokens: a name, or a name with options: `{name: bpe, size: 5000}`."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many characters of the training part, its first ones."""

    _tokenizer_name_alone = field_validator("tokenizer", mode="before")(name_alone)


class LabeledTextData(Data):
    """Which texts with classes, how they are split and cut into tokens; other keys are options of the source."""

    validation: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the training texts set aside to choose by; stratified by class and source."""
    test_share: Annotated[Share, Field(gt=0)] = 0.2
    """Share set aside as the test part where the data set has no official one."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Seed of the split; the seed of the training when left out."""
    tokenizer: Named = Named(name="words")
    """How text becomes tokens: a name, or a name with options: `{name: words, lower: true}`."""
    length: Annotated[int, Field(ge=1, strict=True)] = 256
    """Tokens of a text that the network is given, its first ones."""
    order: Literal["shuffled", "buckets"] = "buckets"
    """`shuffled`: any texts together in a step. `buckets`: texts of like length together, so that little computing goes
    to padding."""
    pool: Annotated[int, Field(ge=1, strict=True)] = 4
    """With `order: buckets`: steps among which texts of like length are shuffled; more of them mix and pad more."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many training texts, stratified by class and source."""

    _tokenizer_name_alone = field_validator("tokenizer", mode="before")(name_alone)


class MaskedData(LabeledTextData):
    """Which texts, how they are split and cut into tokens, and which of their words are hidden; other keys are options
    of the source."""

    validation: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the texts set aside to choose by: as for classes where the texts have some, else what stands right
    before the test part."""
    test_share: Annotated[Share, Field(gt=0)] = 0.2
    """Share of the texts that is the test part, where they have no official one: as for classes, or at the end."""
    length: Annotated[int, Field(ge=1, strict=True)] = 128
    """The most tokens of a piece; longer texts are several pieces."""
    hidden: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Share of the words of a piece that the network is asked for; one at least."""
    masked: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of these words that become the mask."""
    random: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of these words that become a random word; the others stay."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many training texts: as for classes, or the first lines."""

    @model_validator(mode="after")
    def _shares_of_one_whole(self) -> MaskedData:
        if self.masked + self.random > 1:
            raise ValueError(f"masked and random are shares of one whole, not {self.masked:g} and {self.random:g}")
        return self


class TextData(TokenData):
    """Which text, how it is split, and in which pieces the next token is learned."""

    length: Annotated[int, Field(ge=1, strict=True)] = 128
    """Tokens of one example: how far the network sees back, or how far gradients go back where it carries a state."""
    order: Literal["windows", "lanes"] = "windows"
    """`windows`: pieces of the text in any order. `lanes`: the text is read on and on, with the state carried from step
    to step (truncated backpropagation through time)."""
    context: Annotated[int, Field(ge=1, strict=True)] = 192
    """Tokens that stand before the first one that counts, while measuring."""


class WordData(TokenData):
    """Which text, how it is split, and which words are learned from which."""

    tokenizer: Named = Named.model_validate({"name": "words", "lower": True, "least": 5})
    """How text becomes tokens: a name, or a name with options: `{name: words, lower: true, least: 5}`."""
    pairs: Literal["skip-gram", "cbow"] = "skip-gram"
    """`skip-gram`: a word tells its neighbors. `cbow`: the neighbors tell the word."""
    window: Annotated[int, Field(ge=1, strict=True)] = 5
    """The most words on each side that are neighbors; how many is drawn for each word, evenly from 1."""
    across_lines: bool = True
    """Whether the words of another line can be neighbors."""
    negatives: Annotated[int, Field(ge=1, strict=True)] = 5
    """Words that are drawn as noise against each pair, by their counts to the power of 0.75."""
    subsample: Annotated[Share, Field(strict=True)] = 1e-3
    """The share of the text from which on a word is frequent, and left out now and then; 0: none is."""


class PairData(Data):
    """Which pairs of sentences, how they are split and cut into tokens; other keys are options of the source."""

    validation: Annotated[Share, Field(gt=0)] = 0.05
    """Share of the different sentences set aside to choose by, where the pairs have no official validation part."""
    test_share: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the different sentences that are the test part, where the pairs have no official one."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the split."""
    tokenizer: Named = Named(name="bpe")
    """How text becomes tokens: a name, or a name with options: `{name: bpe, size: 5000}`."""
    joint: Annotated[bool, Field(strict=True)] = True
    """One vocabulary for both sides; else each has its own."""
    length: Annotated[int, Field(ge=1, strict=True)] = 100
    """The most tokens of a sentence; longer ones are cut."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many training pairs, drawn by the seed of the split."""

    _tokenizer_name_alone = field_validator("tokenizer", mode="before")(name_alone)


class CaptionData(Data):
    """Which captioned pictures, how they are split, how captions are cut into tokens; other keys are options of the
    source."""

    validation: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the pictures set aside to choose by, where there is no official validation part."""
    test_share: Annotated[Share, Field(gt=0)] = 0.1
    """Share of the pictures that are the test part, where there is no official one."""
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the split."""
    tokenizer: Named = Named.model_validate({"name": "words", "lower": True})
    """How captions become tokens: a name, or a name with options: `{name: words, lower: true, least: 5}`."""
    length: Annotated[int, Field(ge=1, strict=True)] = 40
    """The most tokens of a caption; longer ones are cut."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Use only so many training pictures, drawn by the seed of the split."""

    _tokenizer_name_alone = field_validator("tokenizer", mode="before")(name_alone)


class Model(Named):
    """Which network, and the weights that it begins with; other keys are options of the network."""

    weights: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """Published weights by their name on the model's card, or the path of a file (.safetensors, .pth)."""
    weights_key: Annotated[str, Field(strict=True)] | None = None
    """The table of tensors in a .pth file that holds more than one thing."""

    @model_validator(mode="after")
    def _key_of_weights(self) -> Model:
        if self.weights_key is not None and self.weights is None:
            raise ValueError("weights_key says where in a file of weights they are: it needs model.weights")
        return self


class WordModel(Model):
    """Which network of words, and the weights that it begins with; other keys are options of the network."""

    vectors: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """A text file of word vectors (GloVe, word2vec; .gz as well) from which words take their first vectors; those that
    are not in it begin as the network draws them."""


class Encoder(Model):
    """Which convolutional network turns a picture into regions, and its weights; it is not trained. Other keys are
    options of the network."""

    classes: Count = 1000
    """Classes that the network told apart where its weights were learned; its last layers are not used."""
    size: Annotated[int, Field(ge=1, le=8192, strict=True)] = 224
    """Height and width that pictures get: shorter side scaled, middle cut out."""
    resize: Annotated[int, Field(ge=1, le=8192, strict=True)] | None = None
    """What the shorter side is scaled to before that, at least `size`; just `size` when left out."""
    grid: Count | None = None
    """Regions of a picture on each side, to which the network's last maps are averaged; as many as the maps have places
    when left out."""


class Augment(Section):
    """Changes of the training images, drawn anew for every image and epoch; all off by default."""

    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability of mirroring left and right."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Shift by up to so many pixels each way, filled with the average."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side of a square that is blanked, in pixels."""
    brightness: Annotated[float, Field(ge=0)] = 0.0
    """Add up to so many standard deviations."""
    contrast: Annotated[Share, Field()] = 0.0
    """Scale by 1 - c to 1 + c."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """The a of Beta(a, a): mix each image with another one of the training set."""


class Init(Section):
    """How the weights of fully connected layers and convolutions are drawn."""

    scheme: Literal["own", "gaussian", "xavier", "xavier_average", "he", "orthogonal", "dirac", "default"] = "own"
    """`own`: as the network draws them. The others: `chainrule.nn.initialize`."""
    bias: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Value of every bias; needs a scheme. As the scheme has it when left out."""
    first: Literal["as the others", "whiten"] = "as the others"
    """`whiten`: the first convolution whitens patches of training images: `chainrule.nn.whiten`."""

    @model_validator(mode="after")
    def _bias_of_a_scheme(self) -> Init:
        if self.bias is not None and self.scheme == "own":
            raise ValueError("a bias needs a scheme, such as he")
        return self


class Penalty(Section):
    """R(W) of the full loss, and what it applies to."""

    l2: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the sum of squares."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the sum of absolute values."""
    on: Literal["weights", "all"] = "weights"
    """What penalties and the optimizer's weight decay apply to: weights alone, or biases and norms as well."""


class Train(Section):
    """How long, in which groups, and what is kept."""

    epochs: Positive | None = None
    """Passes over the training part; give either epochs or steps."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Updates of the weights; give either epochs or steps."""
    batch: Count = 64
    """Images a step."""
    parts: Count = 1
    """Pieces in which a step's images go through the network; less memory, the same step."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of weights, order, augmentation and dropout."""
    freeze: list[str] = []
    """Parameters that stay as they are, by name; `*` stands for any letters: `["conv1.*", "*bn*.weight"]`."""
    clip_norm: Positive | None = None
    """Scale the gradient down to this norm when it is larger."""
    clip_value: Positive | None = None
    """Clip each element of the gradient to plus or minus this."""
    ema: Annotated[Share, Field(gt=0)] | None = None
    """Decay of an exponential moving average of the weights, which is then what is evaluated and kept."""
    monitor: Literal["accuracy", "loss"] = "accuracy"
    """The validation metric that chooses the best weights."""
    patience: Count | None = None
    """Stop after so many evaluations without a new best."""
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between evaluations; 0: once an epoch."""
    evaluate_batch: Count = 500
    """Images in a group while evaluating."""
    keep_every: Annotated[int, Field(ge=0)] = 200
    """Steps between checkpoints; 0: only the first, the best and the last."""
    keep: Count = 2
    """Recent checkpoints that stay on disk, beside the best."""
    log_every: Annotated[int, Field(ge=0)] = 0
    """Steps between lines of training metrics; 0: chosen so that there are at most 5,000."""
    look_every: Annotated[int, Field(ge=0)] | None = 0
    """Steps between looks at each layer (outputs, gradients, update ratio); 0: chosen so that they cost little; null:
    never."""
    tensorboard: bool = False
    """Also write TensorBoard's event files, to `tensorboard` in the run folder; needs `chainrule[track]`."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that prepare the data; the results do not depend on it."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of the computation; 0: torch's choice. The last bits of the results depend on it."""
    test: bool = True
    """Read the test part, once, at the end, with the best weights."""

    @model_validator(mode="after")
    def _one_length(self) -> Train:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self


class TrainText(Train):
    """How long, in which groups, and what is kept."""

    batch: Count = 32
    """Texts that are read side by side in a step."""
    monitor: Literal["accuracy", "loss"] = "loss"
    """The validation metric that chooses the best weights."""
    evaluate_batch: Count = 64
    """Texts in a group while evaluating."""


class TrainWords(Train):
    """How long, in which groups, and what is kept."""

    batch: Count = 4096
    """Words of the text in a step; each gives the pairs with its neighbors."""
    monitor: Literal["accuracy", "loss"] = "loss"
    """The validation metric that chooses the best weights."""
    evaluate_batch: Count = 4096
    """Words in a group while evaluating."""


class TrainTexts(Train):
    """How long, in which groups, and what is kept."""

    batch: Count = 32
    """Texts a step."""
    tokens: Count | None = None
    """Tokens a step, padding included, in place of `batch`; needs `data.order: buckets`."""
    evaluate_batch: Count = 200
    """Texts in a group while evaluating."""


class TrainMasked(TrainTexts):
    """How long, in which groups, and what is kept."""

    monitor: Literal["accuracy", "loss"] = "loss"
    """The validation metric that chooses the best weights."""
    batch: Count = 64
    """Pieces of texts a step."""
    evaluate_batch: Count = 64
    """Pieces of texts in a group while evaluating."""


class TrainPairs(TrainText):
    """How long, in which groups, and what is kept."""

    batch: Count = 64
    """Pairs of a step, those of like length together."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Places of a step, padding included, on the side that takes more of them; then `batch` says nothing."""


class Decode(Section):
    """How the trained network writes translations or captions where nothing else is asked for."""

    beam: Count = 5
    """Hypotheses that are followed; 1: greedy."""
    length_exponent: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Sums of log p are divided by length to this power; 0 prefers short ones."""
    no_repeat: Annotated[int, Field(ge=0)] = 0
    """No sequence of so many tokens is written twice; 0: any."""
    length: Count = 100
    """The most tokens of a translation or caption."""
    most: Count = 2000
    """So many sentences or pictures of a part, its first ones, are written about to measure BLEU and exact matches."""


class Generate(Section):
    """How the trained network writes where nothing else is asked for."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.8
    """Scores are divided by it before the softmax; 0 takes the most probable token."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Draw among so many most probable tokens."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draw among the fewest most probable tokens that hold this share."""
    length: Count = 400
    """Tokens that are written."""
    prompt: str = ""
    """What the samples of the report begin with; the beginning of the validation part where it is empty."""


class Predict(Section):
    """How the trained network answers, in evaluation as in prediction."""

    flip: bool = False
    """Test-time augmentation: the mean of the scores of an image and of its mirror image."""
