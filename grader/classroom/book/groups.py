"""Groups: one submission, and one grade for each of several students. They stand in grading.toml, below [groups]."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from grader.classroom.arrivals.naming import safe
from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.marks import Marks, names_of
from grader.classroom.book.roster import Row

# its members' names, logins or numbers, by what the group's submission is called
Groups = Mapping[str, Sequence[str]]


def members(one, groups: Groups) -> Sequence[str]:
    """Who shares what this student or submission handed in; nobody where it is no group's."""
    called = names_of(one)
    return next((names for name, names in groups.items() if name.casefold() in called), ())


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
    """Who handed in, with the members of a group in its place. Who handed in alone as well is there by that alone."""
    people = list(people)
    alone = _alone(people, groups)
    found = []
    for one in people:
        shared = members(one, groups)
        found += [Submission(safe(name), name) for name in shared if not _is_one(name, alone)] if shared else [one]
    return found


def shared(rows: Iterable[Marks], groups: Groups, on_roster: Mapping[str, Row]) -> list[Marks]:
    """The marks, with a group's given to each of its members."""
    rows = list(rows)
    alone = _alone([row.student for row in rows], groups)
    found = []
    for row in rows:
        names = members(row.student, groups)
        for name in names:
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
                            notes=(f"of the group {row.student.student}", *row.student.notes),
                        ),
                    )
                )
        found += [] if names else [row]
    return found


def unmet(rows: Sequence[Marks], groups: Groups) -> Iterable[str]:
    """Sentences on groups of which nothing arrived, and on members who handed in alone as well, or are in two."""
    called = set().union(*(names_of(row.student) for row in rows))
    alone = _alone([row.student for row in rows], groups)
    everybody: list[str] = []
    for group, names in groups.items():
        if group.casefold() not in called:
            yield f"grading.toml has a group {group}, and nothing arrived that is called so"
        for name in names:
            if _is_one(name, alone):
                yield f"{name} is in the group {group} and handed in alone as well: what was handed in alone counts"
            if name.casefold() in everybody:
                yield f"{name} is in two groups of grading.toml: take one away"
            everybody.append(name.casefold())
