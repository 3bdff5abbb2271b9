"""k nearest neighbors: the training set is the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from chainrule.core.errors import RecipeError
from chainrule.ops import Points, nearest

FOLDS = 5


def knn(
    shape: tuple[int, ...],
    classes: int,
    *,
    k: int | Sequence[int] = (1, 3, 5, 7, 9),
    distance: Literal["l2", "l1"] = "l2",
    choose: Literal["validation", "cross"] = "validation",
) -> nn.Module:
    """Return a classifier by majority vote of the k nearest training images.

    Args:
        shape: Of one input.
        classes: Number of scores.
        k: How many neighbors vote; of several, the one that is chosen.
        distance: "l2" or "l1".
        choose: Among several k: by the accuracy on the validation part, or by cross-validation within the training part
            (five folds). Of equally good ones the smallest.

    Raises:
        RecipeError: A k below 1, or none; another distance or way to choose.

    Example:
        >>> model, train = knn((2,), 2, k=1), (torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.tensor([0, 1]))
        >>> model.fit(train, train)
        >>> model(torch.tensor([[8.0, 7.0]])).argmax(1).item()
        1

    Source:
        LECTURES A2.
    """
    options = [k] if isinstance(k, int) else list(k)
    if not options or min(options) < 1:
        raise RecipeError("k is how many neighbors vote", expected="at least 1, or several such numbers", got=k)
    if distance not in ("l2", "l1"):
        raise RecipeError("there are two distances", expected="l1 or l2", got=distance)
    if choose not in ("validation", "cross"):
        raise RecipeError("k is chosen in one of two ways", expected="validation or cross", got=choose)
    return NearestNeighbors(classes, sorted(set(options)), distance, choose)


class NearestNeighbors(nn.Module):
    """Scores by the votes of the nearest training images; see `knn`.

    The scores are the logarithms of (votes + 0.001) / (k + 0.001 K), so that their softmax are the shares of the votes
    and the loss stays finite. Where votes are equal, the class of the nearest member has a little more.

    Args:
        classes: Number of scores.
        options: Values of k to choose from.
        distance: "l2" or "l1".
        choose: "validation" or "cross".

    Departures:
        Pixels of 8 bits are kept and compared as such, which is exact; other numbers as float32.
    """

    points: Tensor
    labels: Tensor
    k: Tensor

    def __init__(
        self, classes: int, options: list[int], distance: Literal["l2", "l1"], choose: Literal["validation", "cross"]
    ) -> None:
        super().__init__()
        self.classes, self.options, self.distance, self.choose = classes, options, distance, choose
        self.chosen: dict[str, Any] = {}
        self._searched: Points | None = None
        self.register_buffer("points", torch.zeros(0, 0))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("k", torch.tensor(options[0]))

    def fit(self, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor]) -> None:
        """Keep the training images, and choose k.

        `chosen` is then `{"k": the chosen one, "accuracy": {k: that of each one tried}}`; without the second if there
        was no choice.

        Raises:
            RecipeError: More neighbors than images are asked for.
        """
        inputs, targets = train
        self.points, self.labels = _small(inputs.flatten(1)), targets.long()
        most = len(inputs) if self.choose == "validation" else len(inputs) - -(-len(inputs) // FOLDS)
        if self.options[-1] > most:
            raise RecipeError(
                "there are too few images for so many neighbors", expected=f"k at most {most}", got=self.options[-1]
            )
        if len(self.options) == 1:
            self.chosen = {"k": self.options[0]}
            return
        right = self._right_by_fold() if self.choose == "cross" else self._right(*valid)
        accuracy = right.double().mean(0).tolist()
        best = max(range(len(self.options)), key=lambda place: (accuracy[place], -place))
        self.k.fill_(self.options[best])
        self.chosen = {"k": self.options[best], "accuracy": dict(zip(map(str, self.options), accuracy))}

    def make_room(self, weights: Mapping[str, Tensor]) -> None:
        """Give the buffers the shapes and types of stored ones."""
        for name in ("points", "labels"):
            if name in weights:
                setattr(self, name, torch.empty_like(weights[name]))

    def neighbors(self, x: Tensor, k: int | None = None) -> tuple[Tensor, Int64[Tensor, "n k"]]:
        """Return distances and positions in the training set of the nearest images."""
        if self._searched is None or self._searched.points is not self.points:
            self._searched = Points(self.points)
        return self._searched.nearest(alike(x.flatten(1), self.points), k or int(self.k), distance=self.distance)

    def forward(self, x: Tensor) -> Float[Tensor, "n c"]:
        """Return the scores."""
        if not len(self.labels):  # not fitted yet: every class alike
            return x.new_zeros(len(x), self.classes)
        with torch.autocast(x.device.type, enabled=False):  # rounded distances would change who votes
            _, index = self.neighbors(x.detach())
        return vote_scores(self.labels[index], int(self.k), self.classes).to(x.device)

    def _right(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Whether each image is right with each k, (N, number of options)."""
        _, index = self.neighbors(inputs, self.options[-1])
        return right_by_k(self.labels[index], targets, self.options, self.classes)

    def _right_by_fold(self) -> Tensor:
        fold = torch.arange(len(self.points)) % FOLDS  # stratified enough: the order of the training part is random
        found = []
        for part in range(FOLDS):
            held, others = fold == part, fold != part
            _, index = nearest(self.points[held], self.points[others], self.options[-1], distance=self.distance)
            found.append(right_by_k(self.labels[others][index], self.labels[held], self.options, self.classes))
        return torch.cat(found)


