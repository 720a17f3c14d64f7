"""Late work: when an answer came, by how much that is late, and what it costs. Nobody's clock is taken for more than it
is: each date is told with its source.

Canvas's download says that something is late and not by how much. Moodle's worksheet says when each submission was
changed last, and how late that is. In a clone the commits have dates, which the student's own computer wrote.
Gradescope says when a submission was made, and when it was due, for each student.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from grader.classroom.book.points import exact
from grader.report.words import count

DAY = timedelta(days=1)
CANVAS, MOODLE, GIT, GRADESCOPE = "Canvas", "Moodle", "Git's commits", "Gradescope"
UNITS = {
    "year": 365 * DAY,
    "day": DAY,
    "hour": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "sec": timedelta(seconds=1),
}
SPAN = r"\d+ (?:year|day|hour|min|sec)s?"
LATE = re.compile(rf"({SPAN}(?: {SPAN})*) late")
MOODLE_DATE = "%A, %d %B %Y, %I:%M %p"


@dataclass(frozen=True)
class Came:
    """When something came, as its `source` says: a date, by how much it is late, or only whether it is."""

    source: str
    at: datetime | None = None
    late: bool = False
    by: timedelta | None = None

    def packed(self) -> str:
        return json.dumps(
            [
                self.source,
                self.at.isoformat() if self.at else None,
                self.late,
                self.by.total_seconds() if self.by is not None else None,
            ]
        )

    @staticmethod
    def unpacked(text: str) -> Came:
        source, at, late, by = json.loads(text)
        return Came(
            source, datetime.fromisoformat(at) if at else None, late, timedelta(seconds=by) if by is not None else None
        )

    def __str__(self) -> str:
        when = f"{self.at:%Y-%m-%d %H:%M}" if self.at else "late" if self.late else "in time"
        return f"came {when}, by {self.source}"


@dataclass(frozen=True)
class Policy:
    """What late work costs. Days are counted from `due`, or else from what the system says. Students are called by key,
    name, login or number."""

    due: datetime | None = None
    grace: timedelta = timedelta()
    per_day: float = 0.0  # of the points, for each day begun
    most: float = 1.0
    extensions: Mapping[str, float] = field(default_factory=dict)  # days more
    days: Mapping[str, float] = field(default_factory=dict)  # days late, as somebody knows them

    def names(self) -> set[str]:
        return {*self.extensions, *self.days}

    def packed(self) -> str:
        return json.dumps(
            [
                self.due.isoformat() if self.due else None,
                self.grace.total_seconds(),
                self.per_day,
                self.most,
                dict(self.extensions),
                dict(self.days),
            ]
        )

    @staticmethod
    def unpacked(text: str) -> Policy:
        due, grace, *others = json.loads(text)
        return Policy(datetime.fromisoformat(due) if due else None, timedelta(seconds=grace), *others)


@dataclass(frozen=True)
class Lateness:
    """How many days, what part of the points they cost, and why, as the student reads it."""

    days: int
    cost: float
    told: str

    @property
    def flag(self) -> str:
        if not self.days:
            return "late, and excused"
        # without a cost nothing counts the days, which may not even be known
        return f"late by {count(self.days, 'day')} (-{per_cent(self.cost)})" if self.cost else "late"


def lateness(policy: Policy, came: Came | None, called: Collection[str]) -> Lateness | None:
    """What comes of late work by a student who is `called` so, in small letters. None where it came in time, or nothing
    says that it did not."""
    more = max((days for name, days in policy.extensions.items() if name.casefold() in called), default=0.0)
    known = next((days for name, days in policy.days.items() if name.casefold() in called), None)
    if known is not None:
        return (
            _counted(policy, known * DAY, f"late by {_days(known)}, as whoever runs the course says") if known else None
        )
    by, told = _by(policy, came) if came else (timedelta(), "")
    if by is not None and by <= timedelta():
        return None
    if more and (by is None or by <= more * DAY):
        return Lateness(0, 0.0, f"{told}. There was an extension of {_days(more)}: nothing is taken off")
    if by is not None and by - more * DAY <= policy.grace:
        return Lateness(0, 0.0, f"{told}. That is within the time of grace: nothing is taken off")
    if more:
        told += f". With an extension of {_days(more)}, that is {_span(by - more * DAY)}"
    return _counted(policy, DAY if by is None else by - more * DAY, told)


def _by(policy: Policy, came: Came) -> tuple[timedelta | None, str]:
    """By how much something is late, or None where that is not known, and how it is told."""
    if policy.due and came.at:
        at = came.at if came.at.tzinfo else came.at.replace(tzinfo=policy.due.tzinfo)
        by = at - policy.due
        return by, f"late by {_span(by)}: it {came}, and was due {policy.due:%Y-%m-%d %H:%M}"
    if not came.late:
        return timedelta(), ""
    if came.by is None:
        return None, f"late, as {came.source} says, but not by how much"
    return came.by, f"late by {_span(came.by)}, as {came.source} says"


def _counted(policy: Policy, by: timedelta, told: str) -> Lateness:
    days = math.ceil(by / DAY)
    cost = exact(min(policy.most, days * policy.per_day))
    if policy.per_day:
        most = f", {per_cent(policy.most)} at most" if policy.most < days * policy.per_day else ""
        told += (
            f". It counts as {count(days, 'day')}. Each day begun costs {per_cent(policy.per_day)} of the points{most}"
        )
    return Lateness(days, cost, told)


def per_cent(share: float) -> str:
    return f"{100 * share:g} %"


def _days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def _span(time: timedelta) -> str:
    """A span of time by its two largest units."""
    minutes = math.ceil(time / timedelta(minutes=1))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [count(number, unit) for number, unit in ((days, "day"), (hours, "hour"), (minutes, "minute")) if number]
    return " and ".join(parts[:2]) or "less than a minute"


def of_moodle(status: str, modified: str) -> Came | None:
    """What a row of Moodle's worksheet says: its status tells how late a submission is, beyond an extension that Moodle
    knows of, and another cell its date."""
    found = LATE.search(status)
    by = (
        sum(
            (int(number) * UNITS[unit.rstrip("s")] for number, unit in re.findall(r"(\d+) (\w+)", found[1])),
            timedelta(),
        )
        if found
        else None
    )
    try:
        at = datetime.strptime(modified.strip(), MOODLE_DATE)
    except ValueError:
        at = None
    return Came(MOODLE, at, by is not None, by) if at or by is not None else None
