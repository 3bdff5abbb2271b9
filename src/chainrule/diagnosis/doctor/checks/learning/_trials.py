"""The recorded steps taken again with another rate or option, and compared with what the whole training came to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch

from chainrule.analysis._replay import Action
from chainrule.diagnosis.doctor import _clock
from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._events import Backward, Moved, owned_by
from chainrule.diagnosis.doctor._rehearse import Pace, Rehearsal, State

SECONDS = 0.9
"""How long one run through the recorded batches may take; of slower trainings fewer batches are taken."""
LEAST_LEFT = 1.0
"""Seconds that must be left when the first run is asked for."""
MOST_PASSES = 3
"""Passes of a longer run: the same batches again and again say less and less of the training."""
FLAT_PASSES = 12
"""The same beside a training that came nowhere: a plateau takes its time, at the best of rates."""
FLAT = 0.05
"""Share of the first loss below which a whole training came nowhere."""
LONGEST = 8.0
"""Seconds that one experiment may take."""
FEWEST = 6
"""Batches below which a run says nothing."""
LONGER = 2.0
"""How many times longer the whole training must at least have been than a run that is compared with it."""
LONG = 4.0
"""How many times longer it must have been to be asked for `TIMES` only: a short training, whose rate was made for a
longer one, is right and behind."""
TIMES_OF_SHORT = 6.0
"""The same of shorter ones: a slip by a factor of a hundred or a thousand leaves them that far behind and further."""
VERY_LONG = 10.0
"""How many times longer it must have been for the loss that it has left to speak against it."""
TIMES = 2.0
"""How many times further down than the whole training a short run must come to say that something was wrong with it.
Right trainings come several times further in all their steps than in the first two dozen, at whatever rate."""
MUCH = 0.25
"""Share of the first loss that a training must have left, beyond what a short run leaves, for the same."""
LEAST_DROP = 0.04
"""Share of the first loss by which it must fall: less may be chance."""


@dataclass(frozen=True)
class Run:
    """A few steps.

    Args:
        drop: By how much the loss of the last third of the batches is below what they had with the weights of the
            start; minus infinity where it ended in nothing.
        end: The loss there, so that it can be compared between runs; infinite where it ended in nothing.
        steps: Backward passes gone through.
        losses: Of each pass.
        error: Standard error of the drop.
    """

    drop: float
    end: float
    steps: int
    losses: tuple[float, ...]
    error: float = 0.0


class Trials:
    """Runs through the recorded batches.

    Args:
        case: The training.
    """

    def __init__(self, case: Case) -> None:

        self._case = ref(case)
        self.rehearsal: Rehearsal = case.rehearsal
        self.moves: list[Moved] = _phase(case.moves)
        last = self.moves[-1].at if self.moves and self.moves[-1] is not case.moves[-1] else math.inf
        self.losses = [b.loss for b in case.seen.of(Backward) if b.at <= last]
        self.batches = [i for i, turn in enumerate(self.rehearsal.turns) if not turn.inside]
        self._runs: dict[tuple[Any, ...], Run] = {}
        self._final: State = case.final

    @cached_property
    def possible(self) -> bool:
        """Whether there is something to run, of one optimizer with the weights that are used."""
        kinds = {id(moved.optimizer) for moved in self.moves}
        owned = {id(p) for m in self.moves for p in owned_by(m.optimizer)}
        return (
            self._left > LEAST_LEFT
            and self.rehearsal.possible
            and len(self.batches) >= min(FEWEST, max(2, len(self.losses)))
            and len(kinds) <= 1
            and (not self.moves or bool(owned & self.rehearsal.used))
            and math.isfinite(self.start)
        )

    @cached_property
    def first(self) -> list[float]:
        """The loss of each recorded batch with the first weights."""
        return self._at(self.rehearsal.start())

    @cached_property
    def last(self) -> list[float]:
        """The same with the last weights."""
        return self._at(self._again())

    def _at(self, state: State) -> list[float]:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            found = []
            for batch in self.batches:
                buffers = {k: v.clone() if not v.requires_grad else v for k, v in state.items()}
                found.append(float(self.rehearsal.loss(batch, buffers).sum()))
            return found

    @cached_property
    def start(self) -> float:
        """The mean of the first losses."""
        return _mean(self.first)

    @cached_property
    def whole(self) -> float:
        """The mean loss in the last tenth of the whole training; infinite where it is not finite."""
        tail = max(1, min(3, len(self.losses) // 4), len(self.losses) // 10)
        return _mean(self.losses[-tail:]) if self.losses else math.inf

    @property
    def whole_drop(self) -> float:
        """By how much the loss fell in the whole training."""
        return self.start - self.whole

    @property
    def learned(self) -> bool:
        """Whether the loss fell by most of what it was: there is little to be found."""
        return self.start > 0 and self.whole < 0.15 * self.start

    @cached_property
    def adapts(self) -> bool:
        """Whether the optimizer divides by the size of the gradients, so that a factor of the loss changes nothing."""
        options = self.moves[0].optimizer.param_groups[0] if self.moves else {}
        kind = type(self.moves[0].optimizer).__name__ if self.moves else ""
        return "betas" in options or kind in ("RMSprop", "Adagrad", "Adadelta", "Rprop", "Adafactor")

    @cached_property
    def _each(self) -> float:
        """Seconds of a step."""
        self.rehearsal.train(1)  # the first one is slower
        begun = _clock.computed()
        self.rehearsal.train(2)
        return max((_clock.computed() - begun) / 2, 1e-5)

    @cached_property
    def pass_steps(self) -> int:
        """How many batches a run goes through once."""
        return max(min(len(self.batches), FEWEST), min(len(self.batches), int(SECONDS / self._each)))

    @cached_property
    def passes(self) -> int:
        """How often a longer run goes through them: as often as there is time, and well below the whole training."""
        fits = int(SECONDS / self._each / self.pass_steps)
        most = FLAT_PASSES if abs(self.whole_drop) < FLAT * abs(self.start) else MOST_PASSES
        return max(1, min(most, fits, int(len(self.losses) / LONGER / self.pass_steps)))

    @property
    def _left(self) -> float:
        case = self._case()
        return case.left if case is not None else 0.0

    def affordable(self, runs: int) -> bool:
        """Whether so many runs through the batches fit into the time of one experiment."""
        return self._each * self.pass_steps * runs < min(LONGEST, self._left / 2)

    def passes_in(self, seconds: float, steps: int) -> int:
        """How often to go through the batches for so many steps, within so many seconds."""
        return max(1, min(steps, int(seconds / self._each)) // self.pass_steps)

    @cached_property
    def base(self) -> Run:
        """The recorded steps as they were, with gradients cleared as they should be."""
        return self.run()

    @cached_property
    def seen_end(self) -> float:
        """The loss that was seen where a run through the recorded batches ends."""
        seen = [self.rehearsal.batches[i].loss for i in self.batches[: self.pass_steps]]
        return self._summed(seen, self.first, 1).end

    @cached_property
    def faithful(self) -> bool:
        """Whether the rehearsal goes as the training went: what is wrong, if anything, is in what is rehearsed."""
        seen, again = self.seen_end, self.base.end
        if not math.isfinite(seen) or not math.isfinite(again):
            return math.isfinite(seen) == math.isfinite(again)
        if min(seen, again) > self.start + 0.05 * abs(self.start):
            return True  # both go the wrong way, and where to is chance
        room = max(abs(self.start - seen), abs(self.start - again), 0.05 * abs(self.start))
        return abs(seen - again) <= 0.35 * room + 3 * self.base.error

    def run(
        self,
        *,
        scale: float = 1.0,
        steady: bool = False,
        clip: bool = True,
        options: Mapping[str, Any] | None = None,
        actions: Mapping[int, Mapping[int, Action]] | None = None,
        onward: bool = False,
        passes: int = 1,
    ) -> Run:
        """Go through the batches.

        Args:
            scale: Of the rates.
            steady: The highest rate all the time.
            clip: Whether gradients are clipped as they were.
            options: Laid over the optimizer's.
            actions: What runs in place of operations.
            onward: From the last weights on instead of the first.
            passes: How often all batches are gone through.
        """
        key = (scale, steady, clip, repr(options), None if actions is None else id(actions), onward, passes)
        if key not in self._runs:
            pace = Pace(scale, steady, clip, options or {})
            state = self._again() if onward else self.rehearsal.start()
            count = self.pass_steps * passes
            losses = self.rehearsal.train(count, pace=pace, state=state, actions=actions, batches=self._chosen(count))
            start = self.last if onward else self.first
            self._runs[key] = self._summed(losses, start, passes) if len(losses) == count else _broken(losses)
        return self._runs[key]

    def pace(self, scale: float) -> Pace:
        """The highest rate of the training, times a factor."""
        return Pace(scale, steady=True)

    def _chosen(self, count: int) -> list[int] | None:
        """All batches with their own steps where gradients are added up, else as many as there is time for."""
        adds = any(not turn.last for turn in self.rehearsal.turns)
        return None if adds else self.batches[: self.pass_steps]

    def _again(self) -> State:
        return self.rehearsal.fresh(self._final)

    def _summed(self, losses: Sequence[float], start: Sequence[float], passes: int) -> Run:
        tail = max(2, self.pass_steps // 3)
        places = [place % self.pass_steps for place in range(len(losses))][-tail:]
        falls = [start[place] - loss for place, loss in zip(places, losses[-tail:])]
        if not falls or not all(map(math.isfinite, falls)):
            return _broken(losses)
        drop = sum(falls) / len(falls)
        spread = math.sqrt(sum((f - drop) * (f - drop) for f in falls) / max(1, len(falls) - 1))
        return Run(drop, _mean(start) - drop, len(losses), tuple(losses), spread / math.sqrt(len(falls)))

    def beats_all(self, run: Run) -> bool:
        """Whether a short run came much further than the whole training, which was much longer."""
        if len(self.losses) < LONGER * run.steps or run.drop < max(LEAST_DROP * abs(self.start), 3 * run.error):
            return False
        length = len(self.losses) / run.steps
        rest = self.whole - run.end  # what the whole training has left, and the run has not
        return run.drop >= (TIMES if length >= LONG else TIMES_OF_SHORT) * max(self.whole_drop, 0.0) or (
            length >= VERY_LONG and rest >= MUCH * abs(self.start) and 0 <= run.end <= self.whole / TIMES
        )

    def words(self, end: float, steps: int | None = None) -> str:
        """A loss at the end of a run, in words."""
        if not math.isfinite(end):
            return f"loss {self.start:.3g} -> not finite"
        return f"loss {self.start:.3g} -> {end:.3g} in {steps or self.pass_steps} steps"


def _broken(losses: Sequence[float]) -> Run:
    return Run(-math.inf, math.inf, len(losses), tuple(losses))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values and all(map(math.isfinite, values)) else math.inf


def _phase(moves: list[Moved]) -> list[Moved]:
    """The steps up to where another optimizer, over other weights, takes over for good."""
    if not moves:
        return []
    members = {id(m.optimizer): frozenset(id(p) for g in m.optimizer.param_groups for p in g["params"]) for m in moves}
    first = members[id(moves[0].optimizer)]
    last = max(place for place, moved in enumerate(moves) if members[id(moved.optimizer)] == first)
    phase = moves[: last + 1]
    if all(members[id(moved.optimizer)] == first for moved in phase):  # the same weights, an optimizer made anew
        return [replace(moved, optimizer=phase[0].optimizer) for moved in phase]
    return phase


_KNOWN: WeakKeyDictionary[Case, Trials] = WeakKeyDictionary()


def trials(case: Case) -> Trials:
    """The runs on a training; what was run once is not run again."""
    if case not in _KNOWN:
        _KNOWN[case] = Trials(case)
    return _KNOWN[case]
