"""Under which key each student stands in the gradebook: in every run the same, and no two under one.

Two that come out as the same student (`ada` and `ada.zip`) are both kept, apart, and told on both; each keeps its key
in later runs, whatever comes in beside it. One that comes in the place of another, as `ada.tar.gz` in the next week,
goes on with its key.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from grader.classroom.arrivals.files import shown
from grader.classroom.arrivals.handed import Handed
from grader.classroom.arrivals.naming import apart, safe


def keyed(handed: list[Handed], known: Mapping[str, list[str]]) -> Iterator[Handed]:
    """The same, none with the key of another, now or in an earlier run, whatever a system holds of small and large
    letters; who shares a name is told so.

    Who had a key keeps it. Who comes alone by a name goes on with what the name had before. Who shares it gets a key of
    the entry's own.
    """
    sharing: dict[str, list[str]] = {}
    for one in handed:
        sharing.setdefault(one.student.casefold(), []).append(one.origin)
    had = {origins[-1]: key for key, origins in known.items()}
    taken, before = set(), {key.casefold(): key for key in known}
    for one in sorted(handed, key=lambda one: one.origin not in had):
        origins = sharing[one.student.casefold()]
        alone = len(origins) == 1
        own = itertools.chain(
            [one.student] * alone,
            [safe(one.origin)],
            (apart(one.student, f"{one.origin}{count or ''}") for count in itertools.count()),
        )
        old = (
            [had[one.origin]]
            if one.origin in had
            else [before[one.student.casefold()]]
            if alone and one.student.casefold() in before
            else []
        )
        student = next(
            key
            for key in itertools.chain(old, (key for key in own if key.casefold() not in before))
            if key.casefold() not in taken
        )
        taken.add(student.casefold())
        told = (
            []
            if alone
            else [
                f"handed in more than once, as {_either(origins)}: each is graded on its own; take away those that do "
                f"not count"
            ]
        )
        earlier = [origin for origin in known.get(student, ()) if origin != one.origin]
        if earlier and not one.ids:  # a download's number tells who it is
            told.append(
                f"handed in as {_either(earlier)} before: the last answer to each problem counts; rename it if it is "
                f"another student's"
            )
        yield replace(one, student=student, notes=(*one.notes, *told))


def _either(origins: list[str]) -> str:
    return " and ".join(map(shown, origins[:4]))
