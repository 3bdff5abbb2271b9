"""The sections `data` and `augment`: which data, and what is made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from chainrule.core.sections._base import Named, Section, Share, name_alone


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
    bad_examples: Literal["error", "skip"] = "error"
    """Pictures that cannot be read: `error` stops; `skip` takes another one of the training part in their place, leaves
    them out where something is measured, and counts them."""
    bad_share: Share = 0.05
    """With `skip`: the share of the pictures seen that may be skipped before the run stops."""
    bootstrap: bool = False
    """Learn from a training part drawn with replacement, as large as it is; which examples, the seed of the training
    says."""
    features: list[Named] = []  # noqa: RUF012 - pydantic copies it
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


class TextClassesData(LabeledTextData):
    """Which texts with classes, how they are split and cut into tokens; other keys are options of the source."""

    bootstrap: bool = False
    """Learn from a training part drawn with replacement, as large as it is; which examples, the seed of the training
    says."""


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
    context: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Tokens that stand before the first one that counts, while measuring; three quarters of `length` when left out."""

    @model_validator(mode="after")
    def _some_count(self) -> TextData:
        if self.order == "windows" and self.context is not None and self.context >= max(2, self.length):
            raise ValueError(f"a window of {self.length} tokens is not longer than the context in it ({self.context})")
        return self

    @property
    def before(self) -> int:
        """Tokens that stand before the first one that counts."""
        return self.context or max(1, 3 * self.length // 4)

    @property
    def counted(self) -> int:
        """Tokens of a window that count."""
        return max(1, self.length - self.before)


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
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Add normal noise of so many standard deviations to each value."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """The a of Beta(a, a): mix each image with another one of the training set."""
