"""A table of parts by name, resolved only when one is asked for.

A table is plain data, so listing names imports nothing heavy: `name -> Entry("file:function", card)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from chainrule.core.errors import UsageError, unknown


@dataclass(frozen=True)
class Entry:
    """Where a part lives, and what is known about it.

    Args:
        target: `module:function`, where module is a full dotted name.
        about: One line for lists.
        card: Facts (paper, input size, normalization, parameters, weights, license ...).
    """

    target: str
    about: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)


class Registry:
    """Parts of one kind by name.

    Args:
        kind: The word for one of them, as errors name it.
        entries: `(name, Entry)` pairs, so that a name written twice is seen.
        group: The entry-point group through which installed packages add their own (`chainrule.models`, ...).
        prefixes: `(prefix, Entry)` pairs, such as "timm:", for names of another table that is not known before it is
            asked for. The entry's function takes the rest of the name and returns the part.

    Raises:
        UsageError: A name occurs twice.

    Example:
        >>> table = Registry("function", [("square", Entry("math:sqrt"))])
        >>> table.names()
        ['square']
        >>> table.resolve("square")(9.0)
        3.0
        >>> table = Registry("operation", [], prefixes=[("get:", Entry("operator:attrgetter"))])
        >>> "get:real" in table, table.resolve("get:real")(2 + 3j)
        (True, 2.0)
    """

    def __init__(
        self,
        kind: str,
        entries: list[tuple[str, Entry]],
        group: str | None = None,
        *,
        prefixes: Iterable[tuple[str, Entry]] = (),
    ) -> None:
        self.kind, self.group = kind, group
        self.prefixes: dict[str, Entry] = dict(prefixes)
        self._entries: dict[str, Entry] = {}
        self._loaded_group = group is None
        for name, entry in entries:
            self.add(name, entry)

    def add(self, name: str, entry: Entry) -> None:
        """Add one part; a name that is taken is an error, never a silent replacement."""
        if name in self._entries:
            raise UsageError(
                f'the {self.kind} "{name}" is registered twice',
                got=f"{self._entries[name].target} and {entry.target}",
                remedy="give one of them another name",
            )
        self._entries[name] = entry

    def _all(self) -> dict[str, Entry]:
        if not self._loaded_group:
            self._loaded_group = True
            for point in entry_points(group=self.group or ""):
                self.add(point.name, Entry(point.value, about=f"from {point.dist.name if point.dist else point.value}"))
        return self._entries

    def names(self) -> list[str]:
        """The names that can be listed, sorted."""
        return sorted(self._all())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._all() or self._prefix(name) is not None

    def _prefix(self, name: object) -> str | None:
        """The prefix that a name begins with, if something follows it."""
        found = [prefix for prefix in self.prefixes if isinstance(name, str) and name.startswith(prefix)]
        return found[0] if found and name != found[0] else None

    def entry(self, name: str) -> Entry:
        """The entry of one name, or of the prefix that it begins with.

        Raises:
            UsageError: There is none; the nearest name is suggested.
        """
        entries = self._all()
        if name in entries:
            return entries[name]
        prefix = self._prefix(name)
        if prefix is None:
            known = [*entries, *(f"{prefix}NAME" for prefix in self.prefixes)]
            raise UsageError(f'there is no {self.kind} "{name}"', remedy=unknown(self.kind, name, known))
        return self.prefixes[prefix]

    def resolve(self, name: str) -> Callable[..., Any]:
        """Import and return the function behind a name."""
        module, _, attribute = self.entry(name).target.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        prefix = None if name in self._all() else self._prefix(name)
        return function if prefix is None else function(name.removeprefix(prefix))


class Registries:
    """Several tables asked as one, where a recipe may name a part of any of them.

    Args:
        kind: The word for a part, as errors name it.
        tables: The tables; of one name the first that has it.

    Example:
        >>> roots = Registry("function", [("root", Entry("math:sqrt"))])
        >>> both = Registries("function", roots, Registry("function", [("power", Entry("math:pow"))]))
        >>> both.names(), both.resolve("power")(2, 3)
        (['power', 'root'], 8.0)
    """

    def __init__(self, kind: str, *tables: Registry) -> None:
        self.kind, self.tables = kind, tables

    def names(self) -> list[str]:
        """The names that can be listed, sorted."""
        return sorted({name for table in self.tables for name in table.names()})

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return any(name in table for table in self.tables)

    def entry(self, name: str) -> Entry:
        """The entry of one name.

        Raises:
            UsageError: There is none; the nearest name is suggested.
        """
        return self._table(name).entry(name)

    def resolve(self, name: str) -> Callable[..., Any]:
        """Import and return the function behind a name."""
        return self._table(name).resolve(name)

    def _table(self, name: str) -> Registry:
        for table in self.tables:
            if name in table:
                return table
        raise UsageError(f'there is no {self.kind} "{name}"', remedy=unknown(self.kind, name, self.names()))
