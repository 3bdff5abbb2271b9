"""The sections `model`, `encoder`, `init` and `penalty`: which network, how its weights begin and what they cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chainrule.core.sections._base import Count, Named, Section


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
