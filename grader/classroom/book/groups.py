"""Groups: one submission, and one grade for each of several students. They stand in grading.toml, below [groups].

The submission is called as the group is; where nothing is, it is that of the one member who handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from grader.classroom.arrivals.naming import safe
from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.names import names_of

if TYPE_CHECKING:
    from grader.classroom.book.marks import Marks
    from grader.classroom.book.roster import Row

# its members' names, logins or numbers, by what the group's submission, or the group, is called
Groups = Mapping[str, Sequence[str]]


def members(one, groups: Groups) -> Sequence[str]:
    """Who shares what this student or submission handed in; nobody where it is no group's."""
    called = names_of(one)
    return next((names for name, names in groups.items() if name.casefold() in called), ())


def standing(people: Iterable[Student | Submission], groups: Groups) -> dict[str, str]:
    """Who handed in for a group that nothing is called as: the group by the key of its only member who is there."""
    people = list(people)
    called = {one.student: names_of(one) for one in people}
    found = {}
    for group, names in groups.items():
        if not any(group.casefold() in mine for mine in called.values()):
            there = [key for key, mine in called.items() if any(_is_one(name, mine) for name in names)]
            found |= {there[0]: group} if len(there) == 1 else {}
    return found


def of(one: Student, people: Iterable[Student], groups: Groups) -> str:
    """The group whose work this student's is; nothing where it is nobody else's."""
    called = names_of(one)
    named = next((group for group in groups if group.casefold() in called), "")
    return named or standing(people, groups).get(one.student, "")


def _others(one: Student | Submission, group: str, groups: Groups) -> list[str]:
    """Whom somebody handed in for."""
    called = names_of(one)
    return [name for name in groups[group] if not _is_one(name, called)] if group else []


def group_of(called: Collection[str], groups: Groups) -> str:
    """The group of somebody who is `called` so, in small letters; nothing where there is none."""
    return next(
        (group for group, names in groups.items() for name in names if _is_one(name, called)),
        "",
    )


def _alone(people: Iterable[Student | Submission], groups: Groups) -> set[str]:
    """What those may be called who are there by themselves, and not as a group."""
    return set().union(*(names_of(one) for one in people if not members(one, groups)))


def _is_one(name: str, called: Collection[str]) -> bool:
    return bool({name.casefold(), safe(name).casefold()} & {*called})


def spread(people: Iterable[Submission], groups: Groups) -> list[Submission]:
    """Who handed in, with the members of a group in its place, or beside the one who handed in for them. Who handed in
    alone as well is there by that alone."""
    people = list(people)
    alone, for_all = _alone(people, groups), standing(people, groups)
    found = []
    for one in people:
        shared = members(one, groups)
        found += [] if shared else [one]
        shared = shared or _others(one, for_all.get(one.student, ""), groups)
        found += [Submission(safe(name), name) for name in shared if not _is_one(name, alone)]
    return found


def shared(rows: Iterable[Marks], groups: Groups, on_roster: Mapping[str, Row]) -> list[Marks]:
    """The marks, with a group's given to each of its members."""
    rows = list(rows)
    people = [row.student for row in rows]
    alone, for_all = _alone(people, groups), standing(people, groups)
    found = []
    for row in rows:
        group = for_all.get(row.student.student, "")
        names = members(row.student, groups)
        found += [] if names else [row]
        for name in names or _others(row.student, group, groups):
            if not _is_one(name, alone):
                told = on_roster.get(safe(name))
                found.append(
                    replace(
                        row,
                        student=replace(
                            row.student,
                            student=safe(name),
                            name=told.called if told and told.name else name,
                            ids={},
                            notes=(f"of the group {group or row.student.student}", *row.student.notes),
                        ),
                    )
                )
    return found


def unmet(rows: Sequence[Marks], groups: Groups) -> Iterable[str]:
    """Sentences on groups of which nothing arrived, and on members who handed in alone as well, or are in two."""
    people = [row.student for row in rows]
    called = set().union(*map(names_of, people))
    alone, for_all = _alone(people, groups), standing(people, groups)
    stands = {*for_all.values()}
    everybody: list[str] = []
    for group, names in groups.items():
        if group.casefold() not in called and group not in stands:
            yield f"grading.toml has a group {group}, and nothing arrived that is called so, or from one member alone"
        for name in names:
            if _is_one(name, alone) and group not in stands:
                yield f"{name} is in the group {group} and handed in alone as well: what was handed in alone counts"
            if name.casefold() in everybody:
                yield f"{name} is in two groups of grading.toml: take one away"
            everybody.append(name.casefold())
