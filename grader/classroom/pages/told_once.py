"""On one page a misconception is told once, however many names show it. What banks call alike is one misconception."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grader.course.verdict import EntryVerdict, Named, Verdict

AS_ABOVE = "The same as in `{}`, where it is told."


def once_each(verdict: Verdict) -> Verdict:
    """The verdict with each misconception told once: where two names show one, at the first of them."""
    return replace(verdict, entries=tuple(_entries(verdict)))


def _entries(verdict: Verdict) -> Iterator[EntryVerdict]:
    told: dict[str, str] = {}
    for entry in verdict.entries:

        def once(known: Named, of: str = entry.name) -> Named:
            first = told.setdefault(known.name, of)
            return known if first == of else replace(known, sentence=AS_ABOVE.format(first))

        if entry.mistake:
            known = once(Named(entry.mistake, entry.sentence))
            entry = replace(entry, sentence=known.sentence)
        yield replace(
            entry,
            second=once(entry.second) if entry.second else None,
            partly=once(entry.partly) if entry.partly else None,
        )
