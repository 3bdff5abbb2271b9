"""What the loop costs over a bare PyTorch loop on `fashion-cnn`, and what checkpoints cost.

Run with CHAINRULE_DATA set: `python benchmarks/loop.py [STEPS] [TURNS] [--busy]`. The bare loop makes the same batches
with the same augmentation, trains the same network from the same weights with the same optimizer, and writes nothing.
All are taken in turn in one process; the figure is the ratio of medians. A checkpoint costs less than turns differ:
each one is timed by itself, from the call to the return, all files synced.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch
from measure import begin, in_turns, medians, write

from chainrule.core.folder import RunFolder
from chainrule.core.journal import Journal
from chainrule.runtime.rng import keys
from chainrule.tasks import Classification, open_recipe
from chainrule.tasks.runs._plan import plan_of
from chainrule.tasks.runs._save import save_run
from chainrule.tasks.runs._training_logs import TrainingLogs
from chainrule.training.loop import start, train_loop
from chainrule.training.observe import write_layers, write_metrics, write_timing
from chainrule.training.rules import stop_on_non_finite
from chainrule.training.task import TrainState, never


def main(steps: int, turns: int) -> None:
    """Measure and write."""
    settings = {"train.steps": steps, "train.evaluate_every": 10 * steps, "train.ema": None}
    recipe = open_recipe("fashion-cnn", {key: value for key, value in settings.items() if value is not None})
    job = Classification(recipe)
    task = job.task()
    train, order = task.examples["train"], task.orders["train"]

    def bare() -> float:
        state = start(task, 0)
        model, optimizer = state.model, state.optimizers["learn"]
        criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
        rates = [group.rate for group in task.phases[0].groups]
        plan = plan_of(job, never, stop_on_non_finite(), lambda state: None)
        model.train()
        begun = time.perf_counter()
        for step in range(steps):
            epoch, index = order(step)
            batch = train.fetch(index, keys(0, epoch, index, "example"))
            state.step = step
            for rate, group in zip(rates, optimizer.param_groups):
                group["lr"] = rate(state.at(plan))
            optimizer.zero_grad()
            loss = criterion(model(batch.inputs), batch.targets)
            loss.backward()
            optimizer.step()
            loss.item()
        return time.perf_counter() - begun

    saving: list[float] = []

    def ours(keep_every: int) -> float:
        def save(state: TrainState) -> None:
            begun = time.perf_counter()
            save_run(folder, state, logs, chosen, None)
            saving.append(time.perf_counter() - begun)

        with tempfile.TemporaryDirectory() as place:
            folder = RunFolder(Path(place))
            folder.checkpoints.mkdir()
            chosen = copy.copy(job)
            train = recipe.train.model_copy(update={"keep_every": keep_every})
            chosen.recipe = recipe.model_copy(update={"train": train})
            with TrainingLogs(folder) as logs, Journal(folder.timing) as timing:
                state = start(task, 0)
                plan = plan_of(chosen, never, stop_on_non_finite(), save)
                plan = dataclasses.replace(plan, evaluate=never)
                watchers = [
                    write_metrics(logs.metrics, every=1, steps=steps),
                    write_layers(logs.layers),
                    write_timing(timing),
                ]
                begun = time.perf_counter()
                train_loop(task, state, plan, observers=watchers)
                seconds = time.perf_counter() - begun
                save_run(folder, state, logs, chosen, None)
                return seconds

    contestants = {"bare loop": bare, "chainrule": lambda: ours(0), "chainrule, kept every 20": lambda: ours(20)}
    in_turns({name: contestants[name] for name in ("bare loop", "chainrule")}, 1)
    found = medians(in_turns(contestants, turns))
    write(
        "loop",
        {
            "what": f"median seconds of {turns} turns of {steps} steps of fashion-cnn, batch {recipe.train.batch}",
            "seconds": found,
            "loop over bare loop": round(found["chainrule"] / found["bare loop"], 4),
            "seconds of a checkpoint, median and longest": [round(statistics.median(saving), 4), round(max(saving), 4)],
            "checkpoints every 200 steps, share of the time": round(
                statistics.median(saving) * steps / (200 * found["chainrule"]), 4
            ),
        },
    )


if __name__ == "__main__":
    numbers = [int(word) for word in begin()]
    main(*(numbers or (400, 5)))
