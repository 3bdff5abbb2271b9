"""Data sets, splits, normalization, augmentation: from files to the batches of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.core.registry import Entry, Registries, Registry

if TYPE_CHECKING:
    from chainrule.data._bootstrap import bootstrap as bootstrap
    from chainrule.data._bootstrap import bootstrap_counts as bootstrap_counts
    from chainrule.data._features import Feature as Feature
    from chainrule.data._features import FeatureExamples as FeatureExamples
    from chainrule.data._features import Features as Features
    from chainrule.data._features import FeatureTable as FeatureTable
    from chainrule.data._open_image import open_image as open_image
    from chainrule.data._split import split as split
    from chainrule.data.arrays import from_arrays as from_arrays
    from chainrule.data.augment import Augment as Augment
    from chainrule.data.batches import Batch as Batch
    from chainrule.data.batches import Mixed as Mixed
    from chainrule.data.captioned_images import CaptionedImages as CaptionedImages
    from chainrule.data.check import DataReport as DataReport
    from chainrule.data.check import check_data as check_data
    from chainrule.data.examples import ImageExamples as ImageExamples
    from chainrule.data.images import (
        Files as Files,
    )
    from chainrule.data.images import (
        InMemory as InMemory,
    )
    from chainrule.data.images import (
        LabeledImages as LabeledImages,
    )
    from chainrule.data.images import (
        Pictures as Pictures,
    )
    from chainrule.data.normalize import Normalization as Normalization
    from chainrule.data.order import Sequential as Sequential
    from chainrule.data.order import Shuffled as Shuffled
    from chainrule.data.order import ShuffledWindows as ShuffledWindows

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Augment": "augment",
        "Batch": "batches",
        "CaptionedImages": "captioned_images",
        "DataReport": "check",
        "Feature": "_features",
        "FeatureExamples": "_features",
        "FeatureTable": "_features",
        "Features": "_features",
        "Files": "images",
        "ImageExamples": "examples",
        "InMemory": "images",
        "LabeledImages": "images",
        "Mixed": "batches",
        "Normalization": "normalize",
        "Pictures": "images",
        "Sequential": "order",
        "Shuffled": "order",
        "ShuffledWindows": "order",
        "bootstrap": "_bootstrap",
        "bootstrap_counts": "_bootstrap",
        "check_data": "check",
        "from_arrays": "arrays",
        "open_image": "_open_image",
        "split": "_split",
    },
)

DATA = Registry(
    "data set",
    [
        (
            "digits",
            Entry(
                "chainrule.data.digits:digits",
                "handwritten digits, 1,797 grey images of 8x8",
                {
                    "task": "classify",
                    "classes": 10,
                    "bytes": 57_523,
                    "licence": "CC BY 4.0 (UCI)",
                    "origin": "comes with scikit-learn",
                },
            ),
        ),
        (
            "mnist",
            Entry(
                "chainrule.data.mnist:mnist",
                "handwritten digits, 70,000 grey images of 28x28",
                {
                    "task": "classify",
                    "classes": 10,
                    "bytes": 11_594_722,
                    "licence": "CC BY-SA 3.0",
                    "origin": "download",
                },
            ),
        ),
        (
            "fashion-mnist",
            Entry(
                "chainrule.data.fashion_mnist:fashion_mnist",
                "articles of clothing, 70,000 grey images of 28x28",
                {
                    "task": "classify",
                    "classes": 10,
                    "bytes": 30_878_645,
                    "licence": "MIT (Zalando SE)",
                    "origin": "download",
                },
            ),
        ),
        (
            "cifar10",
            Entry(
                "chainrule.data.cifar10:cifar10",
                "animals and vehicles, 60,000 color images of 32x32",
                {
                    "task": "classify",
                    "classes": 10,
                    "bytes": 170_052_171,
                    "licence": "none stated (research use, with citation)",
                    "origin": "download",
                },
            ),
        ),
        (
            "cifar10-jpeg",
            Entry(
                "chainrule.data.cifar10_jpeg:cifar10_jpeg",
                "the images of CIFAR-10 in a lossy form (JPEG)",
                {
                    "task": "classify",
                    "classes": 10,
                    "bytes": 18_386_192,
                    "licence": "none stated (research use, with citation)",
                    "origin": "a file of one's own",
                },
            ),
        ),
        (
            "imagenet-samples",
            Entry(
                "chainrule.data.imagenet_samples:imagenet_samples",
                "40 photographs of ImageNet's 1,000 classes, to measure on",
                {
                    "task": "classify",
                    "classes": 1000,
                    "bytes": 4_097_937,
                    "licence": "none (non-commercial research and education only)",
                    "origin": "files of one's own",
                },
            ),
        ),
        (
            "folder",
            Entry(
                "chainrule.data.folder:folder",
                "your own pictures: one directory per class",
                {"task": "classify", "origin": "--data.folder DIRECTORY"},
            ),
        ),
        (
            "shards",
            Entry(
                "chainrule.data.shards:shards",
                "your own pictures in tar files (WebDataset), on the disk or on the net",
                {"task": "classify", "origin": "--data.path PATH"},
            ),
        ),
        (
            "hub",
            Entry(
                "chainrule.data.hub:hub",
                "your own pictures in Parquet or Arrow files, or a set of the Hugging Face Hub",
                {"task": "classify", "origin": "--data.path PATH"},
            ),
        ),
    ],
    group="chainrule.data",
)
"""Sets of images."""

TEXTS = Registry(
    "data set",
    [
        (
            "tinyshakespeare",
            Entry(
                "chainrule.data.tinyshakespeare:tinyshakespeare",
                "plays of Shakespeare, 1,115,394 characters",
                {
                    "task": "language",
                    "also": ["embed", "masked"],
                    "bytes": 1_115_394,
                    "licence": "public domain",
                    "origin": "download",
                },
            ),
        ),
        (
            "multi30k-text",
            Entry(
                "chainrule.data.multi30k_text:multi30k_text",
                "descriptions of photographs, 31,014 sentences in English, German or French",
                {
                    "task": "language",
                    "also": ["embed", "masked"],
                    "files of": "multi30k",
                    "licence": "research and education only",
                    "origin": "files of one's own",
                },
            ),
        ),
        (
            "text-file",
            Entry(
                "chainrule.data.text_file:text_file",
                "a text of your own",
                {"task": "language", "also": ["embed", "masked"], "origin": "--data.file FILE"},
            ),
        ),
    ],
    group="chainrule.texts",
)
"""Texts to learn the next token of."""
LABELED_TEXTS = Registry(
    "data set",
    [
        (
            "sentiment-sentences",
            Entry(
                "chainrule.data.sentiment_sentences:sentiment_sentences",
                "3,000 sentences of reviews, positive or negative",
                {
                    "task": "classify-text",
                    "also": ["masked"],
                    "classes": 2,
                    "bytes": 204_706,
                    "licence": "CC BY 4.0 (UCI)",
                    "origin": "files of one's own",
                },
            ),
        ),
        (
            "text-table",
            Entry(
                "chainrule.data.text_table:text_table",
                "your own texts: a .csv, .tsv or .jsonl file with their classes",
                {"task": "classify-text", "also": ["masked"], "origin": "--data.file FILE"},
            ),
        ),
        (
            "text-folder",
            Entry(
                "chainrule.data.text_folder:text_folder",
                "your own texts: one directory per class",
                {"task": "classify-text", "also": ["masked"], "origin": "--data.folder DIRECTORY"},
            ),
        ),
    ],
    group="chainrule.labeled_texts",
)
"""Texts that belong to classes."""
PAIRS = Registry(
    "data set",
    [
        (
            "addition",
            Entry(
                "chainrule.data.addition:addition",
                "sums of numbers, made by a seed",
                {"task": "translate", "licence": "none needed", "origin": "made when it is asked for"},
            ),
        ),
        (
            "tatoeba-eng-fra",
            Entry(
                "chainrule.data.tatoeba_eng_fra:tatoeba_eng_fra",
                "short sentences in English and French, 5,000 pairs",
                {
                    "task": "translate",
                    "bytes": 562_864,
                    "licence": "CC BY 2.0 FR",
                    "origin": "a file of one's own",
                },
            ),
        ),
        (
            "multi30k",
            Entry(
                "chainrule.data.multi30k:multi30k",
                "descriptions of photographs in English, German and French, 31,014 of each",
                {
                    "task": "translate",
                    "bytes": 6_441_127,
                    "licence": "none (non-commercial research and education only)",
                    "origin": "files of one's own",
                },
            ),
        ),
        (
            "parallel-files",
            Entry(
                "chainrule.data.parallel_files:parallel_files",
                "sentences of your own: two files, line by line",
                {"task": "translate", "origin": "--data.source FILE --data.target FILE"},
            ),
        ),
    ],
    group="chainrule.pairs",
)
"""Pairs of sentences to translate."""
CAPTIONS = Registry(
    "data set",
    [
        (
            "coco-open-captions",
            Entry(
                "chainrule.data.coco_captions:coco_open_captions",
                "83 photographs of COCO with five captions each",
                {
                    "task": "caption",
                    "bytes": 16_522_527,
                    "licence": "CC BY 2.0, CC BY-SA 2.0 (pictures), CC BY 4.0 (captions)",
                    "origin": "files of one's own",
                },
            ),
        ),
        (
            "flickr8k",
            Entry(
                "chainrule.data.flickr8k:flickr8k",
                "your own folder in the form of Flickr8k: photographs, five captions each",
                {"task": "caption", "origin": "--data.folder DIRECTORY"},
            ),
        ),
        (
            "coco-captions",
            Entry(
                "chainrule.data.coco_captions:coco_captions",
                "your own folder in the form of COCO: photographs, captions_*.json",
                {"task": "caption", "origin": "--data.folder DIRECTORY"},
            ),
        ),
    ],
    group="chainrule.captions",
)
"""Pictures with captions."""
EVERY_SET = Registries("data set", DATA, TEXTS, LABELED_TEXTS, PAIRS, CAPTIONS)
"""All that a recipe may name; each card says for which task."""
