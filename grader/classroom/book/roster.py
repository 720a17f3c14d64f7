"""The roster: a learning-management system's own export, whose rows submissions are matched to, and which goes back to
it with grades.

What the formats are was read from the systems' own code: Canvas's lib/gradebook_exporter.rb and gradebook_importer.rb,
Moodle's mod/assign/gradingtable.php and mod/assign/feedback/offline/importgradeslib.php. Canvas finds a student by ID,
Moodle by the number in Identifier; neither takes a name from the file.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.classroom.arrivals.files import shown
from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.late import Came, of_moodle
from grader.classroom.book.points import shown as points_shown
from grader.classroom.book.spreadsheet import harmless
from grader.course.select import UsageError

EXPECTED = """Canvas's gradebook has Student, ID and Section, Moodle's grading worksheet Identifier and Grade, \
Moodle's list of participants First name and Last name, GitHub Classroom's roster identifier and github_username"""
TEST_STUDENT = {"student, test", "test student"}
TRANSLITERATED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
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


@dataclass(frozen=True)
class Ambiguous:
    """Submissions and rows that may belong together in more than one way. None of them is matched."""

    students: tuple[str, ...]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        them, they = (
            ", ".join(self.students),
            ", ".join(row.name or next(iter(row.ids.values()), "?") for row in self.rows),
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

    @staticmethod
    def read(path: Path) -> Roster:
        """Reads an export, told by its columns.

        Raises:
            UsageError: it cannot be read, or is none of those that are known.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the roster {path} cannot be read: {error.strerror}") from error
        return parsed(content, path.name)

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
        rows = {
            student: self.rows[one[0]] for student, one in found.items() if len(one) == 1 and sure[one[0]] == [student]
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
            at, told = self.column(assignment), filter(_tells_points, self.table)
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
        """The export with the grades of matched students in its column, as text to be written with `newline=""`. Who
        has no grade keeps what was there.

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
        spoken = {
            row.at: comments[student] for student, row in self.rows.items() if student in grades and student in comments
        }
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
            elif at is None and maximum is not None and _tells_points(cells):
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


def parsed(content: bytes, name: str) -> Roster:
    """The roster in the bytes of an export; `name` is what messages call it."""
    text, mark, note = _text(content, name)
    first = text.lstrip().split("\n", 1)[0]
    for delimiter in sorted(",;\t", key=first.count, reverse=True):
        lines = (
            tuple(line)
            for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            if any(cell.strip() for cell in line)
        )
        system = ""
        try:
            header = tuple(cell.strip() for cell in next(lines, ()))
            system, students = _told(header)
            below = [*lines] if system else []
        except csv.Error as error:
            if system:  # else something else separates the cells
                raise UsageError(f"{name} is no CSV: {error}") from None
        if system:
            if any(cell.strip() for line in below for cell in line[len(header) :]):
                raise UsageError(
                    f"{name}: a row has more cells than the {len(header)} columns; take the export as it came from "
                    f"the system"
                )
            table = tuple((*line, *[""] * (len(header) - len(line)))[: len(header)] for line in below)
            rows = tuple(students(header, table))
            if not rows:
                raise UsageError(f"{name} has no student on it")
            return Roster(system, header, table, rows, delimiter, mark, note)
    raise UsageError(
        f"{name} is no roster that is known ({_columns(first.split(max(',;' + chr(9), key=first.count)))}): {EXPECTED}"
    )


def _text(content: bytes, name: str) -> tuple[str, str, str]:
    """The text of an export, its byte order mark, and what to know of how it was read.

    Excel saves a CSV in Windows' own code unless it is asked for UTF-8, and text with tabs in UTF-16. What is written
    back is in UTF-8, which systems read, with the mark by which Excel knows it.
    """
    try:
        return content.decode("utf-8-sig"), "\ufeff" if content.startswith(b"\xef\xbb\xbf") else "", ""
    except UnicodeDecodeError:
        pass
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise UsageError(
            f"{name} is a workbook and no CSV: take the export as it came from the system, or save it as `CSV UTF-8`"
        )
    codec, told = ("utf-16", "UTF-16") if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("cp1252", "Windows-1252")
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{name} is no text: take the export as it came from the system, or save it as `CSV UTF-8`")
    note = (
        f"{name} is not in UTF-8 and was read as {told}, which Excel writes: see that names with accents are "
        f"right, or take the export as it came from the system"
    )
    return text, "\ufeff", note


def _columns(header: Sequence[str]) -> str:
    names = [shown(name).strip('"') for name in header if name.strip()]
    return f"its columns are {', '.join(names[:6])}{' …' if len(names) > 6 else ''}" if names else "it is empty"


def _told(header: tuple[str, ...]):
    """Which system's an export is, and how its rows are read."""
    names = set(header)
    if {"ID", "Section"} <= names and ("Student" in names or {"LastName", "FirstName"} <= names):
        return "canvas", _of_canvas
    if {"Identifier", "Grade"} <= names:
        return "moodle", _of_worksheet
    if "First name" in names and names & {"Last name", "Surname"}:
        return "moodle", _of_participants
    if {"identifier", "github_username"} <= names:
        return "github", _of_github
    return "", None


def _reader(header: tuple[str, ...]):
    def cell(cells: tuple[str, ...], *names: str) -> str:
        return next((cells[header.index(name)].strip() for name in names if name in header), "")

    return cell


def _of_canvas(header, table) -> Iterator[Row]:
    """Canvas's students: not the rows of points and of what is posted by hand, and not the one that it makes for
    trials."""
    cell = _reader(header)
    for at, cells in enumerate(table):
        name = cell(cells, "Student") or ", ".join(filter(None, (cell(cells, "LastName"), cell(cells, "FirstName"))))
        if not cell(cells, "ID") or _tells_points(cells) or name.casefold() in TEST_STUDENT:
            continue
        quoted = re.fullmatch(r'="(.*)"', name)  # so Canvas writes a name that begins with `=`
        login = cell(cells, "SIS Login ID")
        ids = _given(
            canvas_id=cell(cells, "ID"),
            sis_id=cell(cells, "SIS User ID"),
            login=login,
            email=login if "@" in login else "",
        )
        yield Row(quoted[1] if quoted else name, ids, at)


def _of_worksheet(header, table) -> Iterator[Row]:
    cell = _reader(header)
    for at, cells in enumerate(table):
        number = re.search(r"(\d+)$", cell(cells, "Identifier"))
        if number:
            yield Row(
                cell(cells, "Full name"),
                _given(moodle_id=number[1]) | _moodle_ids(cell, cells),
                at,
                of_moodle(cell(cells, "Status"), cell(cells, "Last modified (submission)")),
            )


def _of_participants(header, table) -> Iterator[Row]:
    """Moodle's list of participants, or of its gradebook, which do not know the number in the names of a download."""
    cell = _reader(header)
    for at, cells in enumerate(table):
        name = f"{cell(cells, 'First name')} {cell(cells, 'Last name', 'Surname')}".strip()
        ids = _moodle_ids(cell, cells)
        if name or ids:
            yield Row(name, ids, at)


def _moodle_ids(cell, cells: tuple[str, ...]) -> dict[str, str]:
    return _given(email=cell(cells, "Email address"), login=cell(cells, "Username"), sis_id=cell(cells, "ID number"))


def _of_github(header, table) -> Iterator[Row]:
    cell = _reader(header)
    for at, cells in enumerate(table):
        identifier = cell(cells, "identifier")
        ids = _given(
            github=cell(cells, "github_username"),
            github_id=cell(cells, "github_id"),
            identifier=identifier,
            email=identifier if "@" in identifier else "",
        )
        if ids:
            yield Row(cell(cells, "name") or identifier, ids, at)


def _given(**ids: str) -> dict[str, str]:
    return {name: text for name, text in ids.items() if text}


def _tells_points(cells: Sequence[str]) -> bool:
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


def full_name_keys(name: str) -> set[str]:
    """The keys of a name, which may have the last name first."""
    return name_keys(first_last(name)) | name_keys(name)


def first_last(name: str) -> str:
    """`Lovelace, Ada` as `Ada Lovelace`."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else name


def name_keys(text: str) -> set[str]:
    """A name without accents and case: its words in order of the alphabet, and as they come without blanks between, as
    Canvas has it."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().translate(TRANSLITERATED))
    words = re.findall(r"[^\W_]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return {" ".join(sorted(words)), "".join(words)} - {""}


# What is written back.


def _as_text(column: str, cell: str) -> str:
    """A name that a spreadsheet takes for text. Canvas's own way of writing one with `=` is left."""
    name = column in ("Student", "LastName", "FirstName", "Full name", "First name", "Last name", "Surname", "name")
    return harmless(cell) if name and not re.fullmatch(r'="[^"]*"', cell) else cell


def _closest(name: str, there: Sequence[str]) -> str:
    """The one of the names that is most like another."""
    return max(there, key=lambda other: difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())
