"""Values as trees: arrays, keys and static things in nested containers, taken apart and put together by one pair of
functions, on both sides of the wire.

A structure is plain data: a word for what is no container ("array", "key", "None", "Python int"), or a container with
its parts:

    ["tuple", [part, ...]]                  ["named tuple", [type's name, [[field, part], ...]]]
    ["list", [part, ...]]                   ["dataclass", [type's name, [[field, part], ...]]]
    ["dict", [[name, part], ...]]           ["static", value]: what is no array, of arguments only

Each array has a path: `state[0].mean` is the field `mean` of the first part of `state`.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

WITH_FIELDS = ("named tuple", "dataclass")


def take_apart(
    value: Any, leaf: Callable[[Any, str], Any], path: str = "", name_of: Callable = str, whole: tuple[type, ...] = ()
) -> Any:
    """The structure of a value. `leaf(item, path)` says what an item is that is no container or of a type that stays
    `whole`, and keeps its array; `name_of` makes a text of a dict's key or a type's name."""

    def part(item, at):
        return take_apart(item, leaf, at, name_of, whole)

    if isinstance(value, whole):
        return leaf(value, path)
    if isinstance(value, (tuple, list)) and not hasattr(type(value), "_fields"):
        return [
            "tuple" if isinstance(value, tuple) else "list",
            [part(item, f"{path}[{i}]") for i, item in enumerate(value)],
        ]
    if isinstance(value, Mapping):
        return [
            "dict",
            [
                [name, part(item, within(path, name))]
                for name, item in ((name_of(key), item) for key, item in value.items())
            ],
        ]
    fields = _fields(value)
    if fields is None:
        return leaf(value, path)
    kind = "named tuple" if isinstance(value, tuple) else "dataclass"
    return [
        kind,
        [name_of(type(value).__name__), [[name, part(getattr(value, name), within(path, name))] for name in fields]],
    ]


def put_together(
    structure: Any,
    leaf: Callable[[str, str], Any],
    path: str = "",
    static: Callable[[Any], Any] = lambda value: value,
    dataclass: Callable[[str, tuple[str, ...], tuple[str, ...]], Callable] | None = None,
) -> Any:
    """The value that `take_apart` took apart. `leaf(kind, path)` gives an array or a key, `static(value)` what stands
    for a static value, and `dataclass` a class by its name, its fields and those of them that are static."""

    def part(inner, at):
        return put_together(inner, leaf, at, static, dataclass)

    if isinstance(structure, str):
        return None if structure == "None" else leaf(structure, path)
    kind, parts = structure
    if kind == "static":
        return static(parts)
    if kind in ("tuple", "list"):
        values = [part(inner, f"{path}[{i}]") for i, inner in enumerate(parts)]
        return tuple(values) if kind == "tuple" else values
    if kind == "dict":
        return {name: part(inner, within(path, name)) for name, inner in parts}
    name, fields = parts
    names = tuple(field for field, _ in fields)
    make = (
        named_tuple
        if kind == "named tuple"
        else functools.partial(dataclass, static=tuple(field for field, inner in fields if inner[0] == "static"))
    )
    return make(name, names)(*(part(inner, within(path, field)) for field, inner in fields))


@functools.cache
def named_tuple(name: str, fields: tuple[str, ...]) -> type:
    """The same type for the same name and fields, as JAX needs it."""
    return collections.namedtuple(name, fields)


def within(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def parts_of(structure: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each part that is no container, with its path, in order."""
    if isinstance(structure, str) or structure[0] not in ("tuple", "list", "dict", *WITH_FIELDS):
        yield path, structure
        return
    kind, parts = structure
    if kind in ("tuple", "list"):
        for i, part in enumerate(parts):
            yield from parts_of(part, f"{path}[{i}]")
    else:
        for name, part in parts[1] if kind in WITH_FIELDS else parts:
            yield from parts_of(part, within(path, name))


def same(expected: Any, came: Any, path: str = "", came_path: str = "") -> dict[str, str] | None:
    """Where each array of the expected structure stands in one that is the same to a person, or None where they differ.

    The names of a dict have no order; a tuple with named fields is a tuple.
    """
    if isinstance(expected, str) or isinstance(came, str):
        return ({path: came_path} if expected in ("array", "key") else {}) if expected == came else None
    kind, parts = expected
    theirs, inner = came
    if kind in ("tuple", "list"):
        named = kind == "tuple" and theirs == "named tuple"
        if named:
            paths, inner = [within(came_path, field) for field, _ in inner[1]], [part for _, part in inner[1]]
        elif theirs == kind:
            paths = [f"{came_path}[{i}]" for i in range(len(inner))]
        if not (named or theirs == kind) or len(parts) != len(inner):
            return None
        return _joined(
            same(part, other, f"{path}[{i}]", at) for i, (part, other, at) in enumerate(zip(parts, inner, paths))
        )
    if theirs != kind:
        return None
    if kind in WITH_FIELDS:
        if parts[0] != inner[0] or [name for name, _ in parts[1]] != [name for name, _ in inner[1]]:
            return None
        parts, inner = parts[1], inner[1]
    elif kind != "dict":
        alike = _plain(parts) == _plain(inner)
        return (
            ({part[0]: part[0] for part in parts if len(part) == 5} if kind == "variables" else {}) if alike else None
        )
    mine = dict(inner)
    if len(mine) != len(inner) or {*mine} != {name for name, _ in parts}:
        return None
    return _joined(same(part, mine[name], within(path, name), within(came_path, name)) for name, part in parts)


def first_difference(expected: Any, came: Any, path: str = "") -> tuple[str, Any, Any]:
    """Where two structures that are not the same differ first, and what stands there in each: as deep as their
    containers are alike."""
    if (
        not isinstance(expected, str)
        and not isinstance(came, str)
        and expected[0] == came[0]
        and expected[0] in ("tuple", "list", "dict", *WITH_FIELDS)
    ):
        parts, inner = ({name: part for name, part in told} for told in (_named(expected), _named(came)))
        if {*parts} == {*inner} and (expected[0] not in WITH_FIELDS or expected[1][0] == came[1][0]):
            for name, part in parts.items():
                if same(part, inner[name]) is None:
                    return first_difference(
                        part, inner[name], f"{path}{name}" if name.startswith("[") else within(path, name)
                    )
    return path, expected, came


def _named(structure) -> list:
    """The parts of a container, each under what it is called."""
    kind, parts = structure
    return (
        [[f"[{i}]", part] for i, part in enumerate(parts)]
        if kind in ("tuple", "list")
        else parts[1]
        if kind in WITH_FIELDS
        else parts
    )


def _joined(found) -> dict[str, str] | None:
    joined: dict[str, str] = {}
    for one in found:
        if one is None:
            return None
        joined |= one
    return joined


def _plain(structure):
    """Lists and tuples of a structure look alike once they have crossed the wire."""
    return [_plain(part) for part in structure] if isinstance(structure, (list, tuple)) else structure


def _fields(value) -> list[str] | None:
    """The fields of a named tuple or a dataclass, and None of anything else."""
    if isinstance(value, type):
        return None
    if isinstance(value, tuple):
        return [*type(value)._fields]
    return [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else None
