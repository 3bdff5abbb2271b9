"""Contracts: what every network, data set, loss and metric keeps to, as checks that anybody can run on their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from typing import Any

from torch import Tensor, nn

from chainrule.core.errors import UsageError, unknown
from chainrule.data import DATA, ImageExamples, LabeledImages, Normalization
from chainrule.diagnosis._check import judged
from chainrule.diagnosis._dataset_parts import PARTS
from chainrule.diagnosis._dataset_pictures import PICTURES
from chainrule.diagnosis._dataset_subject import DatasetSubject
from chainrule.diagnosis._loss_checks import LOSS_CHECKS
from chainrule.diagnosis._loss_subject import LossSubject
from chainrule.diagnosis._metric_checks import METRIC_CHECKS
from chainrule.diagnosis._metric_subject import MetricSubject, registered
from chainrule.diagnosis._model_building import BUILDING
from chainrule.diagnosis._model_evaluation import EVALUATION
from chainrule.diagnosis._model_inputs import INPUTS
from chainrule.diagnosis._model_learning import LEARNING
from chainrule.diagnosis._model_running import RUNNING
from chainrule.diagnosis._model_sharing import SHARING
from chainrule.diagnosis._model_subject import ModelSubject, seeded
from chainrule.diagnosis._report import ContractReport
from chainrule.losses import LOSSES
from chainrule.metrics import METRICS
from chainrule.models import MODELS
from chainrule.tasks.tables import accepted_options

MODEL_CHECKS = (*BUILDING, *EVALUATION, *INPUTS, *LEARNING, *RUNNING, *SHARING)
DATASET_CHECKS = (*PICTURES, *PARTS)


def check_model(
    build: str | Callable[[], nn.Module],
    shape: tuple[int, ...],
    classes: int,
    *,
    options: Mapping[str, Any] | None = None,
    parameters: int | None = None,
    exceptions: Mapping[int | str, str] | None = None,
    seed: int = 0,
) -> ContractReport:
    """Run the 32 checks of a network on a registered model, or on one's own.

    Every check builds or copies the network for itself, so nothing that one does reaches another; torch's global
    generator is as before when this returns.

    Args:
        build: The name of a registered model; or a function without arguments, or a class, that builds one's own: a
            float32 network on the CPU that draws its weights from torch's global generator, takes (N, *shape), and
            gives scores (N, classes) (while training a tuple with the scores first is right too).
        shape: Of one input: (C, H, W) for images, (D,) for vectors.
        classes: How many scores it gives.
        options: Of a registered model, as a recipe has them under `model:`.
        parameters: How many parameters it has, as documented; for a registered model its card says that too.
        exceptions: Number or name of a check -> the reason why it may fail. An exception that nothing needs any more
            fails.
        seed: Of weights and inputs.

    Returns:
        A verdict on each check, with its evidence.

    Raises:
        UsageError: An unknown model or option, or an exception for an unknown check or without a reason.

    Example:
        >>> from torch import Tensor, nn
        >>> def own():
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 5))
        >>> report = check_model(own, (3, 4, 4), 5, parameters=48 * 20 + 20 + 20 * 5 + 5)
        >>> report.good, len(report), report[23].evidence
        (True, 32, '1,085 (as stated)')

    Source:
        docs/contracts.md lists the checks, each with its reason.
    """
    subject = _registered(build, shape, classes, dict(options or {}), seed) if isinstance(build, str) else None
    if subject is None:
        if options:
            raise UsageError("options belong to a registered model", got=", ".join(options), remedy="give its name")
        subject = _own(build, shape, classes, seed)  # type: ignore[arg-type]
    if parameters is not None:
        subject.parameters = {**subject.parameters, "as stated": (parameters, subject.network)}
    name = build if isinstance(build, str) else getattr(build, "__name__", type(build).__name__)
    told = ", ".join(f"{key}={value!r}" for key, value in subject.options.items())
    size = "x".join(map(str, shape))
    with seeded(seed):
        return judged("model", f"{name}({told}) on {size}", MODEL_CHECKS, subject, exceptions)


def _registered(name: str, shape: tuple[int, ...], classes: int, options: dict[str, Any], seed: int) -> ModelSubject:
    function, entry = MODELS.resolve(name), MODELS.entry(name)
    accepted = accepted_options(function)
    for key in options:
        if key not in accepted:
            raise UsageError(f'the model "{name}" has no option "{key}"', remedy=unknown("option", key, accepted))

    def documented(form: Mapping[str, Any]) -> Callable[[], nn.Module]:
        return lambda: function(tuple(form["input"]), form["classes"], **form["options"])

    return ModelSubject(
        lambda size: function(size, classes, **options),
        tuple(shape),
        classes,
        seed,
        fits=True,
        name=name,
        options=options,
        target=entry.target if name in [*MODELS] else None,  # what stands behind a prefix is made when asked for
        parameters={
            ", ".join(f"{key} {value}" for key, value in form["options"].items()) or "as it stands": (
                form["parameters"],
                documented(form),
            )
            for form in entry.card.get("forms", ())
        },
    )


def _own(build: Callable[[], nn.Module], shape: tuple[int, ...], classes: int, seed: int) -> ModelSubject:
    return ModelSubject(lambda size: build(), tuple(shape), classes, seed, target=_target(build))


def _target(build: Callable[[], nn.Module]) -> str | None:
    """`module:function` of what another process can import, or None."""
    module, name = getattr(build, "__module__", None), getattr(build, "__qualname__", "")
    if module is None or getattr(sys.modules.get(module), name, None) is not build:
        return None  # inside a function or a class, or no function at all
    found = PathFinder.find_spec(module.partition(".")[0], [path for path in sys.path if path])
    return f"{module}:{name}" if module != "__main__" and found is not None else None


def check_dataset(
    source: str | Callable[[], LabeledImages],
    *,
    options: Mapping[str, Any] | None = None,
    parts: Mapping[str, Tensor] | None = None,
    normalization: Normalization | None = None,
    normalize: str = "channel",
    examples: Callable[..., Any] = ImageExamples,
    exceptions: Mapping[int | str, str] | None = None,
    seed: int = 0,
) -> ContractReport:
    """Run the 20 checks of a data set on a registered one, or on one's own.

    Every picture is read at least twice. `chainrule.data.check_data` is the other look at a data set: it lists all
    that is in it.

    Args:
        source: The name of a registered data set; or a function without arguments that opens one's own.
        options: Of a registered data set, as a recipe has them under `data:`.
        parts: Part -> indices, with a part "train"; split as a recipe does when left out.
        normalization: That of the pictures; measured on the training part when left out.
        normalize: Kind of the normalization that is measured: "channel", "pixel" or "none".
        examples: What makes batches: `(set, indices, normalization, augment) -> object with __len__ and
            fetch(index, key) -> Batch`.
        exceptions: Number or name of a check -> the reason why it may fail.
        seed: Of the split, and of the examples that are looked at.

    Raises:
        UsageError: An unknown data set, or an exception for an unknown check or without a reason.
        DataError: A registered data set is missing.

    Example:
        >>> report = check_dataset("digits")
        >>> report.good, len(report), report["parts_inside"].evidence
        (True, 20, 'train 1,294, valid 144, test 359')

    Source:
        docs/contracts.md lists the checks, each with its reason.
    """
    name = source if isinstance(source, str) else getattr(source, "__name__", type(source).__name__)
    given = dict(options or {})
    if isinstance(source, str):
        function = DATA.resolve(source)

        def opened() -> LabeledImages:
            return function(**given)
    else:
        opened = source
        if given:
            raise UsageError("options belong to a registered data set", got=", ".join(given), remedy="give its name")
    subject = DatasetSubject(opened, parts, normalization, normalize, examples, seed)
    with seeded(seed):
        return judged("dataset", name, DATASET_CHECKS, subject, exceptions)


def check_loss(
    loss: str | Callable[[Tensor, Tensor], Tensor],
    *,
    options: Mapping[str, Any] | None = None,
    classes: int = 5,
    least: float | None = 0.0,
    exceptions: Mapping[int | str, str] | None = None,
    seed: int = 0,
) -> ContractReport:
    """Run the 15 checks of a loss for classes on a registered one, or on one's own.

    Args:
        loss: The name of a registered loss, or `(scores (N, K), classes (N,)) -> values (N,)`.
        options: Further keyword arguments of the loss.
        classes: K, at least 2.
        least: The smallest value that it can have; None if there is none.
        exceptions: Number or name of a check -> the reason why it may fail.
        seed: Of scores and classes.

    Raises:
        UsageError: An unknown loss, or an exception for an unknown check or without a reason.

    Example:
        >>> check_loss("softmax", options={"smoothing": 0.1}).good
        True
        >>> from torch.nn.functional import cross_entropy
        >>> [result.title for result in check_loss(cross_entropy).failed][0]
        'one value for each example'

    Source:
        docs/contracts.md lists the checks, each with its reason.
    """
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    function = LOSSES.resolve(loss) if isinstance(loss, str) else loss
    given = dict(options or {})
    subject = LossSubject(lambda scores, targets: function(scores, targets, **given), classes, least, seed)
    with seeded(seed):
        return judged("loss", name, LOSS_CHECKS, subject, exceptions)


def check_metric(
    metric: str | Callable[[Tensor, Tensor], Any],
    *,
    options: Mapping[str, Any] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    best: float | None = 1.0,
    worst: float | None = 0.0,
    ranks: bool = True,
    reference: Callable[[Tensor, Tensor], float] | None = None,
    exceptions: Mapping[int | str, str] | None = None,
    seed: int = 0,
) -> ContractReport:
    """Run the 15 checks of a metric for classes on a registered one, or on one's own.

    Args:
        metric: The name of a registered metric, whose facts are known; or `(scores (N, K), classes (N,)) -> tally`,
            such as `Accuracy.of`, where a tally has `merge(other)` and `result()`.
        options: Further keyword arguments.
        bounds: Least and largest result of one's own metric.
        best: Result of perfect answers, or None.
        worst: Result when the right class has the lowest score every time, or None.
        ranks: Whether only the order of an example's scores counts.
        reference: `(scores, classes) -> number` by other means.
        exceptions: Number or name of a check -> the reason why it may fail.
        seed: Of scores and classes.

    Raises:
        UsageError: An unknown metric, or an exception for an unknown check or without a reason.

    Example:
        >>> from chainrule.metrics import TopK
        >>> check_metric("topk", options={"k": 3}).good, check_metric(TopK.of).good
        (True, True)

    Source:
        docs/contracts.md lists the checks, each with its reason.
    """
    given = dict(options or {})
    if isinstance(metric, str):
        name, subject = metric, MetricSubject(**registered(metric, METRICS.resolve(metric), **given), seed=seed)
    else:
        name, measure = getattr(metric, "__qualname__", type(metric).__name__), metric
        subject = MetricSubject(
            lambda scores, targets, index: measure(scores, targets, **given),
            lambda tally: [tally.result()],
            bounds,
            best,
            worst,
            reference,
            ranks,
            seed=seed,
        )
    with seeded(seed):
        return judged("metric", name, METRIC_CHECKS, subject, exceptions)
