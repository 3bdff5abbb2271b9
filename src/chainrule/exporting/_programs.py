"""The short programs that stand beside an export: from a file or a text to the answer, without a run."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.tasks.images._processing import ImageProcessing


@dataclass(frozen=True)
class Engine:
    """What runs a graph.

    Args:
        package: The module that is imported.
        opened: An expression of Python that opens the graph in `FOLDER`.
        call: An expression that gives the probabilities of the array `given`, as an array.
    """

    package: str
    opened: str
    call: str


PICTURES = '''\
"""Classes of picture files: python predict.py PICTURE ...     (pip install {package} pillow numpy)"""

import json
import sys
from pathlib import Path

import numpy as np
import {package}
from PIL import Image, ImageOps

FOLDER = Path(__file__).parent
CLASSES = json.loads((FOLDER / "classes.json").read_text(encoding="utf-8"))


{picture}

network = {opened}
for path in sys.argv[1:]:
    given = picture(path)[None]
    (found,) = {call}
    print(path)
    for name, chance in sorted(zip(CLASSES, found.tolist()), key=lambda pair: -pair[1])[:5]:
        print(f"  {{chance:.4f}}  {{name}}")
'''

PICTURE = '''\
def picture(path):
    """A file as numbers of 8 bits ({height}, {width}, {channels}): scaled, the middle cut out, as the run reads it."""
    opened = ImageOps.exif_transpose(Image.open(path)).convert("{mode}")
{lines}
    return np.array(opened).reshape({height}, {width}, {channels})
'''
STRETCHED = """\
    scale = max({height} / opened.height, {width} / opened.width)
    left, top = (opened.width - {width} / scale) / 2, (opened.height - {height} / scale) / 2
    box = (max(left, 0.0), max(top, 0.0))
    box += (min(left + {width} / scale, opened.width), min(top + {height} / scale, opened.height))
    opened = opened.resize(({width}, {height}), Image.Resampling.BILINEAR, box=box)"""
CUT = """\
    size = [round(side * {resize} / min(opened.size)) for side in opened.size]
    opened = opened.resize(size, Image.Resampling.BILINEAR)
    left, top = (opened.width - {width}) // 2, (opened.height - {height}) // 2
    opened = opened.crop((left, top, left + {width}, top + {height}))"""

TEXTS = '''\
"""Answers to texts: python predict.py "{example}" ...     (pip install {package} chainrule)

The tokens are read with chainrule; whoever has them from elsewhere needs {package} alone.
"""

import json
import sys
from pathlib import Path

import numpy as np
import {package}
from chainrule.data.tokenizers import read_tokenizer

FOLDER = Path(__file__).parent
tokenizer = read_tokenizer((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
{classes}
network = {opened}
for text in sys.argv[1:]:
    tokens = {encode}
    given = np.array([tokens], dtype=np.int64)
    found = {call}
    print(text)
    {shown}
'''


def picture_function(processing: ImageProcessing) -> str:
    """Return lines of Python with a function `picture` that reads a file as a run does.

    Args:
        processing: Of the run.
    """
    channels, height, width = processing.shape
    sizes = {"channels": channels, "height": height, "width": width, "resize": processing.resize}
    lines = (STRETCHED if processing.resize is None else CUT).format(**sizes)
    return PICTURE.format(mode="L" if channels == 1 else "RGB", lines=lines, **sizes)


def picture_program(processing: ImageProcessing, engine: Engine) -> str:
    """Return a program that classifies picture files.

    Args:
        processing: Of the run.
        engine: What runs the graph.
    """
    return PICTURES.format(
        package=engine.package, opened=engine.opened, call=engine.call, picture=picture_function(processing)
    )


def text_program(
    engine: Engine,
    shown: str,
    *,
    length: int | None,
    classes: bool = False,
    hidden: tuple[str, int] | None = None,
) -> str:
    """Return a program that answers to texts.

    Args:
        engine: What runs the graph.
        shown: Lines that tell the probabilities `found`.
        length: The most tokens of a text.
        classes: Whether the answers are classes.
        hidden: How a text says that a word is hidden, and the token that stands for it.
    """
    encode = "tokenizer.encode(text)"
    if hidden is not None:
        encode = f'tokenizer.encode_around(text.split("{hidden[0]}"))'
    cut = "" if length is None else f"[:{length}]"
    named = 'CLASSES = json.loads((FOLDER / "classes.json").read_text(encoding="utf-8"))' if classes else ""
    text = TEXTS.format(
        package=engine.package,
        opened=engine.opened,
        call=engine.call,
        encode=f"{encode}{cut}.tolist()",
        classes=named,
        shown=shown,
        example="a text" if hidden is None else f"a {hidden[0]} text",
    )
    return text if classes else text.replace("import json\n", "")
