"""Groups: one submission, and one grade for each of several students. They stand in grading.toml, below [groups].

The submission is called as the group is; where nothing is, it is that of the one member who handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from grader.classroom.arrivals.naming import safe
from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.called import names_of

# its members' names, logins or numbers, by what the group, or its submission, is called
Groups = Mapping[str, Sequence[str]]


def handed_in(people: Iterable[Student | Submission], groups: Groups) -> dict[str, str]:
    """Whose work is a group's: the group, by the key of who handed in."""
    called = {one.student: names_of(one) for one in people}
    found = {}
    for group, names in groups.items():
        there = [key for key, mine in called.items() if group.casefold() in mine]
        if not there:
            there = [key for key, mine in called.items() if any(is_one(name, mine) for name in names)]
            there = there if len(there) == 1 else []
        found |= dict.fromkeys(there, group)
    return found


def group_of(called: Collection[str], groups: Groups) -> str:
    """The group of somebody who is `called` so, in small letters; nothing where there is none."""
    return next(
        (group for group, names in groups.items() for name in names if is_one(name, called)),
        "",
    )


def alone(people: Iterable[Student | Submission], whose: Mapping[str, str]) -> set[str]:
    """What those may be called who are there by themselves, and not for a group."""
    return set().union(*(names_of(one) for one in people if one.student not in whose))


def is_one(name: str, called: Collection[str]) -> bool:
    return bool({name.casefold(), safe(name).casefold()} & {*called})


def each(people: Iterable[Student | Submission], groups: Groups) -> Iterator[tuple[Student | Submission, str, str]]:
    """Everybody who has a grade: who handed it in, for which group, and the name of the member in whose place that is.
    Without a name it is who handed in: for himself, or for a group that nothing is called as. Who handed in alone as
    well is there by that alone."""
    people = list(people)
    whose = handed_in(people, groups)
    by_themselves = alone(people, whose)
    for one in people:
        group, called = whose.get(one.student, ""), names_of(one)
        himself = called if group.casefold() not in called else set()
        if himself:
            yield one, group, ""
        for name in groups.get(group, ()):
            if not is_one(name, himself | by_themselves):
                yield one, group, name


def spread(people: Iterable[Submission], groups: Groups) -> list[Submission]:
    """Who handed in, with the members of a group in its place, or beside the one who handed in for them."""
    return [Submission(safe(name), name) if name else one for one, _, name in each(people, groups)]
