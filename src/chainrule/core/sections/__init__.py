"""The sections of a recipe: closed, typed, plain data."""

from __future__ import annotations

from chainrule.core.sections._answers import Decode as Decode
from chainrule.core.sections._answers import Generate as Generate
from chainrule.core.sections._answers import Predict as Predict
from chainrule.core.sections._base import Named as Named
from chainrule.core.sections._base import Section as Section
from chainrule.core.sections._data import Augment as Augment
from chainrule.core.sections._data import CaptionData as CaptionData
from chainrule.core.sections._data import Data as Data
from chainrule.core.sections._data import ImageData as ImageData
from chainrule.core.sections._data import LabeledTextData as LabeledTextData
from chainrule.core.sections._data import MaskedData as MaskedData
from chainrule.core.sections._data import PairData as PairData
from chainrule.core.sections._data import TextClassesData as TextClassesData
from chainrule.core.sections._data import TextData as TextData
from chainrule.core.sections._data import TokenData as TokenData
from chainrule.core.sections._data import WordData as WordData
from chainrule.core.sections._model import Encoder as Encoder
from chainrule.core.sections._model import Init as Init
from chainrule.core.sections._model import Model as Model
from chainrule.core.sections._model import Penalty as Penalty
from chainrule.core.sections._model import WordModel as WordModel
from chainrule.core.sections._optim import Optim as Optim
from chainrule.core.sections._train import Train as Train
from chainrule.core.sections._train import TrainMasked as TrainMasked
from chainrule.core.sections._train import TrainPairs as TrainPairs
from chainrule.core.sections._train import TrainText as TrainText
from chainrule.core.sections._train import TrainTexts as TrainTexts
from chainrule.core.sections._train import TrainWords as TrainWords

OWN = "own"
"""The model name of a network that a person handed over as `--model FILE.py:NAME` or in Python."""
CARD = "card"
"""The normalization that stands on a model's card."""
