"""A class in which work arrives in every form that it was seen in, and the gradebook that comes of it. No student's
code is run: a verdict is made up from which answer was found."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from grader.classroom.arrivals.arrivals import arrivals
from grader.classroom.book.entries import Record, Wanted, digest_of
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.roster_file import read_roster
from grader.classroom.book.rules import Grading
from grader.classroom.orders import Tally
from grader.classroom.results import write_results
from grader.classroom.run import _note
from grader.report import machine
from tests import made_up
from tests.conftest import PROBLEMS
from tests.test_arrivals import BY_COLAB, BY_JUPYTER, mixed, notebook, zipped

pytestmark = pytest.mark.thorough

EXPECTED = Path(__file__).with_suffix(".csv")  # by the student: the points of 31, the total, and the flags
NEW, OLD = b"def sdpa(q, k, v):\n    return v\n", b"def sdpa(q, k, v):\n    return k\n"
SHIPPED = PROBLEMS[31].pristine.read_bytes()
CELL, UNTOUCHED = "%%grade 31\n" + NEW.decode(), "%%grade 31\n" + SHIPPED.decode()
MOODLE = "_assignsubmission_file_"
FORMS = {
    "backup/31.py": NEW,
    "backup/31_old.py": OLD,
    "version/stub.py": NEW,
    "version/stub_v1.py": OLD,
    "attic/31.py": NEW,
    "attic/old/31.py": OLD,
    "download/31.py": NEW,
    "download/31 (1).py": OLD,
    "loose_31.py": NEW,
    "loose_31_backup.py": OLD,
    "twice/31.py": NEW,
    "twice/31_old.py": NEW,
    "zipped.zip": zipped({"problems/31_sdpa/stub.py": NEW}),
    "zip_in_zip.zip": zipped({"work.zip": zipped({"31.py": NEW})}),
    "canvascara_LATE_41_600_work.zip": zipped({"inner.zip": zipped({"31.py": NEW})}),
    "canvasdora_42_601_31.py": OLD,
    "canvasdora_42_602_31-1.py": NEW,
    f"Gödel Kurt_7{MOODLE}/work.zip": zipped({"inner.zip": zipped({"31.py": NEW})}),
    "cell/work.ipynb": notebook("import os", CELL, "1 / 0"),
    "cell_below/work.ipynb": notebook(UNTOUCHED, NEW.decode()),
    "two_cells/work.ipynb": notebook("%%grade 31\n" + OLD.decode(), CELL),
    "markdown/work.ipynb": mixed(("markdown", CELL), ("code", "print(1)")),
    "own_notebook/work.ipynb": notebook(NEW.decode(), "import matplotlib.pyplot as plt\nplt.plot(sdpa(1, 2, 3))"),
    "by_jupyter/work.py": BY_JUPYTER.encode(),
    "by_colab/work.py": BY_COLAB.encode(),
    "utf_16/31.py": NEW.decode().encode("utf-16"),
    "download_alone/31 (1).py": NEW,
    "txt/stub.py.txt": NEW,
    "txt_loose_31.py.txt": NEW,
    "latin_1/31.py": NEW + "# für Jürgen\n".encode("latin-1"),
    "latin_1_broken/31.py": NEW + "für Jürgen\n".encode("latin-1"),
    "binary/31.py": b"\0\1\2\xff",
    "helper/31.py": b"from tools import softmax\n" + OLD,
    "helper/tools.py": b"softmax = 1\n",
    "untouched/problems/31_sdpa/stub.py": SHIPPED,
    "damaged.zip": zipped({"31.py": NEW * 50})[:-30],
    "damaged_beside/problems/31_sdpa/stub.py": SHIPPED,
    "damaged_beside/work.zip": b"PK\x03\x04",
    "damaged_notebook/work.ipynb": b"{",
    "blank_file/31.py": b"",
    "essay/essay.docx": b"PK",
    "empty/": b"",
}
ROSTER = """Student;ID;SIS User ID;SIS Login ID;Section;Attention (9)
    Points Possible;;;;;10
Canvas Cara;41;s1;cara;A;
Canvas Dora;42;s2;dora;A;3
Gödel, Kurt;43;s3;kurt;A;
Damaged Notebook;44;s4;damaged_notebook;A;5
Noether, Emmy;45;s5;emmy;A;
"""


def unpacked(folder: Path) -> Path:
    for path, content in FORMS.items():
        place = folder / "class" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            place.mkdir()
        else:
            place.write_bytes(content)
    return folder / "class"


def packed(folder: Path) -> Path:
    (folder / "class.zip").write_bytes(zipped(FORMS))
    return folder / "class.zip"


@pytest.fixture(params=[unpacked, packed])
def results(request, tmp_path) -> Path:
    """The results of the class, which is handed in as a folder or as one zip."""
    place, out, problems = request.param(tmp_path), tmp_path / "results", [PROBLEMS[31]]
    out.mkdir()
    (tmp_path / "roster.csv").write_bytes(ROSTER.encode("cp1252"))
    handed_in = arrivals(place, [*PROBLEMS.values()], problems)
    with Gradebook(out / NAME) as book:
        missing = _note(handed_in, book, place, problems, Tally())
        for submission in handed_in:
            for piece in submission.pieces.values():
                wanted = Wanted(submission.student, piece.problem, digest_of(piece))
                if wanted in missing:
                    book.record(Record(wanted, machine.data(verdict(piece.content)), piece.content, piece.place))
        _, report = write_results(
            out,
            problems,
            book,
            Grading({31: 1.0}),
            handed_in,
            place,
            roster=read_roster(tmp_path / "roster.csv"),
            assignment="Attention",
            scaled=True,
        )
    (out / "told").write_text(f"{report.handed_in} of {report.students}")
    return out


def verdict(content: bytes):
    if b"raise NotImplementedError" in content:
        return made_up.untouched(31)
    return made_up.passed(31) if b"return v\n" in content else made_up.wrong(31, "forgot_the_scale")


def read(path: Path) -> list[list[str]]:
    return [*csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""))]


def test_the_gradebook_is_the_expected_one(results):
    """Each form of arrival has the points of the answer that counts, none that could not be read has a 0, and each
    choice is a flag."""
    head, *rows = read(results / "grades.csv")
    found = [[row[head.index(name)] for name in ("student", "31", "total", "flags")] for row in rows]
    assert sorted(found) == sorted(read(EXPECTED)[1:])
    assert (results / "told").read_text() == "32 of 34"


def test_every_flag_is_on_the_students_page(results):
    """What a flag tells of how an answer was found stands on the student's own page."""
    for student, _, _, flags in read(EXPECTED)[1:]:
        page = (results / f"feedback/{student}.md").read_text().replace("\\", "").casefold() if student else ""
        assert not flags.startswith("31: ") or flags.removeprefix("31: ").casefold() in page, student


def test_what_goes_back_to_canvas(results):
    """The roster as Excel saved it is filled out of the points of its assignment; who could not be read keeps what is
    there."""
    rows = [*csv.reader(io.StringIO((results / "canvas.csv").read_text("utf-8-sig"), newline=""), delimiter=";")]
    assert {row[0]: row[-1] for row in rows[2:]} == {
        "Canvas Cara": "10",
        "Canvas Dora": "10",
        "Gödel, Kurt": "10",
        "Damaged Notebook": "5",
        "Noether, Emmy": "",
    }
