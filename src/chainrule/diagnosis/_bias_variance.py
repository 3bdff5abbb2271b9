"""Bias and variance of a recipe, measured: the same training on several sets of data, over one setting."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from chainrule.core.errors import CheckpointError, RecipeError, StorageError, UsageError
from chainrule.core.folder import RunFolder, new_folder
from chainrule.core.plain import to_json
from chainrule.core.recipe import ImageRecipe, Recipe
from chainrule.core.sections import OWN
from chainrule.core.store import Lock, clean_stale, remove_folder, write_file
from chainrule.data import LabeledImages
from chainrule.formulas import bias_variance_error
from chainrule.runtime.rng import derive
from chainrule.tasks.images._answer import class_probabilities
from chainrule.tasks.images._classification import Classification
from chainrule.tasks.runs._begin import begin_run, with_seed
from chainrule.tasks.runs._train import continue_run
from chainrule.tasks.tables import Source, check_options, images_only, open_recipe, read_source
from chainrule.training.task import Observer

Array = NDArray[np.float64]
Draw = Literal["subsets", "bootstrap"]
Observers = Callable[[str], Iterable[Observer]]

FACTS: Final = "bias_variance.json"
ANSWERS: Final = "facts/probabilities.npy"
MOST: Final = 400
"""Trainings of one measurement."""
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Args:
        over: The setting that changes, such as `model.k`.
        recipes: What a value is called -> the recipe with it; in the order of the values.
        values: The values.
        sets: How many sets of data.
        draw: subsets: disjoint parts of the training part, so independent of each other; bootstrap: as many as it has,
            drawn with replacement, each set larger but all from the same images.
        about: What it is made from, to know the folder again.
    """

    over: str
    recipes: Mapping[str, ImageRecipe]
    values: Sequence[Any]
    sets: int
    draw: Draw
    about: Mapping[str, Any]


def bias_variance(
    recipe: Source,
    *,
    over: str,
    values: Sequence[Any],
    sets: int = 8,
    draw: Draw = "subsets",
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    observers: Observers = lambda title: (),
    command: str | None = None,
) -> dict[str, Any]:
    """Train a recipe on several sets of data for each value of a setting, and take its error apart.

    E ||f_D - y||^2 = bias^2 + variance over the sets D, f the mean of f_D, y one-hot, on images that no training sees.
    Every training has a seed of its own, so chance in weights and order counts as variance. The trainings stand in
    `OUT/VALUE/set-N`; what is finished is not done again, so an interrupted call can be repeated.

    Args:
        recipe: As `train` takes it.
        over: The setting that changes: `model.k`, `model.hidden`, `penalty.l2`.
        values: At least one.
        sets: How many sets of data, at least 3.
        draw: subsets (disjoint) or bootstrap.
        out: The folder, new or from an earlier call; `runs/RECIPE-bias-variance-DATE-TIME` when left out.
        settings: Laid over the recipe.
        observers: What a training is called -> called after each of its steps.
        command: What repeats the measurement, for its page.

    Returns:
        `{"folder", "over", "part", "sets", "images", "points": [{"value", "bias_squared", "variance", "error",
        "wrong", each with "low" and "high"}]}`; low and high are the ends of a 95 % confidence interval over the sets.

    Raises:
        RecipeError: The recipe is not valid with one of the values; nothing is made.
        DataError: The data are missing, or too few for so many sets.
        UsageError: Too few sets, no value or the same twice, or the folder holds something else.
        NonFiniteError: The loss of a training was no number.

    Example:
        `chainrule.bias_variance("digits-knn", over="model.k", values=[1, 5, 25])["points"][0]["variance"]`

    Source:
        LECTURES A8.
    """
    plan = _plan(recipe, over, list(values), sets, draw, dict(settings or {}))
    name = Path(str(recipe)).stem if isinstance(recipe, str | Path) else "recipe"
    folder = Path(out) if out is not None else new_folder(f"{name}-bias-variance")
    made = _begin(folder, plan)
    again = f"the same command with -o {shlex.quote(str(folder))}"
    try:
        with Lock(folder):
            clean_stale(folder)
            found = _measured(folder, plan, observers, command=command, again=again)
            found = {"folder": str(folder), "recipe": name, **found, "command": command}
            write_file(folder / FACTS, to_json({**dict(plan.about), "result": found}))
    except BaseException:
        if made and not any((folder / label).exists() for label in plan.recipes):
            with suppress(StorageError):
                remove_folder(folder)
        raise
    from chainrule.diagnosis._bias_variance_page import measurement_page

    write_file(folder / "report.html", measurement_page(found).encode())
    return found


