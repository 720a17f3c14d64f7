"""The roster: a learning-management system's own export, whose rows submissions are matched to, and which goes back to
it with grades. Canvas finds a student by ID, Moodle by the number in Identifier; neither takes a name from the file.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from grader.classroom.arrivals.files import shown
from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.late import Came
from grader.classroom.book.names import full_name_keys, name_keys
from grader.classroom.book.points import shown as points_shown
from grader.classroom.book.spreadsheet import harmless
from grader.course.select import UsageError

NUMBER = re.compile(r"\s*-?\d+(?:[.,]\d+)?\s*")
COMMENTS = "Feedback comments"  # Moodle's column, which its import takes for HTML
OURS = "Attention track: "  # with which every comment of ours begins
OWN_ID = {"canvas": "canvas_id", "moodle": "moodle_id"}


@dataclass(frozen=True)
class Row:
    """One student of the roster: the name, what the export says to tell students apart, and the row in its table."""

    name: str
    ids: Mapping[str, str]
    at: int
    came: Came | None = None  # when the submission came, where the export says it

    @property
    def called(self) -> str:
        """The name as people say it, the first name first."""
        last, comma, first = self.name.partition(",")
        return f"{first.strip()} {last.strip()}" if comma and first.strip() else self.name

    @property
    def shown(self) -> str:
        """The name, or what else the export tells of a student without one."""
        return self.name or ", ".join(self.ids.values()) or "?"

    def whole(self, told: str) -> Row:
        """The row, with the name that a download tells where this one lost letters: Excel writes `?` for those that its
        encoding lacks."""
        return replace(self, name=told) if told and {"?", "\N{REPLACEMENT CHARACTER}"} & {*self.name} else self


@dataclass(frozen=True)
class Ambiguous:
    """Submissions and rows that may belong together in more than one way. None of them is matched."""

    students: tuple[str, ...]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return self.told()

    def told(self, names: Mapping[str, str] = {}) -> str:
        """The sentence, with the students called by the names that are known."""
        them, they = (
            ", ".join(names.get(key, key) for key in self.students),
            ", ".join(row.shown for row in self.rows),
        )
        return (
            f"{them} may be {they}: more than one on the roster"
            if len(self.rows) > 1
            else f"{them} are more than one submission of {they}"
        )


@dataclass(frozen=True)
class Roster:
    """An export: which system's it is (`canvas`, `moodle` or `github`), its table as it came, and the students on it in
    its order."""

    system: str
    header: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]  # every row below the header
    rows: tuple[Row, ...]
    delimiter: str = ","
    mark: str = ""  # the byte order mark, where it has one
    note: str = ""  # what to know of how it was read

    def matched(self, submissions: Iterable[Submission], earlier: Iterable[Submission | Student] = ()) -> Matched:
        """Whose each submission is: by the system's id, else by login, email or user name, else by the name with
        accents, order and case left out of account.

        A submission with an id of the roster's own system is looked for by name only where the roster tells no such
        ids, and none is matched where there are two ways to. Who handed in `earlier` and is not among the submissions
        any more keeps the row, unless a submission is surely that student's.
        """
        indexes = [_index(self.rows, keys) for keys in (_by_id, _by_user, _by_login, _by_name)]
        groups = [[*submissions], [*earlier]]
        here = {one.student for one in groups[0]}
        found: dict[str, tuple[int, ...]] = {}
        for group in groups:
            begun = _begun(group)
            found |= {one.student: self._candidates(one, indexes, begun) for one in group}
        claims: dict[int, list[str]] = {}
        for student, candidates in found.items():
            for at in candidates:
                claims.setdefault(at, []).append(student)
        sure = {at: [student for student in students if len(found[student]) == 1] for at, students in claims.items()}
        sure = {at: [student for student in students if student in here] or students for at, students in sure.items()}
        called = {one.student: one.name for group in groups for one in group}
        rows = {
            student: self.rows[one[0]].whole(called[student])
            for student, one in found.items()
            if len(one) == 1 and sure[one[0]] == [student]
        }
        replaced = {
            student: tuple(sure[one[0]])
            for student, one in found.items()
            if len(one) == 1 and student not in sure[one[0]]
        }
        ambiguous = [
            *(
                Ambiguous((student,), tuple(self.rows[at] for at in one))
                for student, one in found.items()
                if len(one) > 1
            ),
            *(Ambiguous(tuple(students), (self.rows[at],)) for at, students in sure.items() if len(students) > 1),
        ]
        missing = tuple(row for at, row in enumerate(self.rows) if at not in claims)
        return Matched(
            self, rows, missing, tuple(student for student, one in found.items() if not one), tuple(ambiguous), replaced
        )

    def _candidates(
        self, submission: Submission | Student, indexes: Sequence[Mapping[str, tuple[int, ...]]], begun: Counter[str]
    ) -> tuple[int, ...]:
        ids, own = submission.ids, submission.ids.get(OWN_ID.get(self.system, ""))
        by_id, by_user, by_login, by_name = indexes
        if own and by_id:
            return by_id.get(own, ())
        if self.system == "github" and "repository" in ids:
            return tuple(sorted({at for user in _users(ids, begun) for at in by_user.get(user, ())}))
        texts = {text for text in (ids.get("github"), ids.get("email"), submission.name, submission.student) if text}
        for index, keys in (
            (by_login, {text.casefold() for text in texts}),
            (by_name, {key for text in texts for key in name_keys(text)}),
        ):
            if candidates := sorted({at for key in keys for at in index.get(key, ())}):
                return tuple(candidates)
        return ()

    def column(self, assignment: str) -> int | None:
        """Where the grades go: Moodle's Grade, else the column called so, with or without Canvas's number behind it.
        None for a new one.

        Raises:
            UsageError: two are called so.
        """
        header = self.header
        if "Grade" in header and "Identifier" in header:
            return header.index("Grade")
        wanted = assignment.strip().casefold()
        called = [i for i, name in enumerate(header) if name.strip().casefold() == wanted]
        titled = called or [
            i for i, name in enumerate(header) if re.sub(r" \(\d+\)$", "", name.strip()).casefold() == wanted
        ]
        if len(titled) > 1:
            raise UsageError(
                f"two columns of the roster are called {shown(assignment)!r}: "
                f"name one with its number, such as {shown(header[titled[0]])!r}"
            )
        return titled[0] if titled else None

    def assignments(self) -> list[str]:
        """The columns that Canvas has for assignments: it puts a number behind each."""
        return [name for name in self.header if re.search(r" \(\d+\)$", name)] if self.system == "canvas" else []

    def points(self, assignment: str) -> float | None:
        """What the system counts the assignment out of: Canvas's row of points, or Moodle's column. None where the
        export does not say it."""
        if self.system == "canvas":
            at, told = self.column(assignment), filter(tells_points, self.table)
        else:
            at, told = (
                next((i for i, name in enumerate(self.header) if name.casefold() == "maximum grade"), None),
                self.table,
            )
        return next(
            (float(cells[at].replace(",", ".")) for cells in told if at is not None and NUMBER.fullmatch(cells[at])),
            None,
        )


@dataclass(frozen=True)
class Matched:
    """A roster beside a class: each matched student's row, who on the roster handed in nothing, who handed in and is
    not on it, what is ambiguous, and who handed in earlier as another than now, with the submissions that take that
    one's place."""

    roster: Roster
    rows: Mapping[str, Row]
    missing: tuple[Row, ...] = ()
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[Ambiguous, ...] = field(default=())
    replaced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def system(self) -> str:
        return self.roster.system

    def apart(self, names: Mapping[str, str] = {}) -> dict[str, list[str]]:
        """What the roster and the class have not in common, and whom it is about, by the names that are known."""
        return {
            "on the roster, and nothing arrived": [row.shown for row in self.missing],
            "arrived, and is not on the roster": [names.get(key, key) for key in self.unknown],
            "could be more than one on the roster": [one.told(names) for one in self.ambiguous],
        }

    def scale(self, assignment: str, maximum: float) -> float | None:
        """What a total out of `maximum` is multiplied with to be out of what the system counts the assignment out of.
        None where the system gives no points for it."""
        points = self.roster.points(assignment)
        if points is None or points_shown(points) == points_shown(maximum):
            return 1.0
        return points / maximum if points > 0 else None

    def filled(
        self,
        grades: Mapping[str, float],
        assignment: str,
        maximum: float | None = None,
        comments: Mapping[str, str] = {},
    ) -> str:
        """The export with the grades of matched students in its column, and the comments in Moodle's, as text to be
        written with `newline=""`. Who has none keeps what was there.

        For Canvas that is the students' columns and the assignment's alone: the others would set back what was changed
        in Canvas since. Names that a spreadsheet would run get a `'` before them, which no import reads; whatever an
        import reads is as it came.
        """
        roster = self.roster
        at = roster.column(assignment)
        width = len(roster.header)
        kept = (
            list(range(width))
            if roster.system != "canvas"
            else [*range(_last_of_student(roster.header) + 1), *([at] if at is not None else [])]
        )
        points = {row.at: points_shown(grades[student]) for student, row in self.rows.items() if student in grades}
        said = roster.header.index(COMMENTS) if COMMENTS in roster.header else None
        spoken = {row.at: comments[student] for student, row in self.rows.items() if student in comments}
        lines = [[roster.header[i] for i in kept] + ([assignment] if at is None else [])]
        for row, cells in enumerate(roster.table):
            line = [_as_text(roster.header[i], cells[i]) for i in kept]
            if at is None:
                line.append("")
            where = kept.index(at) if at is not None else len(line) - 1
            # a person's stays
            if said is not None and row in spoken and (not cells[said].strip() or OURS in cells[said]):
                line[kept.index(said)] = spoken[row]
            if row in points:
                line[where] = points[row]
            elif at is None and maximum is not None and tells_points(cells):
                line[where] = points_shown(maximum)
            lines.append(line)
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=roster.delimiter, lineterminator="\r\n").writerows(lines)
        return roster.mark + text.getvalue()

    def told(self, assignment: str, maximum: float, scaled: bool = False) -> list[str]:
        """What to know before an import, in sentences. `maximum` is what the totals are out of, unless they are
        `scaled` to what the system counts out of."""
        told, system, roster = [self.roster.note] * bool(self.roster.note), self.system.capitalize(), self.roster
        if self.system == "canvas" and roster.column(assignment) is None:
            there = roster.assignments()
            told.append(
                f"the roster has no column {shown(assignment)!r}, and Canvas will ask whether it is a new assignment"
                + (
                    f": name the column to fill with --assignment, such as --assignment "
                    f"{shlex.quote(_closest(assignment, there))}; "
                    f"there are {', '.join(map(shown, there[-5:]))}"
                    if there
                    else ""
                )
            )
        factor = self.scale(assignment, maximum)
        if factor == 1.0:
            return told
        here, there = points_shown(maximum), points_shown(roster.points(assignment))
        if factor is None:
            told.append(
                f"{self.system}.csv is not written: {system} counts this assignment without points, and the totals "
                f"here are out of {here}: give it {here} points in {system}"
            )
        elif scaled:
            told.append(
                f"{self.system}.csv is out of {there} points, as {system} counts this assignment; in all other files "
                f"the totals are out of {here}"
            )
        else:
            told.append(
                f"{self.system}.csv is not written: {system} counts this assignment out of {there} points, and the "
                f"totals here are out of {here}: "
                f"--scale writes them out of {there}, `maximum = {there}` in grading.toml changes them everywhere, or "
                f"give it {here} points in {system}"
            )
        return told


