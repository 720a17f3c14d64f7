"""Who is meant where an instructor names somebody: by the key in grades.csv, a login, a number or the name, of those
who handed in, of groups and of the roster."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

from grader.classroom.arrivals.files import shown
from grader.classroom.arrivals.naming import apart, safe
from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.called import names_of
from grader.classroom.book.gradebook import Gradebook
from grader.classroom.book.groups import Groups, group_of, handed_in
from grader.classroom.book.names import first_last, full_name_keys, name_keys
from grader.classroom.book.roster import Roster, Row
from grader.course.select import UsageError

ROSTER = "roster"  # the setting that holds who was on the roster last


def keep(book: Gradebook, roster: Roster) -> None:
    """Notes who is on the roster, so that they can be named later."""
    book.set(ROSTER, json.dumps([roster.system, [[row.name, dict(row.ids)] for row in roster.rows]]))


def kept(book: Gradebook) -> Roster | None:
    """Who was on the roster last, without its table."""
    if not (text := book.setting(ROSTER)):
        return None
    system, rows = json.loads(text)
    return Roster(system, (), (), tuple(Row(name, ids, at) for at, (name, ids) in enumerate(rows)))


def meant(book: Gradebook, text: str, groups: Groups = {}) -> Student:
    """Whom a text names: by the key, else by a login or a number, else by the name in any order. Who is only on the
    roster may not be in the gradebook yet. A member of a group who handed in nothing alone is the group, since it has
    one grade.

    Raises:
        UsageError: nobody, or more than one.
    """
    students = book.students()
    alone = {one.student for one in students} - {one.student for one in book.waiting()}
    try:
        one = _meant(book, text)
        called = names_of(one)
    except UsageError:
        one, called = None, {text.casefold()}
        if not (group := group_of(called, groups)):
            raise
    if one and one.student in alone or not (group := group_of(called | {text.casefold()}, groups)):
        return one
    whose = handed_in(students, groups)
    return next(
        (student for student in students if whose.get(student.student) == group),
        Student(safe(group), group, {}, "", ()),
    )


def _meant(book: Gradebook, text: str) -> Student:
    students = book.students()
    roster = kept(book)
    matched = roster.matched(students) if roster else None
    rows = matched.rows if matched else {}
    known = {
        one.student: (
            {one.student, *_ids(one.ids), *_ids(rows[one.student].ids if one.student in rows else {})},
            {one.name, rows[one.student].name if one.student in rows else ""},
            one,
        )
        for one in students
    }
    for row in matched.missing if matched else ():
        name = first_last(row.name)
        key = safe(name or next(iter(row.ids.values())))
        key = apart(key, json.dumps(dict(row.ids))) if key in known else key
        known[key] = {key, *_ids(row.ids)}, {row.name, name}, Student(key, name, row.ids, "", ())
    if text in known:
        return known[text][2]
    found = [one for keys, _, one in known.values() if text.casefold() in {key.casefold() for key in keys}]
    found = found or [
        one
        for _, names, one in known.values()
        if name_keys(text) & {key for name in names for key in full_name_keys(name)}
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{shown(text)!r} may be {' or '.join(one.student for one in found[:5])}: name one of these")
    words = {
        word.casefold(): key
        for key, (_, names, _) in known.items()
        for name in names
        for word in (key, name, first_last(name))
        if word
    }
    near = dict.fromkeys(words[word] for word in difflib.get_close_matches(text.casefold(), words, 3))
    raise UsageError(
        f"there is no student {shown(text)!r} in {book.path.name}"
        + (f"; did you mean {' or '.join(near)}?" if near else "")
    )


def settle(book: Gradebook, here: Iterable[Submission]) -> None:
    """Points by hand of who had handed in nothing go to the work that has come in since, where the roster says whose
    that is."""
    roster, here = kept(book), [*here]
    waiting = [one for one in book.waiting() if one.student not in {person.student for person in here}]
    if roster and waiting:
        for old, new in roster.matched(here, waiting).replaced.items():
            if len(new) == 1:
                book.give(old, new[0])


def _ids(ids) -> set[str]:
    """What tells somebody, with what stands before the `@` of an address."""
    return {part for text in ids.values() for part in (text, text.partition("@")[0]) if part}
