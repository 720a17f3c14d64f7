"""An export of a learning-management system, or of GitHub Classroom, becomes a Roster. Which one's it is, its columns
tell.

What the formats are was read from the systems' own code: Canvas's lib/gradebook_exporter.rb and gradebook_importer.rb,
Moodle's mod/assign/gradingtable.php and mod/assign/feedback/offline/importgradeslib.php.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.classroom.arrivals.files import shown
from grader.classroom.book.late import of_moodle
from grader.classroom.book.roster import Roster, Row, tells_points
from grader.course.select import UsageError

EXPECTED = """Canvas's gradebook has Student, ID and Section, Moodle's grading worksheet Identifier and Grade, \
Moodle's list of participants First name and Last name, GitHub Classroom's roster identifier and github_username"""
TEST_STUDENT = {"student, test", "test student"}


def read_roster(path: Path) -> Roster:
    """Reads an export.

    Raises:
        UsageError: it cannot be read, or is none of those that are known.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the roster {path} cannot be read: {error.strerror}") from error
    return parsed(content, path.name)


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
        if not cell(cells, "ID") or tells_points(cells) or name.casefold() in TEST_STUDENT:
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
