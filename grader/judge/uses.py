"""Which names a name is made of, as the file says: what is wrong of one may be wrong of another only through it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import replace

from grader.course.verdict import EntryVerdict, Status

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def with_uses(entries: Iterable[EntryVerdict], source: str) -> tuple[EntryVerdict, ...]:
    """The verdicts, where one of which nothing is known uses another that is wrong too, with the name of that."""
    entries = tuple(entries)
    failing = [entry.name for entry in entries if entry.status == Status.FAILED]
    if len(failing) < 2:
        return entries
    read = _read(source)
    used = {name: _reached(read, name) for name in failing}

    def below(name: str) -> str:
        return next((other for other in failing if other in used[name] and name not in used[other]), "")

    return tuple(
        replace(entry, uses=below(entry.name)) if entry.name in failing and not _is_known(entry) else entry
        for entry in entries
    )


def _is_known(entry: EntryVerdict) -> bool:
    return bool(entry.mistake or entry.partly)


def _read(source: str) -> Mapping[str, set[str]]:
    """For each name that the file defines at its top, the names that stand in its definitions."""
    try:
        body = ast.parse(source).body
    except UNREADABLE:
        return {}
    read: dict[str, set[str]] = {}
    for node in body:
        inside = [*ast.walk(node)]
        names = [inner for inner in inside if isinstance(inner, ast.Name)]
        loaded = {inner.id for inner in names if isinstance(inner.ctx, ast.Load)}
        stored = {inner.id for inner in names if isinstance(inner.ctx, ast.Store)}
        if isinstance(node, DEFINITION):
            defined = {node.name}
            loaded -= stored | _own(inside[1:])  # what is called so within is another thing
        else:
            defined = stored
        for name in defined:
            read.setdefault(name, set()).update(loaded)
    return read


def _own(inside: Iterable[ast.AST]) -> set[str]:
    """What a definition calls its own: arguments, functions and classes within, and what it imports."""
    bound = (inner for inner in inside if isinstance(inner, (ast.arg, ast.alias, *DEFINITION)))
    return {getattr(inner, "arg", None) or getattr(inner, "asname", None) or inner.name for inner in bound}


def _reached(read: Mapping[str, set[str]], name: str) -> set[str]:
    """What is used by a name, and by what that uses, and so on."""
    reached, left = set(), [name]
    while left:
        for other in read.get(left.pop(), set()) - reached:
            reached.add(other)
            left.append(other)
    return reached
