"""What Gradescope's `submission_metadata.json` says of a submission: who handed it in, when, and when that was due.

Its documentation reserves changes to the file, so whatever is missing or of another form is not known, and that keeps
nobody from being graded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from grader.classroom.book.late import GRADESCOPE, Came, Policy

NAMED = ("name", "email", "id", "sid")


@dataclass(frozen=True)
class Metadata:
    """`due` is the date of everybody, `own` the latest of those who handed this in together, extensions included;
    `before` is when each content, by problem and digest, had been handed in first; `ids` are what its students are
    called by."""

    created: datetime | None = None
    due: datetime | None = None
    own: datetime | None = None
    before: Mapping[tuple[int, str], datetime] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)

    def came(self, problem: int, digest: str) -> Came | None:
        """When a content came. To hand the same in again makes it no later."""
        if self.created is None:
            return None
        at = min(self.created, self.before.get((problem, digest), self.created))
        late = self.own is not None and at > self.own
        return Came(GRADESCOPE, at, late, at - self.own if late else None)

    def extended(self, policy: Policy) -> Policy:
        """The policy, with the time more that Gradescope gives these students."""
        more = self.own - self.due if self.own and self.due else timedelta()
        return replace(policy, due=policy.due + more) if policy.due and more > timedelta() else policy


def metadata(path: Path) -> Metadata:
    try:
        told = _table(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return Metadata()
    users = [_table(user) for user in _list(told.get("users"))]
    due = _date(_table(told.get("assignment")), "due_date")
    own = [date for user in users if (date := _date(_table(user.get("assignment")), "due_date"))]
    before: dict[tuple[int, str], datetime] = {}
    for which, at in _contents(told):
        before[which] = min(at, before.get(which, at))
    ids = {f"{what} {nth}": str(user[what]) for nth, user in enumerate(users, 1) for what in NAMED if user.get(what)}
    return Metadata(_date(told, "created_at"), due, max(own, default=due), before, ids)


def _contents(told: dict) -> Iterator[tuple[tuple[int, str], datetime]]:
    """What was handed in earlier, by the results that we gave then."""
    for earlier in map(_table, _list(told.get("previous_submissions"))):
        at = _date(earlier, "submission_time")
        for test in map(_table, _list(_table(earlier.get("results")).get("tests"))):
            number, digest = str(test.get("number")), _table(test.get("extra_data")).get("sha256")
            if at and number.isdecimal() and isinstance(digest, str):
                yield (int(number), digest), at


def _date(table: dict, name: str) -> datetime | None:
    """A date with its time zone."""
    try:
        found = datetime.fromisoformat(table[name])
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _table(value) -> dict:
    return value if isinstance(value, dict) else {}


def _list(value) -> list:
    return value if isinstance(value, list) else []
