"""Which of a formula's arguments a function of the user's takes, by name where it says so, else by position."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.analysis.compare._formula import Formula
from chainrule.core.errors import UsageError

CACHE = "cache"
_CACHE_WORDS = {"cache", "ctx", "context", "saved", "tmp", "memory", "state", "stash", "caches", "store"}
_UPSTREAM_WORDS = {
    "dout",
    "upstream",
    "grad",
    "gradoutput",
    "gradout",
    "dy",
    "dz",
    "dl",
    "d",
    "delta",
    "dupstream",
    "dh",
}
_PACK_WORDS = {"param", "params", "config", "options", "opts", "hp", "hyper", "hparams", "cfg"}


@dataclass(frozen=True)
class Plan:
    """How one function is called.

    Args:
        slots: For each parameter that is given: its name, the argument (or pack, or the cache) that it receives, and
            whether it is given by position.
    """

    slots: tuple[tuple[str, str, bool], ...]

    @property
    def received(self) -> frozenset[str]:
        """Names of the arguments and packs that the function takes."""
        return frozenset(what for _, what, _ in self.slots)

    def call(self, offer: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the named arguments."""
        by_position = [offer[what] for _, what, position in self.slots if position]
        return by_position, {name: offer[what] for name, what, position in self.slots if not position}


def plain(word: str) -> str:
    """A name without case and underscores: `prev_h`, `prevH` and `Prev_h` are one."""
    return word.replace("_", "").lower()


def plan_forward(function: Callable[..., Any], formula: Formula) -> Plan:
    """Match a forward function with a formula.

    Raises:
        UsageError: It takes other arguments than the formula has.
    """
    words = {plain(word): a.name for a in formula.arguments for word in (*a.words, a.name)}
    packs = {plain(pack): pack for pack in formula.packs}
    if formula.packs:
        packs |= {word: next(iter(formula.packs)) for word in _PACK_WORDS}
    order = [a.name for a in formula.arguments if a.required]
    plan = _match(function, words | packs, [*order, *formula.packs], exact=[a.name for a in formula.arguments])
    held = {name for pack in formula.packs if pack in plan.received for name in formula.packs[pack].values()}
    options = bool(plan.received & formula.packs.keys())  # then plain numbers may come in the dictionary
    required = [a.name for a in formula.arguments if a.required and (a.array or not options)]
    missing = [name for name in required if name not in plan.received | held]
    if missing:
        raise UsageError(
            f"{_name(function)} does not take all that {formula.title} needs",
            expected=f"({formula.signature})",
            got=f"({', '.join(_names(function))}): no {', '.join(missing)}",
            remedy="give the parameters these names; `chainrule check --list` shows what is accepted",
        )
    return plan


def plan_backward(function: Callable[..., Any], formula: Formula, *, cached: bool) -> Plan:
    """Match a backward function: the upstream gradient, then the cache, or the arguments themselves.

    Raises:
        UsageError: It takes something else.
    """
    words = {plain(word): a.name for a in formula.arguments for word in (*a.words, a.name)}
    if cached and len(_names(function)) == len(formula.upstream) + 1:  # whatever its name is, it is what was kept
        words = {}
    words |= {plain(name): name for name in formula.upstream}
    first = next(iter(formula.upstream), None)
    if first is not None:
        words |= {word: first for word in _UPSTREAM_WORDS if word not in words}
    words |= {word: CACHE for word in _CACHE_WORDS if word not in words}
    order = [*formula.upstream, CACHE] if cached else [*formula.upstream, *(a.name for a in formula.arguments)]
    plan = _match(function, words, order, exact=[*formula.upstream, CACHE])
    if CACHE in plan.received and not cached:
        raise UsageError(
            f"{_name(function)} takes a cache, but your forward function returns none",
            expected="out, cache = forward(...)",
            remedy="return what backward needs beside the result",
        )
    return plan


def _match(function: Callable[..., Any], words: Mapping[str, str], order: Sequence[str], exact: Sequence[str]) -> Plan:
    parameters = _parameters(function)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for own in (set(exact), set(words.values())):  # exact names first: `w` is w even where W is another name of it
        for p in parameters:
            if p.name in found or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            what = p.name if p.name in own and p.name in exact else words.get(plain(p.name))
            if what is not None and what in own and what not in taken:
                found[p.name] = what
                taken.add(what)
    left = [what for what in order if what not in taken]
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            found |= {f"*{what}": what for what in left}
            left = []
        elif p.name not in found and p.default is p.empty and p.kind is not p.VAR_KEYWORD:
            if not left:
                raise UsageError(
                    f"{_name(function)} has a parameter {p.name} that nothing fits",
                    expected=f"({', '.join(order)})",
                    got=f"({', '.join(_names(function))})",
                    remedy="give it a default value, or a name that `chainrule check --list` shows",
                )
            found[p.name] = left.pop(0)
    slots = [(p.name, found[p.name], p.kind is p.POSITIONAL_ONLY) for p in parameters if p.name in found]
    spread = [(name, what, True) for name, what in found.items() if name.startswith("*")]
    if spread:
        slots = [(name, what, True) for name, what, _ in slots]
    return Plan(tuple(slots + spread))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise UsageError(
            f"the parameters of {_name(function)} cannot be read", remedy="wrap it in a function of your own"
        ) from None


def _names(function: Callable[..., Any]) -> list[str]:
    return [p.name for p in _parameters(function)]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