def tells_points(cells: Sequence[str]) -> bool:
    return "Points Possible" in cells[0]


def _last_of_student(header: tuple[str, ...]) -> int:
    return header.index("Section")


# How a text is looked up. Each function gives the keys under which a row is found.


def _index(rows: Sequence[Row], keys) -> dict[str, tuple[int, ...]]:
    index: dict[str, tuple[int, ...]] = {}
    for at, row in enumerate(rows):
        for key in keys(row):
            index[key] = (*index.get(key, ()), at)
    return index


def _users(ids: Mapping[str, str], begun: Counter[str]) -> list[str]:
    """Whose a clone may be, by its name: what follows the assignment's. Where nothing tells that one, it is what most
    clones begin with."""
    if "github" in ids:
        return [ids["github"].casefold()]
    name, begins = ids["repository"].casefold(), _begins(ids["repository"])
    return [name.removeprefix(begin) for begin in begins if begun[begin] == max(begun[begin] for begin in begins)]


def _begun(submissions: Iterable[Submission | Student]) -> Counter[str]:
    """How many clones' names begin so."""
    return Counter(begin for one in submissions for begin in _begins(one.ids.get("repository", "")))


def _begins(repository: str) -> list[str]:
    name = repository.casefold()
    return [name[: found.end()] for found in re.finditer("-", name)]


def _by_id(row: Row) -> set[str]:
    return {row.ids[name] for name in ("canvas_id", "moodle_id") if name in row.ids}


def _by_user(row: Row) -> set[str]:
    return {row.ids["github"].casefold()} if "github" in row.ids else set()


def _by_login(row: Row) -> set[str]:
    texts = {
        row.ids[name].casefold() for name in ("login", "sis_id", "email", "github", "identifier") if name in row.ids
    }
    return texts | {text.partition("@")[0] for text in texts if "@" in text}


def _by_name(row: Row) -> set[str]:
    return full_name_keys(row.name)


# What is written back.


def _as_text(column: str, cell: str) -> str:
    """A name that a spreadsheet takes for text. Canvas's own way of writing one with `=` is left."""
    name = column in ("Student", "LastName", "FirstName", "Full name", "First name", "Last name", "Surname", "name")
    return harmless(cell) if name and not re.fullmatch(r'="[^"]*"', cell) else cell


def _closest(name: str, there: Sequence[str]) -> str:
    """The one of the names that is most like another."""
    return max(there, key=lambda other: difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())
