"""Whether a program reads what it writes: an attribute of a thing, or what a dictionary has under a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.diagnosis.doctor._case import Case
from chainrule.diagnosis.doctor._source import Source
from chainrule.diagnosis.doctor.checks._program import calls, functions, name_of, spelled

GETTERS = frozenset({"getattr", "hasattr"})
"""What reads an attribute whose name it is given."""
TAKERS = frozenset({"get", "pop", "setdefault"})
"""What reads an entry whose name it is given."""
ENTRIES = frozenset({"group", "defaults"})
"""Kinds of things whose names stand in brackets."""
OWN = frozenset({"trainable", "freeze", "frozen", "learnable", "require_grad", "required_grad", "requiresgrad",
                 "requires_gradient"})  # fmt: skip
"""Names that hardly anything else has: whoever reads one of them means it."""


def written_at(tree: ast.AST, name: str, *, subscript: bool) -> Iterator[tuple[ast.Assign, ast.expr]]:
    """The assignments to an attribute of this name, or in brackets, each with what it assigns to.

    Example:
        >>> tree = ast.parse("a.lr = 1; b['lr'] = 2")
        >>> [spelled(target) for _, target in written_at(tree, "lr", subscript=True)]
        ["b['lr']"]
    """
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.Assign)):
        for target in node.targets:
            if _key(target, subscript=subscript) == name:
                yield node, target


def reads(case: Case, kind: str, name: str) -> bool:
    """Whether the program, or a file of its folder that it imports, reads what it has written there.

    What is read of something else under the same name is not meant (`args.lr`, where `optimizer.lr` was written): the
    thing must be called the same, go through a loop, or be given to the function that reads. A module's own
    attribute is not that of the parameters inside of it.
    """
    trees = list(_trees(case))
    owners = {"defaults"} if kind == "defaults" else {
        _last(target.value) for tree in trees for _, target in written_at(tree, name, subscript=kind in ENTRIES)
        if isinstance(target, (ast.Attribute, ast.Subscript))
    }  # fmt: skip
    return any(
        name in OWN or _meant(tree, owner, kind, owners)
        for tree in trees
        for owner in _read_of(tree, name, subscript=kind in ENTRIES)
    )


def _read_of(tree: ast.AST, name: str, *, subscript: bool) -> Iterator[ast.expr]:
    """The things of which something of this name is read."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Load):
            if _key(node, subscript=subscript) == name:
                yield node.value
        elif isinstance(node, ast.Call) and name_of(node) in (TAKERS if subscript else GETTERS):
            named = any(isinstance(a, ast.Constant) and a.value == name for a in node.args)
            if named and subscript and isinstance(node.func, ast.Attribute):
                yield node.func.value
            elif named and not subscript:
                yield node.args[0]


def _meant(tree: ast.AST, owner: ast.expr, kind: str, owners: set[str]) -> bool:
    """Whether the thing that is read may be the one that was written."""
    if _last(owner) in owners:
        return True
    if not isinstance(owner, ast.Name) or kind == "defaults":
        return kind == "group" and "param_groups" in spelled(owner)
    if any(kind != "module" or "param" not in over for over in _gone_through(tree, owner)):
        return True
    for function in functions(tree).values():
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
        if owner.id not in names or not function.lineno <= owner.lineno <= (function.end_lineno or function.lineno):
            continue
        if kind == "module" and owner.id == "self":
            return True
        for call in calls(tree, frozenset({function.name})):
            if any(_last(given) in owners for given in (*call.args, *(k.value for k in call.keywords))):
                return True
    return False


def _gone_through(tree: ast.AST, owner: ast.Name) -> Iterator[str]:
    """What a name comes from, where a loop, a comprehension or a lambda binds it around the reading."""
    name = owner.id
    for each in ast.walk(tree):
        if not any(inner is owner for inner in ast.walk(each)):
            continue
        if isinstance(each, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            yield from (spelled(g.iter) for g in each.generators if name in _names(g.target))
        elif isinstance(each, ast.For) and name in _names(each.target):
            yield spelled(each.iter)
        elif isinstance(each, ast.Call) and any(
            isinstance(a, ast.Lambda) and name in {b.arg for b in a.args.args} for a in each.args
        ):
            yield " ".join(spelled(a) for a in each.args if not isinstance(a, ast.Lambda))


def _names(target: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _key(node: ast.AST, *, subscript: bool) -> str:
    """The name of the attribute, or in the brackets."""
    if subscript:
        place = node.slice if isinstance(node, ast.Subscript) else None
        return place.value if isinstance(place, ast.Constant) and isinstance(place.value, str) else ""
    return node.attr if isinstance(node, ast.Attribute) else ""


def _last(thing: ast.expr) -> str:
    """The last name of a thing: of `self.optimizer` it is `optimizer`."""
    return spelled(thing).rpartition(".")[2]


def _trees(case: Case) -> Iterator[ast.AST]:
    """The program, and what it imports from its own folder."""
    yield case.source.tree
    if case.source.path is None:
        return
    for node in ast.walk(case.source.tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            file = case.source.path.parent / (name.replace(".", "/") + ".py")
            if file.is_file():
                yield Source.read(file).tree
