"""The marks of a group, which are those of each of its members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from grader.classroom.arrivals.naming import safe
from grader.classroom.book.groups import Groups, alone, each, handed_in, is_one
from grader.classroom.book.marks import Marks
from grader.classroom.book.roster import Row


def shared(rows: Iterable[Marks], groups: Groups, on_roster: Mapping[str, Row]) -> list[Marks]:
    """The marks, with a group's given to each of its members."""
    by_key = {row.student.student: row for row in rows}
    found = []
    for student, group, name in each([row.student for row in by_key.values()], groups):
        row, told = by_key[student.student], on_roster.get(safe(name))
        called = dict(student=safe(name), name=told.called if told and told.name else name, ids={})
        notes = (f"of the group {group}", *student.notes)
        found.append(replace(row, student=replace(student, **called, notes=notes)) if name else row)
    return found


def unmet(rows: Sequence[Marks], groups: Groups) -> Iterable[str]:
    """Sentences on groups of which nothing arrived, and on members who handed in alone as well, or are in two."""
    people = [row.student for row in rows]
    whose = handed_in(people, groups)
    by_themselves = alone(people, whose)
    everybody: list[str] = []
    for group, names in groups.items():
        if group not in whose.values():
            yield f"grading.toml has a group {group}, and nothing arrived that is called so, or from one member alone"
        for name in names:
            if is_one(name, by_themselves):
                yield f"{name} is in the group {group} and handed in alone as well: what was handed in alone counts"
            if name.casefold() in everybody:
                yield f"{name} is in two groups of grading.toml: take one away"
            everybody.append(name.casefold())
