"""Names that stand for something to be made small or large."""

from __future__ import annotations

import re

LOW = re.compile(r"(loss|err|mse|mae|nll|perplex|ppl|distance|cost|rmse)", re.I)
HIGH = re.compile(r"(acc|f1|auc|score|r2|precision|recall|bleu|iou|right|correct|kappa|dice)", re.I)


def wanted(name: str) -> int:
    """Whether something of this name should fall (-1) or rise (1); 0 where the name does not say.

    Example:
        >>> wanted("valid_loss"), wanted("accuracy"), wanted("metric"), wanted("error_score")
        (-1, 1, 0, 0)
    """
    low, high = LOW.search(name) is not None, HIGH.search(name) is not None
    return 0 if low == high else (-1 if low else 1)
