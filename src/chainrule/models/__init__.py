"""Networks by name, what is known about them, and the weights that are published for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registries, Registry
from chainrule.models._cards import CARDS

if TYPE_CHECKING:
    from chainrule.models._alexnet import alexnet as alexnet
    from chainrule.models._captioner import Captioner as Captioner
    from chainrule.models._captioner import maps_to_regions as maps_to_regions
    from chainrule.models._cnn import cnn as cnn
    from chainrule.models._dense import linear as linear
    from chainrule.models._dense import mlp as mlp
    from chainrule.models._densenet import densenet as densenet
    from chainrule.models._densenet import densenet_cifar as densenet_cifar
    from chainrule.models._fitted import Fitted as Fitted
    from chainrule.models._fitted import Prepared as Prepared
    from chainrule.models._heads import Heads as Heads
    from chainrule.models._inception import inception as inception
    from chainrule.models._knn import NearestNeighbors as NearestNeighbors
    from chainrule.models._knn import knn as knn
    from chainrule.models._layers import layers as layers
    from chainrule.models._lenet import lenet as lenet
    from chainrule.models._mobilenet import mobilenet as mobilenet
    from chainrule.models._published import load_published as load_published
    from chainrule.models._published import weights_card as weights_card
    from chainrule.models._published import weights_file as weights_file
    from chainrule.models._resnet import resnet as resnet
    from chainrule.models._resnet import resnet_cifar as resnet_cifar
    from chainrule.models._shared_trunk import EachHead as EachHead
    from chainrule.models._shared_trunk import SharedTrunk as SharedTrunk
    from chainrule.models._shared_trunk import shared_trunk as shared_trunk
    from chainrule.models._squeezenet import squeezenet as squeezenet
    from chainrule.models._vgg import vgg as vgg
    from chainrule.models._vit import vit as vit
    from chainrule.models.ensemble import COMBINATIONS as COMBINATIONS
    from chainrule.models.ensemble import Ensemble as Ensemble
    from chainrule.models.ensemble import Several as Several
    from chainrule.models.ensemble import average_weights as average_weights
    from chainrule.models.ensemble import thinned as thinned

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "COMBINATIONS": "ensemble",
        "Captioner": "_captioner",
        "EachHead": "_shared_trunk",
        "Ensemble": "ensemble",
        "Fitted": "_fitted",
        "Heads": "_heads",
        "NearestNeighbors": "_knn",
        "Prepared": "_fitted",
        "Several": "ensemble",
        "SharedTrunk": "_shared_trunk",
        "alexnet": "_alexnet",
        "average_weights": "ensemble",
        "cnn": "_cnn",
        "densenet": "_densenet",
        "densenet_cifar": "_densenet",
        "inception": "_inception",
        "knn": "_knn",
        "layers": "_layers",
        "lenet": "_lenet",
        "linear": "_dense",
        "load_published": "_published",
        "maps_to_regions": "_captioner",
        "mlp": "_dense",
        "mobilenet": "_mobilenet",
        "resnet": "_resnet",
        "resnet_cifar": "_resnet",
        "shared_trunk": "_shared_trunk",
        "squeezenet": "_squeezenet",
        "thinned": "ensemble",
        "vgg": "_vgg",
        "vit": "_vit",
        "weights_card": "_published",
        "weights_file": "_published",
    },
)


def _row(name: str, file: str, about: str) -> tuple[str, Entry]:
    return name, Entry(f"chainrule.models.{file}:{name}", about, CARDS[name])


MODELS = Registry(
    "model",
    [
        _row("layers", "_layers", 'any network in the layer notation: --model.spec "CONV3-32 | RELU | FC-10"'),
        _row("linear", "_dense", "scores = W x + b"),
        _row("mlp", "_dense", "fully connected layers"),
        _row("knn", "_knn", "k nearest neighbors: the training set answers, nothing is learned"),
        _row("cnn", "_cnn", "a small convolutional network with batch normalization"),
        _row("lenet", "_lenet", "LeNet-5"),
        _row("alexnet", "_alexnet", "AlexNet: the note's (two parts, response normalization) or torchvision's"),
        _row("vgg", "_vgg", "VGG-11, 13, 16, 19, with or without batch normalization"),
        _row("resnet", "_resnet", "ResNet-18, 34, 50, 101, 152"),
        _row("resnet_cifar", "_resnet", "thin ResNets for small images: 20, 32, 44, 56, 110 layers"),
        _row("squeezenet", "_squeezenet", "SqueezeNet 1.0 and 1.1: few parameters, no fully connected layer"),
        _row("densenet", "_densenet", "DenseNet-121, 161, 169, 201: each layer sees all before it"),
        _row("densenet_cifar", "_densenet", "thin DenseNets for small images: 40, 100 layers"),
        _row("inception", "_inception", "a thin GoogLeNet for small images, with an auxiliary head"),
        _row("mobilenet", "_mobilenet", "MobileNet v1: depthwise-separable convolutions"),
        _row("shared_trunk", "_shared_trunk", "one trunk, several heads that answer together"),
        _row("vit", "_vit", "vision transformer: patches of the image as a sequence"),
    ],
    group="chainrule.models",
    prefixes=[("timm:", Entry("chainrule.models._timm:from_timm", "a network of the package timm, without weights"))],
)
"""Networks that classify images: `(shape, classes, **options) -> module`."""

LANGUAGE_MODELS = Registry(
    "model",
    [
        ("gpt", Entry("chainrule.models.sequence._gpt:GPT", "decoder-only transformer", CARDS["gpt"])),
        (
            "recurrent",
            Entry("chainrule.models.sequence._recurrent:Recurrent", "RNN, LSTM or GRU: a state", CARDS["recurrent"]),
        ),
    ],
    group="chainrule.language_models",
)
"""Networks that score the next token: `(vocabulary, **options) -> module`; `(tokens, state) -> (scores, state)`."""

WORD_MODELS = Registry(
    "model",
    [
        (
            "word_embedding",
            Entry(
                "chainrule.models.sequence._embedding:WordEmbedding",
                "vectors of words: skip-gram, CBOW",
                CARDS["word_embedding"],
            ),
        ),
    ],
    group="chainrule.word_models",
)
"""Networks that learn vectors of words: `(vocabulary, **options) -> module`; `pairs -> scores`."""


def _text_row(name: str, target: str, about: str) -> tuple[str, Entry]:
    return name, Entry(f"chainrule.models.sequence.{target}", about, CARDS[name])


TEXT_MODELS = Registry(
    "model",
    [
        _text_row("bag_of_words", "_text_bag:TextBag", "texts: which words occur, linear"),
        _text_row("text_average", "_text_average:TextAverage", "texts: the mean of the embeddings"),
        _text_row("text_recurrent", "_text_recurrent:TextRecurrent", "texts: RNN, LSTM or GRU, one or both ways"),
        _text_row("text_transformer", "_text_transformer:TextTransformer", "texts: a transformer's encoder"),
        _text_row("text_cnn", "_text_cnn:TextCNN", "texts: filters over neighboring words"),
    ],
    group="chainrule.text_models",
)
"""Networks that classify texts: `(vocabulary, classes, **options) -> module`; `tokens (B, T) -> scores (B, K)`, padding
being 0."""
MASKED_MODELS = Registry(
    "model",
    [
        _text_row(
            "masked_transformer", "_masked_transformer:MaskedTransformer", "hidden words of a text: an encoder (BERT)"
        ),
    ],
    group="chainrule.masked_models",
)
"""Networks that fill in hidden words: `(vocabulary, **options) -> module`; `Blanks -> scores (P, vocabulary)`."""
TRANSLATION_MODELS = Registry(
    "model",
    [
        (
            "seq2seq",
            Entry("chainrule.models.sequence._seq2seq:Seq2Seq", "recurrent encoder and decoder", CARDS["seq2seq"]),
        ),
        (
            "attention",
            Entry(
                "chainrule.models.sequence._seq2seq:Seq2SeqAttention",
                "recurrent encoder, and a decoder that looks at its outputs",
                CARDS["attention"],
            ),
        ),
        (
            "transformer",
            Entry(
                "chainrule.models.sequence._encoder_decoder:EncoderDecoder",
                "transformer of two parts: encoder and decoder",
                CARDS["transformer"],
            ),
        ),
    ],
    group="chainrule.translation_models",
)
"""Networks that translate: `(source vocabulary, target vocabulary, **options) -> module`; `encode(source) -> state` and
`(tokens, state) -> (scores, state)`."""


def _caption_row(name: str, target: str, about: str) -> tuple[str, Entry]:
    return name, Entry(f"chainrule.models.sequence._captions:{target}", about, CARDS[name])


CAPTION_MODELS = Registry(
    "model",
    [
        _caption_row(
            "caption_recurrent", "CaptionRecurrent", "captions: RNN, LSTM or GRU that is told the picture once"
        ),
        _caption_row("caption_attention", "CaptionAttention", "captions: recurrent, looks at regions for each word"),
        _caption_row("caption_transformer", "CaptionTransformer", "captions: a transformer's decoder over regions"),
    ],
    group="chainrule.caption_models",
)
"""Networks that write about pictures: `(vocabulary, features, **options) -> module`; `encode(regions) -> state` and
`(tokens, state) -> (scores, state)`."""
EVERY_MODEL = Registries(
    "model", MODELS, LANGUAGE_MODELS, WORD_MODELS, TEXT_MODELS, MASKED_MODELS, TRANSLATION_MODELS, CAPTION_MODELS
)
"""All that a recipe may name; each card says for which task."""