def _plan(source: Source, over: str, values: list[Any], sets: int, draw: Draw, settings: dict[str, Any]) -> Plan:
    if not values:
        raise UsageError("there is no value to measure at", remedy="--values 4,16,64")
    if any(value in values[:number] for number, value in enumerate(values)):
        raise UsageError("a value is there twice", got=str(values))
    if draw not in ("subsets", "bootstrap"):
        raise UsageError(f'sets cannot be drawn as "{draw}"', expected="subsets or bootstrap")
    if sets < 3 or sets * len(values) > MOST:
        raise UsageError(
            "these trainings cannot be compared",
            expected=f"at least 3 sets, and at most {MOST} trainings in all",
            got=f"{sets} sets at {len(values)} values",
        )
    if over in settings:
        raise UsageError(f"{over} is set and changes", remedy=f"leave --{over} out")
    data, _ = read_source(source)
    recipes: dict[str, ImageRecipe] = {}
    for number, value in enumerate(values):
        opened = open_recipe(data if isinstance(source, Recipe) else source, {**settings, over: value})
        found = images_only(opened, "bias-variance")
        check_options(found)
        if found.model.name == OWN:
            raise RecipeError("this measurement trains networks of recipes only", expected="a model by its name")
        recipes[_label(over, value, number)] = found
    about = {
        "format": 1, "over": over, "values": values, "sets": sets, "draw": draw,
        "recipe": next(iter(recipes.values())).to_data(),
    }  # fmt: skip
    return Plan(over, recipes, values, sets, draw, json.loads(to_json(about)))


def _label(over: str, value: Any, number: int) -> str:
    """The name of a value's folder: `k-5`; its number where the value makes no name."""
    text = f"{over.rpartition('.')[2]}-{json.dumps(value) if not isinstance(value, str) else value}"
    text = re.sub(r"[\[\] ]", "", text).replace(",", "-")
    return text if re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", text) else f"value-{number}"


def _begin(folder: Path, plan: Plan) -> bool:
    """Make the folder, or know it again."""
    facts = folder / FACTS
    if folder.exists():
        try:
            known = json.loads(facts.read_bytes())
            same = {key: known.get(key) for key in plan.about} == dict(plan.about)
        except (OSError, ValueError, AttributeError):
            same = False
        if not same:
            raise UsageError(f"{folder} holds something else", remedy="choose another folder with -o")
        return False
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}") from error
    write_file(facts, to_json({**dict(plan.about), "result": None}))
    return True


def _measured(folder: Path, plan: Plan, observers: Observers, *, command: str | None, again: str) -> dict[str, Any]:
    first = next(iter(plan.recipes.values()))
    whole = Classification(first)
    whole.require_training_part("the trainings learn")
    part = "test" if "test" in whole.parts else "valid"
    drawn = draw_sets(whole.images, whole.parts["train"], plan.sets, plan.draw, first.train.seed)
    sets = [
        replace(whole.images, train=one, valid=whole.parts.get("valid"), test=whole.parts.get("test")) for one in drawn
    ]
    targets = np.eye(len(whole.images.classes))[whole.images.labels[whole.parts[part]].numpy()]
    points = []
    total, done = plan.sets * len(plan.recipes), 0
    threads = torch.get_num_threads()
    for (label, recipe), value in zip(plan.recipes.items(), plan.values, strict=True):
        answers = []
        for number, images in enumerate(sets):
            done += 1
            one = _of_set(recipe, number)
            title = f"{label} set {number + 1} ({done} of {total})"
            answers.append(_answers(folder / label / f"set-{number}", one, images, part, observers, title, again))
            torch.set_num_threads(threads)
        points.append({"value": value, **estimates(np.stack(answers), targets)})
    sizes = [len(one) for one in drawn]
    return {
        "over": plan.over, "part": part, "sets": plan.sets, "draw": plan.draw, "images": [min(sizes), max(sizes)],
        "measured_on": len(targets), "confidence": CONFIDENCE, "points": points,
    }  # fmt: skip


def _of_set(recipe: ImageRecipe, number: int) -> ImageRecipe:
    """The recipe with a seed of the set's own; the set is limited already."""
    seeded = with_seed(recipe, derive(recipe.train.seed, "bias-variance", number) >> 1)
    return seeded.model_copy(update={"data": seeded.data.model_copy(update={"limit": None})})


