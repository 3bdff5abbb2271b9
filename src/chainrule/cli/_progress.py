"""What a training shows while it runs: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from chainrule.cli._console import console


@contextmanager
def show_progress(*, quiet: bool = False, bar: bool = True, title: str = "") -> Iterator[Any]:
    """Yield an observer that shows rate, time left, loss and the last validation metrics."""
    if quiet:
        yield lambda seen: None
        return
    screen = console(stderr=True)
    if not bar or not screen.is_terminal:
        yield _Lines(screen, title)
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
    ]
    progress = Progress(*columns, console=screen)
    shown = _Bar(progress, progress.add_task(title, total=None, facts=""))
    with Live(get_renderable=lambda: Group(progress, *shown.layers), console=screen, refresh_per_second=5):
        yield shown


@contextmanager
def show_each(*, quiet: bool = False, bar: bool = True) -> Iterator[Callable[[str], list[Any]]]:
    """Yield what gives the observers of the run of a title; it ends the bar of the run before."""
    with ExitStack() as shown:

        def observers(title: str) -> list[Any]:
            shown.close()
            return [shown.enter_context(show_progress(quiet=quiet, bar=bar, title=title))]

        yield observers


class _Bar:
    def __init__(self, progress: Any, task: Any) -> None:
        self.progress, self.task = progress, task
        self.valid, self.begun, self.examples, self.shown = "", time.perf_counter(), 0, 0.0
        self.layers: list[str] = []  # what the layers did when they were last looked at

    def __call__(self, seen: Any) -> None:
        self.examples += seen.examples
        if seen.evaluated is not None:
            self.valid = _metrics(seen.evaluated)
        if seen.look is not None:
            self.layers = [layers_text(seen.look, seen.norm)]
        now = time.perf_counter()
        if now - self.shown < 0.2 and seen.evaluated is None:
            self.progress.update(self.task, total=seen.steps, completed=seen.step)
            return
        self.shown = now
        rate = self.examples / max(now - self.begun, 1e-9)
        facts = f"{rate:,.0f} images/s  loss {seen.report['loss']:.3f}  {self.valid}"
        self.progress.update(self.task, total=seen.steps, completed=seen.step, facts=facts)


class _Lines:
    """One line for each evaluation."""

    def __init__(self, screen: Any, title: str) -> None:
        self.screen, self.title, self.begun = screen, title, time.perf_counter()

    def __call__(self, seen: Any) -> None:
        if seen.evaluated is not None:
            seconds = time.perf_counter() - self.begun
            self.screen.print(
                f"{self.title} step {seen.step}/{seen.steps}  loss {seen.report['loss']:.4f}  "
                f"{_metrics(seen.evaluated)}  {seconds:.0f} s"
            )


def _metrics(values: Any) -> str:
    return "  ".join(f"valid {name} {value:.4f}" for name, value in sorted(values.items()))


def layers_text(look: Any, norm: float) -> str:
    """What the layers did in one step, in one line.

    Args:
        look: What was seen (`chainrule.analysis.layers.Look`).
        norm: Of the gradient before clipping.
    """
    moves = [(layer.update, layer.name) for layer in look.layers if layer.update is not None]
    silent = max(
        ((layer.silent, layer.name) for layer in look.layers if layer.silent and layer.silent > 0.05), default=None
    )
    said = [f"gradient norm {norm:.2g}" + (f", clipped to {look.clipped:.2g}" if look.clipped < 0.999 * norm else "")]
    if moves:
        (least, slow), (most, fast) = min(moves), max(moves)
        said.append(f"a step moves the weights by {least:.1e} ({slow}) to {most:.1e} ({fast})")
    if silent is not None:
        said.append(f"{100 * silent[0]:.0f} % of {silent[1]} silent")
    return "; ".join(said)