def right_by_k(
    members: Int64[Tensor, "n k"], targets: Int64[Tensor, " n"], options: Sequence[int], classes: int
) -> Bool[Tensor, "n o"]:
    """Return whether the vote is right with each number of neighbors.

    Args:
        members: Classes of the neighbors, the nearest first.
        targets: Right classes.
        options: Numbers of neighbors.
        classes: Number of classes.

    Example:
        >>> right_by_k(torch.tensor([[0, 1, 1]]), torch.tensor([1]), [1, 3], 2)
        tensor([[False,  True]])
    """
    return torch.stack([vote_scores(members[:, :k], k, classes).argmax(1) == targets for k in options], 1)


def vote_scores(members: Int64[Tensor, "n k"], k: int, classes: int) -> Float[Tensor, "n c"]:
    """Return scores from the classes of the neighbors, the nearest first; see `NearestNeighbors`.

    Example:
        >>> vote_scores(torch.tensor([[2, 0, 0, 2]]), 4, 3).argmax(1)
        tensor([2])
    """
    votes = torch.full((len(members), classes), 1e-3, dtype=torch.float64)
    votes.scatter_add_(1, members, torch.ones(members.shape, dtype=torch.float64))
    first = torch.full((len(members), classes), k)
    first.scatter_reduce_(1, members, torch.arange(k).expand_as(members), "amin")  # place of the nearest member
    votes += 1e-4 * (1 - first / k)
    return (votes / (k + classes * 1e-3)).log().float()


def _small(x: Tensor) -> Tensor:
    """Pixels of 8 bits that were read as 0..1, as they were; other numbers as float32."""
    pixels = _pixels(x)
    return x.float().clone() if pixels is None else pixels


def alike(x: Tensor, points: Tensor) -> Tensor:
    """Return queries in the units and the type of the points of `NearestNeighbors`."""
    if points.dtype != torch.uint8:
        return x.float()
    pixels = _pixels(x)
    return x.double() * 255 if pixels is None else pixels


def _pixels(x: Tensor) -> Tensor | None:
    """Numbers in 0..1 as the pixels of 8 bits that they were read from; None where one was not."""
    found = []
    for part in x.split(4096):
        scaled = part * 255
        rounded = scaled.round().clamp_(0, 255)
        if not bool(((rounded - scaled).abs_() < 1e-3).all()):
            return None
        found.append(rounded.to(torch.uint8))
    return torch.cat(found)