def draw_sets(images: LabeledImages, train: torch.Tensor, sets: int, draw: Draw, seed: int) -> list[torch.Tensor]:
    """Return the training images of each set.

    Args:
        images: With their classes.
        train: The training part that is drawn from.
        sets: How many.
        draw: subsets: disjoint, each with every class in its share; bootstrap: with replacement, as many as there are.
        seed: Of the draw.

    Raises:
        UsageError: A class has fewer images than there are sets.
    """
    rng = np.random.default_rng(derive(seed, "bias-variance sets"))
    parts = train.numpy()
    if draw == "bootstrap":
        return [torch.from_numpy(np.sort(rng.choice(parts, len(parts)))) for _ in range(sets)]
    labels = images.labels[train].numpy()
    counts = np.bincount(labels, minlength=len(images.classes))
    if counts.min() < sets:
        name = images.classes[int(counts.argmin())]
        raise UsageError(
            f"the training images cannot be divided into {sets} sets",
            expected=f'at least one image of class "{name}" in each',
            got=f"{counts.min()} images",
            remedy="fewer --sets, or --draw bootstrap",
        )
    found: list[list[int]] = [[] for _ in range(sets)]
    turn = 0
    for label in range(len(images.classes)):
        for index in rng.permutation(parts[labels == label]).tolist():
            found[turn % sets].append(index)
            turn += 1
    return [torch.tensor(sorted(one)) for one in found]


def _answers(
    place: Path, recipe: ImageRecipe, images: LabeledImages, part: str, observers: Observers, title: str, again: str
) -> Array:
    """The probabilities of one training, (N, K): read where it is finished, else trained."""
    folder = RunFolder(place)
    if (known := _stored(place)) is not None:
        return known
    if place.exists() and not _can_go_on(folder):
        remove_folder(place)
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        begin_run(recipe, place, name=f"{place.parent.name}-{place.name}", data=images)
    job = Classification(recipe, images=images)
    if folder.info()["status"] != "finished":
        continue_run(place, job, observers=observers(title), resume_command=again)
    answers = _predict(folder, job, part)
    file = io.BytesIO()
    np.save(file, answers, allow_pickle=False)
    write_file(place / ANSWERS, file.getvalue())
    return answers


def _stored(place: Path) -> Array | None:
    """The probabilities of a training that is finished; None where there are none that can be read."""
    try:
        found = np.load(place / ANSWERS, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.ndim == 2 and found.dtype == np.float64 else None


def _can_go_on(folder: RunFolder) -> bool:
    """Whether a run was made whole: its first checkpoint is the last thing that is written."""
    try:
        status = folder.info()["status"]
    except CheckpointError:
        return False
    return status == "finished" or any(folder.checkpoints.glob("step-*"))


def _predict(folder: RunFolder, job: Classification, part: str) -> Array:
    """What a trained network says to the images of a part."""
    from chainrule.models import Fitted
    from chainrule.runtime.weights import load_weights, read_weights

    with torch.random.fork_rng():
        model = job.model()
    weights = read_weights(folder.model)
    if isinstance(model, Fitted):
        model.make_room(weights)
    load_weights(model, weights)
    model.eval()
    probabilities, examples = class_probabilities(job.recipe), job.examples(part)
    found = []
    with torch.inference_mode():
        for index in torch.arange(len(examples)).split(job.recipe.train.evaluate_batch):
            found.append(probabilities(model, examples.fetch(index, index).inputs).double().numpy())
    return np.concatenate(found)


def estimates(answers: Array, targets: Array) -> dict[str, Any]:
    """Return bias^2, variance, error and the share of wrong answers with their confidence intervals over the sets.

    Args:
        answers: (R, N, K).
        targets: One-hot, (N, K).

    Returns:
        Name -> `{"value", "low", "high"}`: the jackknife's standard error over the sets, and Student's t.

    Example:
        >>> answers = np.array([[[1.0, 0.0]], [[0.5, 0.5]], [[0.9, 0.1]]])
        >>> found = estimates(answers, np.array([[1.0, 0.0]]))
        >>> bias, variance, error = (found[name]["value"] for name in ("bias_squared", "variance", "error"))
        >>> abs(error - bias - variance) < 1e-12
        True

    Source:
        LECTURES A8. Efron, Stein: The jackknife estimate of variance (1981).
    """
    from scipy.stats import t

    R = len(answers)

    def measured(chosen: Array) -> Array:
        wrong = (chosen.argmax(axis=2) != targets.argmax(axis=1)).mean()
        return np.array([*bias_variance_error(chosen, targets), wrong])

    whole = measured(answers)
    left_out = np.stack([measured(np.delete(answers, r, axis=0)) for r in range(R)])  # (R, 4)
    deviation = np.sqrt((R - 1) / R * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    room = float(t.ppf((1 + CONFIDENCE) / 2, R - 1)) * deviation
    names = ("bias_squared", "variance", "error", "wrong")
    return {
        name: {"value": float(value), "low": float(value - width), "high": float(value + width)}
        for name, value, width in zip(names, whole, room, strict=True)
    }
