"""What is known about each network: plain data, without torch.

A card is `{"source", "least", "forms", ...}`:

- `paper`: where it was published; `source`: the item of the lectures.
- `least`: the smallest input (C, H, W) that the default options take.
- `forms`: what can be built, each `{"options", "input": (C, H, W), "classes", "parameters", "multiply_adds"}`;
  multiply-adds of convolutions and fully connected layers for one example, as `chainrule.analysis.network_table`
  counts them in evaluation mode.
- `task`: what it is for, where that is not the classification of images.
- `teaching`: how a translator is given its own words in scheduled sampling: "steps" (where nothing is said) or "two
  passes".
- `maps`: the part that makes the last maps of an image, which it is given as the network is; networks of such a card
  can be the encoder of a captioning network.
- `heads`: the option that says how many heads of it learn and answer for themselves.
- `fitted`: it takes its whole training set at once, in no steps, and has no gradients.
- `images`: what published weights expect, `{"size", "resize", "mean", "deviation"}`: the shorter side of an image is
  scaled to `resize` pixels and the middle of `size` x `size` is cut out; then mean and deviation of each channel (of
  pixels in [0, 1]).
- `weights`: files whose every byte is known, `{"name", "file", "bytes", "sha256", "license", "origin", "options",
  "classes"}`: a recipe names them by `name`, for a network with these options and classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_IMAGENET, _NOTE, _SMALL, _GREY = (3, 224, 224), (3, 227, 227), (3, 32, 32), (1, 28, 28)
_IMAGES = {"size": 224, "resize": 256, "mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225]}

Form = dict[str, Any]


def _form(
    options: Mapping[str, Any],
    parameters: int,
    multiply_adds: int,
    *,
    shape: Sequence[int] = _IMAGENET,
    classes: int = 1000,
) -> Form:
    return {
        "options": dict(options),
        "input": list(shape),
        "classes": classes,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
    }


def _grey(options: Mapping[str, Any], parameters: int, multiply_adds: int) -> Form:
    return _form(options, parameters, multiply_adds, shape=_GREY, classes=10)


def _small(options: Mapping[str, Any], parameters: int, multiply_adds: int) -> Form:
    return _form(options, parameters, multiply_adds, shape=_SMALL, classes=10)


_SPEC = "CONV5-10 | RELU | POOL2 | CONV5-10 | RELU | POOL2 | FC-10"

_TRUNK = "CONV5-10 | RELU | POOL2 | CONV5-10 | RELU | POOL2"

CARDS: Mapping[str, Mapping[str, Any]] = {
    "layers": {
        "source": "LECTURES D3",
        "least": [1, 4, 4],
        "forms": [_grey({"spec": _SPEC}, 7_680, 690_900)],
    },
    "linear": {"source": "LECTURES A3", "least": [1, 1, 1], "forms": [_grey({}, 7_850, 7_840)]},
    "knn": {"source": "LECTURES A2", "least": [1, 1, 1], "fitted": True, "forms": [_grey({"k": 1}, 0, 0)]},
    "mlp": {"source": "LECTURES C4, C7", "least": [1, 1, 1], "forms": [_grey({}, 101_770, 101_632)]},
    "cnn": {"source": "LECTURES D1, D2", "least": [1, 8, 8], "forms": [_grey({}, 288_170, 29_128_448)]},
    "lenet": {
        "paper": "LeCun et al. 1998, Gradient-based learning applied to document recognition",
        "source": "LECTURES D5",
        "least": [1, 28, 28],
        "forms": [_grey({}, 61_706, 416_520)],
    },
    "alexnet": {
        "paper": "Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional neural networks",
        "source": "LECTURES D5",
        "maps": "features",
        "least": [3, 67, 67],
        "forms": [
            _form({"version": "note"}, 60_965_224, 724_406_816, shape=_NOTE),
            _form({"version": "note", "split": False}, 62_378_344, 1_135_256_096, shape=_NOTE),
            _form({"version": "torchvision"}, 61_100_840, 714_188_480),
        ],
        "images": _IMAGES,
    },
    "vgg": {
        "paper": "Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image recognition",
        "source": "LECTURES D3, D5",
        "maps": "features",
        "least": [3, 32, 32],
        "forms": [
            _form({"depth": 11}, 132_863_336, 7_609_090_048),
            _form({"depth": 13}, 133_047_848, 11_308_466_176),
            _form({"depth": 16}, 138_357_544, 15_470_264_320),
            _form({"depth": 19}, 143_667_240, 19_632_062_464),
            _form({"depth": 11, "batch_norm": True}, 132_868_840, 7_609_090_048),
            _form({"depth": 13, "batch_norm": True}, 133_053_736, 11_308_466_176),
            _form({"depth": 16, "batch_norm": True}, 138_365_992, 15_470_264_320),
            _form({"depth": 19, "batch_norm": True}, 143_678_248, 19_632_062_464),
        ],
        "images": _IMAGES,
    },
    "resnet": {
        "paper": "He et al. 2016, Deep residual learning for image recognition",
        "source": "LECTURES C8, D5, D6",
        "least": [3, 32, 32],
        "forms": [
            _form({"depth": 18}, 11_689_512, 1_814_073_344),
            _form({"depth": 34}, 21_797_672, 3_663_761_408),
            _form({"depth": 50}, 25_557_032, 4_089_184_256),
            _form({"depth": 101}, 44_549_160, 7_801_405_440),
            _form({"depth": 152}, 60_192_808, 11_513_626_624),
        ],
        "images": _IMAGES,
    },
    "resnet_cifar": {
        "paper": "He et al. 2016, Deep residual learning for image recognition, section 4.2",
        "source": "LECTURES C8, D5, D6",
        "least": [3, 4, 4],
        "forms": [
            _small({"depth": 20}, 269_722, 40_551_040),
            _small({"depth": 32}, 464_154, 68_862_592),
            _small({"depth": 44}, 658_586, 97_174_144),
            _small({"depth": 56}, 853_018, 125_485_696),
            _small({"depth": 110}, 1_727_962, 252_887_680),
            _small({"depth": 20, "shortcut": "none"}, 269_722, 40_551_040),
            _small({"depth": 56, "shortcut": "none"}, 853_018, 125_485_696),
        ],
    },
    "squeezenet": {
        "paper": "Iandola et al. 2016, SqueezeNet",
        "source": "LECTURES D6",
        "maps": "features",
        "least": [3, 21, 21],
        "forms": [
            _form({"version": 1.0}, 1_248_424, 818_924_576),
            _form({"version": 1.1}, 1_235_496, 349_151_936),
        ],
        "images": _IMAGES,
        "weights": [
            {
                "name": "squeezenet1_0",
                "file": "squeezenet1_0.safetensors",
                "bytes": 4_998_856,
                "sha256": "59bb62365939aeb6749750e4d15f9b7630fa8bbcbda22a685ef5193671e58d48",
                "license": "BSD 2-clause",
                "origin": "Han et al. 2016, Deep Compression: github.com/songhan/SqueezeNet-Deep-Compression, decoded",
                "options": {"version": 1.0},
                "classes": 1000,
            }
        ],
    },
    "densenet": {
        "paper": "Huang et al. 2017, Densely connected convolutional networks",
        "source": "LECTURES D6",
        "maps": "features",
        "least": [3, 29, 29],
        "forms": [
            _form({"depth": 121}, 7_978_856, 2_834_161_664),
            _form({"depth": 169}, 14_149_480, 3_359_843_328),
            _form({"depth": 201}, 20_013_928, 4_291_365_888),
            _form({"depth": 161}, 28_681_000, 7_727_907_072),
        ],
        "images": _IMAGES,
    },
    "densenet_cifar": {
        "paper": "Huang et al. 2017, Densely connected convolutional networks, section 4.2",
        "source": "LECTURES D6",
        "maps": "features",
        "least": [3, 4, 4],
        "forms": [
            _small({"depth": 40}, 176_122, 72_365_352),
            _small({"depth": 100}, 769_162, 287_929_692),
            _small({"depth": 22, "growth": 23, "compression": 0.6}, 270_885, 116_937_190),
            _small({"depth": 58, "growth": 20}, 860_210, 344_699_570),
        ],
    },
    "shared_trunk": {
        "source": "LECTURES B14",
        "least": [1, 4, 4],
        "heads": "heads",
        "forms": [_grey({"trunk": _TRUNK, "heads": 5}, 27_320, 710_500)],
    },
    "inception": {
        "paper": "Szegedy et al. 2015, Going deeper with convolutions",
        "source": "LECTURES D6",
        "least": [3, 8, 8],
        "forms": [
            _small({"width": 0.25}, 517_132, 30_315_008),
            _small({"width": 0.25, "auxiliary": 0.0}, 378_946, 30_315_008),
            _form({"width": 1.0, "stem_stride": 4}, 10_202_992, 1_513_428_992),
        ],
    },
    "mobilenet": {
        "paper": "Howard et al. 2017, MobileNets",
        "source": "LECTURES D6",
        "least": [3, 32, 32],
        "forms": [
            _form({"width": 1.0}, 4_231_976, 568_740_352),
            _form({"width": 0.75}, 2_585_560, 325_400_448),
            _form({"width": 0.5}, 1_331_592, 149_497_088),
            _form({"width": 0.25}, 470_072, 41_030_272),
            _small({"width": 1.0, "stem_stride": 1}, 3_217_226, 46_354_432),
        ],
    },
    "vit": {
        "paper": "Dosovitskiy et al. 2021, An image is worth 16x16 words",
        "source": "LECTURES H11",
        "least": [3, 4, 4],
        "forms": [
            _small({"patch": 4}, 207_946, 14_877_312),
            _form(
                {"patch": 16, "width": 768, "layers": 12, "num_heads": 12, "pool": "class"}, 86_567_656, 17_563_828_224
            ),
            _form(
                {"patch": 16, "width": 1024, "layers": 24, "num_heads": 16, "pool": "class"},
                304_326_632,
                61_554_712_576,
            ),
        ],
    },
    "recurrent": {
        "task": "language",
        "paper": "Elman 1990; Hochreiter, Schmidhuber 1997 (LSTM); Cho et al. 2014 (GRU)",
        "source": "LECTURES G1-G4",
    },
    "gpt": {
        "task": "language",
        "paper": "Radford et al. 2018, Improving language understanding by generative pre-training",
        "source": "LECTURES H4, H9",
    },
    "word_embedding": {
        "task": "embed",
        "paper": "Mikolov et al. 2013, Distributed representations of words and phrases and their compositionality",
        "source": "LECTURES G5",
    },
    "bag_of_words": {
        "task": "classify-text",
        "source": "LECTURES A3, A9",
    },
    "text_average": {
        "task": "classify-text",
        "paper": "Iyyer et al. 2015, Deep unordered composition rivals syntactic methods",
        "source": "LECTURES A9, G5",
    },
    "text_recurrent": {
        "task": "classify-text",
        "paper": "Schuster, Paliwal 1997 (both ways); Hochreiter, Schmidhuber 1997 (LSTM); Cho et al. 2014 (GRU)",
        "source": "LECTURES G1-G3",
    },
    "text_transformer": {
        "task": "classify-text",
        "paper": "Vaswani et al. 2017; Devlin et al. 2019",
        "source": "LECTURES H3, H6-H9",
    },
    "masked_transformer": {
        "task": "masked",
        "paper": "Devlin et al. 2018, BERT: Pre-training of deep bidirectional transformers",
        "source": "LECTURES H9",
    },
    "text_cnn": {
        "task": "classify-text",
        "paper": "Kim 2014, Convolutional neural networks for sentence classification",
        "source": "LECTURES D1",
    },
    "seq2seq": {
        "task": "translate",
        "paper": "Cho et al. 2014; Sutskever et al. 2014, Sequence to sequence learning with neural networks",
        "source": "LECTURES G6",
    },
    "attention": {
        "task": "translate",
        "paper": "Bahdanau et al. 2015; Luong et al. 2015",
        "source": "LECTURES G6, G8, H1",
    },
    "transformer": {
        "task": "translate",
        "teaching": "two passes",
        "paper": "Vaswani et al. 2017, Attention is all you need",
        "source": "LECTURES H5, H6, H9",
    },
    "caption_recurrent": {
        "task": "caption",
        "paper": "Vinyals et al. 2015, Show and tell: a neural image caption generator",
        "source": "LECTURES G1, G8",
    },
    "caption_attention": {
        "task": "caption",
        "paper": "Xu et al. 2015, Show, attend and tell: neural image caption generation with visual attention",
        "source": "LECTURES G8, H1",
    },
    "caption_transformer": {
        "task": "caption",
        "teaching": "two passes",
        "paper": "Vaswani et al. 2017, Attention is all you need",
        "source": "LECTURES G8, H5, H9",
    },
}
