"""What the recipes reach, from `results/recipes`: heads of their files, sections of the page, the README's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from figures import TASKS, Figure, reached

from chainrule.core.strict_yaml import parse_yaml

Machine = Callable[[dict[str, Any]], str]
Read = Callable[[str], dict[str, Any]]

LECTURES = {
    "digits-knn": ("A2", "nearest_neighbors, majority_vote"),
    "digits-softmax": ("A3, A5, A6", "affine_forward, softmax_loss, l2_penalty"),
    "digits-svm": ("A3, A4, A6", "affine_forward, svm_loss, l2_penalty"),
    "digits-mlp": ("C4, C7, B7", "relu_forward, dropout_forward, adamw"),
    "digits-cnn": ("C6, D1, D2, B9", "conv_forward, batch_norm_train, max_pool_forward, cosine_rate"),
    "fashion-knn": ("A2", "nearest_neighbors, majority_vote"),
    "fashion-svm": ("A3, A4, A6", "affine_forward, svm_loss, l2_penalty"),
    "fashion-softmax": ("A5, A6, B6", "softmax_loss, l2_penalty, adam"),
    "fashion-softmax-newton": ("A5, A6, B8", "softmax_loss, l2_penalty"),
    "fashion-mlp": ("C4, C5, B7", "relu_forward, he_weights, adamw"),
    "fashion-lenet": ("D5", "conv_forward, max_pool_forward, relu_forward"),
    "fashion-lenet-original": ("D5", "conv_forward, average_pool_forward, tanh_forward"),
    "fashion-cnn": ("C6, B3, B9", "batch_norm_train, nesterov, linear_rate, warm_up_rate"),
    "fashion-resnet": ("C8, D5, B3", "conv_forward, batch_norm_train, muon, linear_rate"),
    "fashion-vit": ("H11, H6, H8", "multi_head_attention_forward, layer_norm_forward, feed_forward_forward"),
    "fashion-fast": ("B3, C5, A9", "whitening_filters, muon, smoothed_softmax_loss, linear_rate"),
    "fashion-fast-wide": ("B3, C5, A9", "whitening_filters, muon, smoothed_softmax_loss, linear_rate"),
    "cifar10-vgg": ("D5, C6, B3", "conv_forward, batch_norm_train, nesterov, linear_rate, warm_up_rate"),
    "cifar10-densenet": ("D6, C8, B3", "conv_forward, batch_norm_train, muon, linear_rate"),
    "cifar10-resnet20": ("C8, D5, B3", "conv_forward, batch_norm_train, muon, linear_rate"),
    "imagenet-squeezenet": ("D6, A1", "conv_forward, max_pool_forward, relu_forward"),
    "mnist-lenet": ("D5, B9", "conv_forward, max_pool_forward, cosine_rate"),
    "sentiment-bag": ("A3, A5, A9", "affine_forward, softmax_loss, adamw"),
    "sentiment-average": ("A9, G5", "affine_forward, softmax_loss, dropout_forward"),
    "sentiment-gru": ("G1, G3", "gru_step_forward, softmax_loss"),
    "sentiment-transformer": ("H3, H6-H9", "multi_head_attention_forward, layer_norm_forward"),
    "sentiment-pretrained": ("H9", "mask_words, masked_word_loss"),
    "sentiment-bert": ("H9", "masked_word_loss, softmax_loss"),
    "cifar10-features-pixels": ("A3, A5, B8", "affine_forward, softmax_loss"),
    "cifar10-features": ("A5, A9, B8", "oriented_gradients, joint_color_histogram, softmax_loss"),
    "cifar10-knn": ("A2, A9", "oriented_gradients, joint_color_histogram, nearest_neighbors"),
    "cifar10-mlp": ("A9, C4, C7", "oriented_gradients, joint_color_histogram, relu_forward"),
    "shakespeare-rnn": ("G1, G4", "rnn_step_forward, softmax_loss, clip_by_norm"),
    "shakespeare-gru": ("G3, G4", "gru_step_forward, softmax_loss, clip_by_norm"),
    "shakespeare-lstm": ("G2, G4", "lstm_step_forward, softmax_loss, clip_by_norm"),
    "shakespeare-lstm-names": ("G2, G4", "lstm_step_forward, softmax_loss, clip_by_norm"),
    "shakespeare-transformer": ("G4, H4, H9", "causal_mask, transformer_block_forward, softmax_loss"),
    "shakespeare-transformer-names": ("G4, H4, H9", "causal_mask, transformer_block_forward, softmax_loss"),
    "shakespeare-skipgram": ("G5", "negative_sampling_forward, noise_probabilities, cosine_similarity"),
    "shakespeare-cbow": ("G5", "negative_sampling_forward, mean_vector_forward, cosine_similarity"),
    "multi30k-skipgram": ("G5", "negative_sampling_forward, noise_probabilities, cosine_similarity"),
    "addition-transformer": ("H4, H5, H9", "transformer_forward, decoder_forward, softmax_loss"),
    "tatoeba-gru": ("G6, G7, H1", "additive_scores_forward, attend_forward, gru_step_forward, beam_search"),
    "multi30k-gru": ("G6, G7", "gru_step_forward, smoothed_softmax_loss, beam_search"),
    "multi30k-attention": ("G6, G7, H1", "bilinear_scores_forward, attend_forward, gru_step_forward, beam_search"),
    "multi30k-transformer": ("H4, H5, H9", "transformer_forward, decoder_forward, noam_rate, beam_search"),
    "coco-caption": ("G4, G8", "lstm_step_forward, softmax_loss, beam_search"),
    "coco-caption-attention": ("G8, H1", "attend_forward, lstm_step_forward, beam_search"),
    "coco-caption-transformer": ("G8, H5", "multi_head_attention_forward, beam_search"),
}
"""Measured name -> lecture items, and the formulas that define its parts."""


def recipe_rows(read: Read) -> dict[str, dict[str, Any]]:
    """Measured name -> its result, in the order of `LECTURES`."""
    return {name: found for name in LECTURES if (found := read(f"recipes/{name}"))}


def recipe_tasks(folder: Path) -> dict[str, str]:
    """Name of each recipe, studies left out, -> its task."""
    plain = {path.stem: parse_yaml(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))}
    return {name: recipe.get("task", "classify") for name, recipe in plain.items() if "compare" not in recipe}


def recipe_head(found: dict[str, Any], machine: Machine) -> str:
    """What stands at the top of a recipe: each figure, what was found beside it, and how."""
    seeds = " seeds" if len(found["seeds"]) > 1 else ""
    lines = [
        *(f"{figure.name} {spread(figure, of)}{seeds}" for figure, of in reached(found)),
        *TASKS[found["task"]].told(found["beside"]),
        f"{duration(found)} for one run,",
    ]
    told = ";\n# ".join(lines[:-1]) + f"; {lines[-1]}"
    return f"# Measured: {told}\n# on {machine(found)}, {found['date'][:10]}:\n#     {found['command']}\n"


def recipe_sections(rows: Mapping[str, dict[str, Any]], tasks: Mapping[str, str], machine: Machine) -> list[str]:
    """Lines of `docs/results.md`, a section a task.

    Args:
        rows: As `recipe_rows` gives them.
        tasks: Of every recipe, also of those that are not measured.
        machine: Of a result.
    """
    lines = [
        "## Recipes",
        "",
        "Weights are chosen on validation data; the test part is read once, at the end of each run. Time: one run,",
        "with reading the data, evaluation and report.",
    ]
    for task, measured in TASKS.items():
        own = {name: found for name, found in rows.items() if found["task"] == task}
        missing = sorted(f"`{name}`" for name in tasks if tasks[name] == task and name not in rows)
        lines += ["", f"### {measured.title}", "", measured.about]
        lines += _table(task, own)
        if own:
            lines += ["", f"Machine: {'; '.join(dict.fromkeys(machine(found) for found in own.values()))}."]
        if missing:
            lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return lines


def _table(task: str, rows: Mapping[str, dict[str, Any]]) -> list[str]:
    """The table of a task, and below it what was found beside the figures; nothing where no recipe is measured."""
    if not rows:
        return []
    there = {figure.name for found in rows.values() for figure, _ in reached(found)}
    figures = [figure for figure in TASKS[task].figures if figure.name in there]
    titles = ["measured", f"data, {TASKS[task].counted}", *(figure.name for figure in figures)]
    lines = [
        "",
        f"| {' | '.join(titles)} | lowest, highest | time | command |",
        f"| {' | '.join(['---'] * (len(titles) + 3))} |",
    ]
    beside = []
    for name, found in rows.items():
        own = {figure.name: spread(figure, of) for figure, of in reached(found)}
        first, of = reached(found)[0]
        cells = [
            name,
            f"{found['data']}, {found['examples'][TASKS[task].figures[0].part]:,}",
            *(own.get(figure.name, "") for figure in figures),
            f"{first.written(of['minimum'])}, {first.written(of['maximum'])}",
            duration(found),
            f"`{found['command']}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
        beside += [f"- {name}: {line}" for line in TASKS[task].told(found["beside"])]
    return [*lines, *(["", *beside] if beside else [])]


def readme_table(rows: Mapping[str, dict[str, Any]]) -> str:
    """The README's table of lecture sections."""
    lines = ["| lecture | command | measured | formulas |", "| --- | --- | --- | --- |"]
    for name, found in rows.items():
        items, formulas = LECTURES[name]
        quoted = ", ".join(f"`{word}`" for word in formulas.split(", "))
        figure, of = reached(found)[0]
        lines.append(f"| {items} | `{found['command']}` | {figure.name} {spread(figure, of)} | {quoted} |")
    return "\n".join(lines)


def spread(figure: Figure, of: Mapping[str, Any]) -> str:
    """A figure over its seeds."""
    mean, count = figure.written(of["mean"]), len(of["values"])
    return f"{mean}, n = 1" if count == 1 else f"{mean}, deviation {figure.apart(of['deviation'])}, n = {count}"


def duration(found: Mapping[str, Any]) -> str:
    """The time of one run."""
    seconds = found.get("seconds")
    return "not timed" if seconds is None else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
