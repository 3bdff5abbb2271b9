"""YAML as recipes use it: the numbers and booleans of YAML 1.2, nothing twice, nothing hidden, nothing run.

PyYAML gives the events; the values are built here, one event after the other, so that neither depth nor aliases nor
tags can do harm. Departures from full YAML: no anchors and aliases, no tags, no merge keys, one document.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from chainrule.core.errors import RecipeError

MAX_BYTES = 1_000_000
MAX_NODES = 10_000
MAX_DEPTH = 64

_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_SPECIAL |= {word: value for value in (True, False) for word in (str(value).lower(), str(value), str(value).upper())}
_SPECIAL |= {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
_SPECIAL |= {word: float("nan") for word in (".nan", ".NaN", ".NAN")}


def scalar(text: str) -> Any:
    """Return the value of a plain scalar by the core schema of YAML 1.2.

    Example:
        >>> [scalar(word) for word in ("1e-3", "0x1F", "yes", "true", "~", "3.0", "1_000")]
        [0.001, 31, 'yes', True, None, 3.0, '1_000']

    Source:
        YAML 1.2.2, section 10.3.2.
    """
    if text in _SPECIAL:
        return _SPECIAL[text]
    if len(text) <= 64 and _INTEGER.match(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if len(text) <= 64 and _FLOAT.match(text):
        return float(text)
    return text


def parse_yaml(text: str, *, source: str = "the recipe") -> Any:
    """Read one YAML document into dictionaries, lists and scalars.

    Args:
        text: The document, at most 1 MB, 10,000 values, 64 levels.
        source: What errors call it.

    Raises:
        RecipeError: Not YAML, too large, a key that occurs twice, an alias, an anchor or a tag; with the line.

    Example:
        >>> parse_yaml("optim: {name: adam, lr: 1e-3}")
        {'optim': {'name': 'adam', 'lr': 0.001}}
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise RecipeError(f"{source} is too large", expected=f"at most {MAX_BYTES:,} bytes", got=f"{size:,} bytes")
    try:
        return _Builder(source).build(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise RecipeError(f"{source}{place} is not valid YAML: {problem}") from None
    except (UnicodeError, ValueError) as error:
        raise RecipeError(f"{source} is not valid YAML: {error}") from None


class _Builder:
    """Values from events, with a stack of its own instead of recursion."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.nodes = 0
        self.documents: list[Any] = []
        self.stack: list[tuple[Any, list[Any]]] = [(self.documents, [])]  # container, [pending key]

    def build(self, text: str) -> Any:
        for event in yaml.parse(text, Loader=_EVENTS):
            self._take(event)
        if len(self.documents) > 1:
            raise RecipeError(f"{self.source} holds several YAML documents", expected="one")
        return self.documents[0] if self.documents else None

    def _fail(self, event: Any, problem: str, **facts: Any) -> RecipeError:
        return RecipeError(f"{self.source}, line {event.start_mark.line + 1}: {problem}", **facts)

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._fail(event, "anchors and aliases (& and *) are not allowed", remedy="write the value out")
        if getattr(event, "tag", None):
            raise self._fail(event, f"the tag {event.tag[:60]!r} is not allowed", remedy="write a plain value")
        if isinstance(event, yaml.ScalarEvent):
            self._add(event, scalar(event.value) if event.implicit[0] else event.value)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(event, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(event, [])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.stack.pop()

    def _open(self, event: Any, container: Any) -> None:
        self._add(event, container)
        if len(self.stack) > MAX_DEPTH:
            raise self._fail(event, "the values are nested too deeply", expected=f"at most {MAX_DEPTH} levels")
        self.stack.append((container, []))

    def _add(self, event: Any, value: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._fail(event, "too many values", expected=f"at most {MAX_NODES:,}")
        container, pending = self.stack[-1]
        if isinstance(container, list):
            container.append(value)
        elif not pending:
            if not isinstance(value, str):
                value = event.value if isinstance(event, yaml.ScalarEvent) else self._refuse_key(event)
            if value in container:
                raise self._fail(event, f'the key "{value}" occurs twice', remedy="keep one of them")
            if value == "<<":
                raise self._fail(event, "merge keys (<<) are not allowed", remedy="write the keys out")
            pending.append(value)
        else:
            container[pending.pop()] = value

    def _refuse_key(self, event: Any) -> str:
        raise self._fail(event, "a key must be a word", got="a list or a mapping")


class _Dumper(yaml.SafeDumper):
    """Quotes every string that YAML 1.1 or 1.2 would read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if not isinstance(scalar(text), str) or not text.isprintable() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]


def format_yaml(data: Any) -> str:
    """Write plain data as YAML that `parse_yaml` reads back equal.

    Example:
        >>> print(format_yaml({"name": "on", "lr": 1e-05, "hidden": [64, 32], "note": "1e-3"}), end="")
        name: 'on'
        lr: 1.0e-05
        hidden: [64, 32]
        note: "1e-3"
    """
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
