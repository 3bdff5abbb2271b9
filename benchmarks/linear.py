"""Linear classifiers on the pixels of Fashion-MNIST: our solvers beside scikit-learn's, and the features beside pixels.

    python benchmarks/linear.py [TURNS] [THREADS] [--busy]

Run with CHAINRULE_DATA set, on a machine that does nothing else (`measure.py`). All are taken in turn in one process.

The features are compared on CIFAR-10 (its lossy form) by test accuracy, which no load changes:
`python benchmarks/linear.py features` measures that alone and writes `results/features.json`.

Softmax regression: mean loss + lambda sum W^2 with lambda 1e-4, the bias free; scikit-learn's C is 1 / (2 lambda N).
LogisticRegression stops after 100 iterations as it does by default. Linear SVM: LinearSVC with 20 iterations takes the
better part of a minute a turn, so it has one turn; its default of 1,000 would take longer still. Ours has five seeds.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measure import begin, in_turns, medians, write
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from chainrule.data.cifar10_jpeg import cifar10_jpeg
from chainrule.data.fashion_mnist import fashion_mnist
from chainrule.ops import color_histogram, hog
from chainrule.optim.solvers import LinearSolution, averaged_sgd, newton_cg

L2 = 1e-4
L2_OF_FEATURES = {"pixels": 1e-2}
"""Where it is not 1e-3: powers of ten, within 0.1 points of the best one on the last 5,000 training images."""
SEEDS = range(5)


class Bench:
    """The data, and what each contestant last found."""

    def __init__(self) -> None:
        data = fashion_mnist()
        every = torch.arange(len(data.labels))
        x = data.pictures.read(every).flatten(1) / 255
        assert data.test is not None
        self.x, self.y = x[data.train].contiguous(), data.labels[data.train]
        self.x_test, self.y_test = x[data.test], data.labels[data.test]
        self.found: dict[str, dict[str, Any]] = {}

    def look(self, name: str, weights: torch.Tensor, bias: torch.Tensor, **facts: Any) -> None:
        """Objective (in float64) and test accuracy of what was found."""
        W, b = weights.double(), bias.double()
        scores = self.x.double() @ W.T + b
        loss = torch.nn.functional.cross_entropy(scores, self.y).item()
        right = (self.x_test.double() @ W.T + b).argmax(1) == self.y_test
        self.found[name] = {
            "softmax objective": round(loss + L2 * W.square().sum().item(), 6),
            "test accuracy": right.double().mean().item(),
            **facts,
        }

    def theirs(self, name: str, make: Callable[[], Any]) -> float:
        """Fit a classifier of scikit-learn's."""
        x, y = self.x.numpy(), self.y.numpy()
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the iterations were too few is known
            model = make().fit(x, y)
        seconds = time.perf_counter() - begun
        iterations = int(np.max(model.n_iter_))
        self.look(name, torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_), iterations=iterations)
        return seconds

    def ours(self, name: str, solve: Callable[[], LinearSolution]) -> float:
        """Run a solver of ours."""
        begun = time.perf_counter()
        found = solve()
        seconds = time.perf_counter() - begun
        self.look(name, found.weights, found.bias, iterations=len(found.record) - 1, reason=found.reason)
        return seconds


def softmax_regression(bench: Bench, turns: int) -> dict[str, Any]:
    """LogisticRegression, and Newton's method to two tolerances."""
    C = 1 / (2 * L2 * len(bench.x))
    names = ["LogisticRegression (lbfgs, 100 iterations)", "newton_cg, tolerance 1e-3", "newton_cg, tolerance 1e-4"]
    contestants = {
        names[0]: lambda: bench.theirs(names[0], lambda: LogisticRegression(C=C, max_iter=100)),
        names[1]: lambda: bench.ours(names[1], lambda: newton_cg(bench.x, bench.y, l2=L2, tolerance=1e-3)),
        names[2]: lambda: bench.ours(names[2], lambda: newton_cg(bench.x, bench.y, l2=L2, tolerance=1e-4)),
    }
    seconds = medians(in_turns(contestants, turns))
    return {
        name: {
            "seconds": seconds[name],
            "times faster": round(seconds[names[0]] / seconds[name], 2),
            "objective at or below": bench.found[name]["softmax objective"]
            <= bench.found[names[0]]["softmax objective"],
            **bench.found[name],
        }
        for name in names
    }


def linear_svm(bench: Bench) -> dict[str, Any]:
    """LinearSVC once, and averaged gradients of the hinge loss with five seeds."""
    theirs, ours = "LinearSVC (20 iterations)", "averaged_sgd, hinge"
    fit = lambda seed: averaged_sgd(bench.x, bench.y, l2=L2, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    slow = in_turns({theirs: lambda: bench.theirs(theirs, lambda: LinearSVC(random_state=0, max_iter=20))}, 1)[theirs]
    times, right = [], []
    for seed in SEEDS:
        times += in_turns({ours: lambda seed=seed: bench.ours(ours, lambda: fit(seed))}, 1)[ours]
        right.append(bench.found[ours]["test accuracy"])
    mean = statistics.mean(right)
    reference = bench.found[theirs]["test accuracy"]
    return {
        theirs: {"seconds": round(slow[0], 3), "test accuracy": reference},
        ours: {
            "seconds": round(statistics.median(times), 3),
            "times faster": round(slow[0] / statistics.median(times), 2),
            "test accuracy, mean of five seeds": round(mean, 5),
            "standard deviation": round(statistics.stdev(right), 5),
            "points below LinearSVC": round(100 * (reference - mean), 3),
        },
    }


def features(turns: int) -> dict[str, float]:
    """Median seconds for 50,000 color images of 32x32; what is in them does not matter."""
    images = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def timed(feature: Callable[[torch.Tensor], torch.Tensor]) -> float:
        begun = time.perf_counter()
        feature(images)
        return time.perf_counter() - begun

    return medians(in_turns({"hog": lambda: timed(hog), "color_histogram": lambda: timed(color_histogram)}, turns))


def accuracy_of_features() -> dict[str, Any]:
    """Softmax regression on the features of CIFAR-10, each of mean 0 and deviation 1 over the training images."""
    data = cifar10_jpeg()
    assert data.test is not None
    images = data.pictures.read(torch.arange(len(data.labels)))
    edges = hog(images)
    every = {
        "pixels": lambda: images.flatten(1) / 255,
        "color_histogram(images)": lambda: color_histogram(images),
        "hog(images)": lambda: edges,
        "hog(images, vote='hard')": lambda: hog(images, vote="hard"),
        "hog and color_histogram(images)": lambda: torch.cat([edges, color_histogram(images)], 1),
        "hog and color_histogram(images, bins=4, joint=True)": lambda: torch.cat(
            [edges, color_histogram(images, bins=4, joint=True)], 1
        ),
    }
    found = {}
    for name, make in every.items():
        x = make()
        train = x[data.train]
        x = (x - train.mean(0)) / (train.std(0) + 1e-6)
        solution = newton_cg(x[data.train], data.labels[data.train], l2=L2_OF_FEATURES.get(name, 1e-3), tolerance=3e-4)
        right = solution.scores(x[data.test]).argmax(1) == data.labels[data.test]
        found[name] = {"numbers": x.shape[1], "test accuracy": right.double().mean().item(), "reason": solution.reason}
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def main(turns: int, threads: int) -> None:
    """Measure and write."""
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        bench = Bench()
        newton_cg(bench.x[:2000], bench.y[:2000], iterations=2)  # what a first call sets up is nobody's time
        facts = {
            "what": f"pixels of Fashion-MNIST, 60,000 x 784, 0 to 1; lambda {L2:g}; medians of {turns} turns",
            "softmax regression": softmax_regression(bench, turns),
            "linear svm": linear_svm(bench),
            "seconds of features, 50,000 color images of 32x32": features(turns),
        }
    write("linear", facts)


if __name__ == "__main__":
    if sys.argv[1:] == ["features"]:
        write("features", {"what": "softmax regression on cifar10-jpeg", "features": accuracy_of_features()})
        sys.exit()
    numbers = [int(word) for word in begin()]
    main(*(numbers + [5, 2][len(numbers) :]))
