"""Submissions as they really arrive, honest and hostile: who is who, what counts, and the sentence for what cannot be
read."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import stat
import struct
import subprocess
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.classroom.arrivals import archive, cells, files, pieces
from grader.classroom.arrivals.arrivals import arrivals
from grader.classroom.arrivals.naming import named, safe
from grader.classroom.arrivals.submission import EMPTY_HANDED, NO_PROBLEM
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.orders import Tally
from grader.classroom.run import _note
from grader.course.select import UsageError
from tests.conftest import PROBLEMS, ROOT

ALL = list(PROBLEMS.values())
A31 = b"def sdpa(q, k, v):\n    return v\n"
B31 = A31 + b"# later\n"
C31 = b"def sdpa(q, k, v):\n    return v + 0\n"
A33 = b"def causal_mask(t_q, t_k):\n    pass\n"
SHIPPED = PROBLEMS[31].pristine.read_bytes()


def zipped(members, **options) -> bytes:
    """A zip of `{name: bytes}`, or of pairs where a name is there twice; a name may be a ZipInfo."""
    made = io.BytesIO()
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(made, "w", **{"compression": zipfile.ZIP_DEFLATED} | options) as packed,
    ):
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members.items() if isinstance(members, dict) else members:
            packed.writestr(name, content)
    return made.getvalue()


def tarred(members, mode="w:gz") -> bytes:
    """A tar of `{name: bytes}`, or of TarInfos with their bytes."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as packed:
        for name, content in members.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = info.size or len(content)
            packed.addfile(info, io.BytesIO(content))
    return made.getvalue()


def special(name, kind, link="") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def notebook(*sources, version=4) -> bytes:
    made = [{"cell_type": "code", "source" if version == 4 else "input": source} for source in sources]
    return json.dumps(
        {"nbformat": version, **({"cells": made} if version == 4 else {"worksheets": [{"cells": made}]})}
    ).encode()


@pytest.fixture
def folder(tmp_path):
    """A folder of submissions: `folder({"ada.zip": bytes, "bob/31.py": bytes})`."""

    def made(content: dict[str, bytes], name="class") -> Path:
        for path, data in content.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return tmp_path / name

    return made


def read(folder, problems=ALL, asked=()):
    """The submissions by student."""
    found = {one.student: one for one in arrivals(folder, problems, asked)}
    return found


def pieces_of(submission) -> dict[int, bytes]:
    return {number: piece.content for number, piece in submission.pieces.items()}


# Shapes of one student's work.


@pytest.mark.parametrize(
    "path",
    [
        "problems/31_sdpa/stub.py",
        "31_sdpa/stub.py",
        "31_SDPA/Stub.py",
        "course-main/problems/31_sdpa/stub.py",
        "stub.py",
        "31.py",
        "31_sdpa.py",
        "sdpa.py",
        "SDPA.PY",
        "hw 31 final.py",
        "my work/answer.py",
        "31_sdpa/answer.py",
        "stub.py.txt",
        "Answer.PY.TXT",
    ],
)
@pytest.mark.parametrize("packed", ["folder", "zip", "tar.gz", "windows.zip"])
def test_wherever_the_stub_lies(folder, path, packed):
    """A folder, a zip or a tar.gz for each student, with the stub in any of the usual places, also with the backslashes
    of a Windows zip."""
    names = {"folder": f"ada/{path}", "zip": "ada.zip", "tar.gz": "ada.tar.gz", "windows.zip": "ada.zip"}
    content = {
        "folder": A31,
        "zip": zipped({path: A31}),
        "tar.gz": tarred({path: A31}),
        "windows.zip": zipped({path.replace("/", "\\"): A31}),
    }
    ada = read(folder({names[packed]: content[packed]}))["ada"]
    assert pieces_of(ada) == {31: A31} and ada.pieces[31].place == path and not ada.trouble
    hidden = path.lower().endswith(".txt")
    assert ada.notes == (
        (f"31: {path} was read as {path[:-4]}: take the ending .txt off its name, which Windows hides",)
        if hidden
        else ()
    )


@pytest.mark.parametrize("path", ["31 (1).py", "stub (2).ipynb", "Copy of 31.py", "31_old.py", "backup/31.py"])
def test_a_copy_alone_is_told(folder, path):
    """What by its name is a copy, or was before, counts where there is no other answer, and the student is told."""
    answer = notebook(A31.decode()) if path.endswith(".ipynb") else A31
    ada = read(folder({f"ada/{path}": answer, "ada/problems/31_sdpa/stub.py": SHIPPED}))["ada"]
    told = f"{path} counts, since there is no other answer: its name is that of a copy, or of what was before"
    assert set(ada.pieces) == {31} and ada.told == {31: (told,)} and ada.notes == (f"31: {told}",)


@pytest.mark.parametrize("packed", [False, True])
def test_an_ending_that_windows_hides(folder, tmp_path, packed):
    """Loose files, Canvas's with its number, notebooks: what is called `.txt` behind its ending is read as if it were
    not, and yields to a file that is called right."""
    content = {
        "ada_31.py.txt": A31,
        "bob/31.py (1).txt": A31,
        "eve/31.ipynb.txt": notebook(A31.decode()),
        "dan/31.py.txt": C31,
        "dan/31.py": A31,
        "carl/readme.txt": b"x",
        "carl/31.py": A31,
    }
    where = folder({"class.zip": zipped(content)}, "packed") / "class.zip" if packed else folder(content)
    found = read(where)
    assert {student: {*one.pieces} for student, one in found.items()} == dict.fromkeys(
        ("ada", "bob", "eve", "dan", "carl"), {31}
    )
    assert not found["carl"].told and found["dan"].told == {31: ("31.py counts, not 31.py.txt",)}
    read_as = "{} was read as {}: take the ending .txt off its name, which Windows hides"
    assert found["ada"].told == {31: (read_as.format("ada_31.py.txt", "ada_31.py"),)}
    assert found["bob"].told[31][-1] == read_as.format("31.py (1).txt", "31 (1).py")
    assert found["eve"].told == {31: (read_as.format("31.ipynb.txt", "31.ipynb"),)}
    canvas = read(folder({"cara_41_600_31.py.txt": C31, "cara_41_601_31.py-1.txt": A31}, "canvas"))
    assert pieces_of(canvas["cara_41"]) == {31: A31}


def test_loose_files(folder):
    """A loose file is the student's whose name is left when the problem is taken away; all of one student's are one
    submission."""
    found = read(
        folder(
            {
                "ada_31.py": A31,
                "ada_33.py": A33,
                "31-bob.py": A31,
                "eve lovelace_31_sdpa.py": A31,
                "carl.py": A33,
                "problem_31_dan.py": A31,
            }
        )
    )
    assert {student: set(one.pieces) for student, one in found.items()} == {
        "ada": {31, 33},
        "bob": {31},
        "eve_lovelace": {31},
        "carl": {33},
        "dan": {31},
    }
    assert found["eve_lovelace"].name == "eve lovelace"


def test_a_loose_file_whose_name_goes_on_and_on(folder):
    """A name that says the problem thirty times is read at once."""
    assert "!x" in {one.name for one in read(folder({"_".join(["stub_31"] * 30) + "_!x.py": A31})).values()}


def test_a_second_version_of_a_loose_file(folder):
    """A copy or a version is the same student's as the first: the exact name counts, and a note says so. Without a name
    before it, it is still nobody's."""
    where = folder(
        {
            "ada_31.py": A31,
            "ada_31 (1).py": A31,
            "ada_31_v2.py": A31,
            "ada_31 - Copy (2).py": B31,
            "31-bob (1).py": A31,
            "31_v2.py": A31,
            "31_old.py": A31,
            "final_31.py": A31,
            "ada_31_old.py": B31,
            "Copy of ada_31.py": B31,
        }
    )
    found = read(where)
    assert (
        set(found) == {"ada", "bob", "final", "31_v2.py", "31_old.py"}
        and "does not say whose it is" in found["31_v2.py"].pieces[31].trouble
    )
    assert (
        pieces_of(found["ada"]) == {31: A31}
        and len(found["ada"].notes) == 1
        and found["ada"].notes[0].startswith("31: ada_31.py counts, not ")
    )


def test_canvas(folder):
    """Canvas's download, packed or not: name and id from the file's name, the latest attachment counts, LATE and what
    came before are notes."""
    content = {
        "lovelaceada_LATE_12345_678901_stub-1.py": B31,
        "lovelaceada_LATE_12345_678900_stub.py": A31,
        "lovelaceada_LATE_12345_678902_mask.py": A33,
        "turing_alan_7_5000_work.zip": zipped({"31_sdpa/stub.py": A31}),
        "éa_8_6000_31.py": A31,
        "gödelkurt_9_text.html": b"<p>",
        "LATE_anon_x7Yz_900_31.py": A31,
    }
    loose, packed = read(folder(content)), read(folder({"submissions.zip": zipped(content)}, "packed"))
    assert loose == packed and len(loose) == 5
    ada = loose["lovelaceada_12345"]
    assert (ada.name, ada.ids, pieces_of(ada)) == ("lovelaceada", {"canvas_id": "12345"}, {31: B31, 33: A33})
    assert ada.notes == ("late", "31: stub-1.py counts, not stub.py")
    assert (
        pieces_of(loose["turing_alan_7"]) == {31: A31}
        and loose["turing_alan_7"].pieces[31].place == "work.zip/31_sdpa/stub.py"
    )
    assert (
        loose["éa_8"].ids == {"canvas_id": "8"}
        and loose["anon_x7Yz"].ids == {}
        and loose["anon_x7Yz"].notes == ("late",)
    )
    assert loose["gödelkurt_9"].trouble == "gödelkurt_9_text.html is a text or a link that was typed in: hand in a file"


def test_moodle(folder):
    """Moodle's download: folders, flat names, or the zip of either; an online text is left out with a note."""
    content = {
        "Ada Lovelace_1234567_assignsubmission_file_/problems/31_sdpa/stub.py": A31,
        "Ada Lovelace_1234567_assignsubmission_onlinetext_/onlinetext.html": b"<p>",
        "Alan Turing_7_assignsubmission_file_stub.py": A31,
        "Participant_8_assignsubmission_file/31.py": A31,
        "Kurt Gödel_9_assignsubmission_onlinetext_x.html": b"<p>",
    }
    loose, packed = read(folder(content)), read(folder({"CS-Attention-77.zip": zipped(content)}, "packed"))
    assert {student: pieces_of(one) for student, one in loose.items()} == {
        student: pieces_of(one) for student, one in packed.items()
    }
    ada = loose["Ada_Lovelace_1234567"]
    assert (ada.name, ada.ids, pieces_of(ada)) == ("Ada Lovelace", {"moodle_id": "1234567"}, {31: A31})
    assert any("typed in" in note for note in ada.notes) and any(
        "typed in" in note for note in packed["Ada_Lovelace_1234567"].notes
    )
    assert (
        pieces_of(loose["Alan_Turing_7"]) == {31: A31}
        and loose["Participant_8"].name == ""
        and "typed in" in loose["Kurt_Gödel_9"].trouble
    )


def test_two_downloads_are_one_class(folder):
    """Two downloads side by side, one for each assignment, give each student once."""
    found = read(
        folder(
            {
                "submissions.zip": zipped({"ada_5_600_31.py": A31}),
                "submissions (1).zip": zipped({"ada_5_700_33.py": A33}),
            }
        )
    )
    assert {student: set(one.pieces) for student, one in found.items()} == {"ada_5": {31, 33}}


def test_one_of_a_download_costs_no_other_anything(folder, monkeypatch):
    """A packed download stays one whatever a student puts into it: a bomb, a line's end in a name; a file of no student
    is left out with a note."""
    monkeypatch.setattr(archive, "BOMB", (1 << 20, 100))
    content = {
        "ada_5_600_31.py": A31,
        "bob_6_601_31.py": B31,
        "eve_7_602_big.py": b"\0" * (4 << 20),
        "eve_7_603_a\nb-1.py": A33,
        "notes.txt": b"x",
    }
    class_ = arrivals(folder({"submissions.zip": zipped(content)}), ALL)
    ada, bob, eve = class_
    assert pieces_of(ada) == {31: A31} and pieces_of(bob) == {31: B31} and not ada.notes and not bob.notes
    assert eve.student == "eve_7" and {number: content for number, content in pieces_of(eve).items() if content} == {
        33: A33
    }
    assert class_.notes == ("left out of submissions.zip, since no student's name is on it: notes.txt",)
    pack = {"lovelaceada_5_600_31.py": A31, "mine/31.py": B31, "more/33.py": A33}
    assert set(read(folder({"mallory-1.zip": zipped(pack), "ada/31.py": A31}, "mail"))) == {"mallory-1", "ada"}


def test_who_hands_in_nothing_that_counts_is_there(folder):
    """Who has only files of the course, of a machine or no file at all in a packed download is told so, as in the
    unpacked one."""
    content = {
        "Ada L_1_assignsubmission_file_/31.py": A31,
        "Bob_2_assignsubmission_file_/.stub.py": SHIPPED,
        "Carl_3_assignsubmission_file_/env/31.py": A33,
    }
    loose, empty = folder(content), "Dan_4_assignsubmission_file_/"
    (loose / empty).mkdir()
    found = read(loose)
    assert list(found) == ["Ada_L_1", "Bob_2", "Carl_3", "Dan_4"] and all(
        found[name].trouble == EMPTY_HANDED for name in ("Bob_2", "Carl_3", "Dan_4")
    )
    for packed in (
        content | {empty: b"", ".DS_Store": b"", "__MACOSX/x": b""},
        {f"hw/{path}": data for path, data in content.items()} | {"hw/": b"", f"hw/{empty}": b"", "hw/.DS_Store": b""},
    ):
        again = read(folder({"CS-HW-77.zip": zipped(packed)}, f"packed{len(packed)}"))
        assert {name: (one.trouble, pieces_of(one)) for name, one in again.items()} == {
            name: (one.trouble, pieces_of(one)) for name, one in found.items()
        }


def test_github_classroom(folder):
    """Clones: the user is what follows the assignment's name, which the folder tells; the repository's and a machine's
    own files are not looked at."""
    course = {
        "problems/31_sdpa/stub.py": A31,
        "problems/31_sdpa/.stub.py": SHIPPED,
        "problems/31_sdpa/checks.py": A33,
        "problems/31_sdpa/attempt.py": A33,
        "grader/student/cli.py": A33,
        ".git/hooks/33.py": A33,
        ".venv/lib/33.py": A33,
        "__pycache__/33.py": A33,
        ".ipynb_checkpoints/33.ipynb": b"",
        "__MACOSX/33.py": A33,
        "._33.py": A33,
        ".DS_Store": b"",
    }
    found = read(
        folder(
            {f"attention-{user}/{path}": data for user in ("ada-gh", "alan") for path, data in course.items()},
            "attention-submissions",
        )
    )
    assert {student: one.ids for student, one in found.items()} == {
        f"attention-{user}": {"repository": f"attention-{user}", "github": user} for user in ("ada-gh", "alan")
    }
    assert all(pieces_of(one) == {31: A31} and not one.notes for one in found.values())
    renamed = read(
        folder(
            {f"hw-{user}/{path}": data for user in ("ada-gh", "ada-jones") for path, data in course.items()}, "renamed"
        )
    )
    assert [one.ids for one in renamed.values()] == [{"repository": "hw-ada-gh"}, {"repository": "hw-ada-jones"}], (
        "they are not gh and jones"
    )


def test_mixed(folder):
    """All shapes in one folder, and what is no submission is told."""
    where = folder(
        {
            "ada/stub.py": A31,
            "bob.zip": zipped({"31.py": A31}),
            "carl_31.py": A31,
            "dan_5_700_31.py": A31,
            "submissions.zip": zipped({"eve_6_800_31.py": A31}),
            "Kurt Gödel_9_assignsubmission_file_/31.py": A31,
            "roster.csv": b"x",
            ".DS_Store": b"",
        }
    )
    class_ = arrivals(where, ALL)
    assert [one.student for one in class_] == ["Kurt_Gödel_9", "ada", "bob", "carl", "dan_5", "eve_6"] and all(
        pieces_of(one) == {31: A31} for one in class_
    )
    assert class_.notes == ("left out, since it is no submission: roster.csv",)
    assert (
        [one.student for one in class_.people()] == [one.student for one in class_]
        and len(class_) == 6
        and [one.student for one in class_[:2]] == ["Kurt_Gödel_9", "ada"]
    )


# Which file counts.


def test_the_stub_in_its_place_wins(folder):
    """Two files for one problem: the one in the course's own place counts, else the latest; a note says so."""
    where = folder({"ada/problems/31_sdpa/stub.py": A31, "ada/31.py": B31, "bob/31.py": A31, "bob/old/31_sdpa.py": B31})
    os.utime(where / "ada/problems/31_sdpa/stub.py", (1, 1))
    os.utime(where / "bob/old/31_sdpa.py", (1, 1))
    found = read(where)
    assert pieces_of(found["ada"]) == {31: A31} and found["ada"].notes == (
        "31: problems/31_sdpa/stub.py counts, not 31.py",
    )
    assert pieces_of(found["bob"]) == {31: A31} and found["bob"].notes == ("31: 31.py counts, not old/31_sdpa.py",)


@pytest.mark.parametrize(
    "exact, other",
    [
        ("31.py", "31_old.py"),
        ("31.py", "31_v2.py"),
        ("31.py", "31 (1).py"),
        ("31.py", "31-backup.py"),
        ("31.py", "31.bak.py"),
        ("31.py", "my31.py"),
        ("31.py", "old/31.py"),
        ("31.py", "31_Copy.ipynb"),
        ("stub.py", "stub_v1.py"),
        ("stub.py", "stub (2).py"),
        ("sdpa.py", "old_sdpa.py"),
        ("31_sdpa.py", "31_sdpa_final.py"),
        ("31_sdpa.py", "attention.py"),
        ("31_sdpa/stub.py", "31_sdpa/stub_old.py"),
        ("problems/31_sdpa/stub.py", "backup/problems/31_sdpa/stub.py"),
        ("31_v2.py", "31_v1.py"),
        ("31_v10.py", "31_v9.py"),
        ("31_final.py", "31_v3.py"),
        ("answer_31.py", "answer_31_orig.py"),
        ("31.ipynb", "31_old.ipynb"),
    ],
)
@pytest.mark.parametrize("later", ["exact", "other", "neither"])
def test_exact_names_win(folder, exact, other, later):
    """Of two files the one that is called as the course calls it counts, whatever their dates, which unpacking and
    cloning change; the student is told of the choice."""
    answer, before = (
        notebook(text.decode()) if path.endswith(".ipynb") else text for path, text in ((exact, A31), (other, C31))
    )
    where = folder({f"ada/{exact}": answer, f"ada/{other}": before}, exact.replace("/", " "))
    for path in (exact, other):
        os.utime(where / "ada" / path, (1, 2 if path == {"exact": exact, "other": other}.get(later) else 1))
    ada = read(where, [PROBLEMS[31]])["ada"]
    assert (
        ada.pieces[31].place == exact
        and ada.told == {31: (f"{exact} counts, not {other}",)}
        and ada.notes == (f"31: {exact} counts, not {other}",)
    )


def test_one_answer_twice_is_no_choice(folder):
    """Of the same answer in two files, and of a stub that nobody touched, nothing is told."""
    ada = read(
        folder(
            {
                "ada/31.py": A31,
                "ada/31_old.py": A31,
                "ada/problems/31_sdpa/stub.py": SHIPPED,
                "ada/work.ipynb": notebook(A31.decode()),
            }
        )
    )["ada"]
    assert pieces_of(ada) == {31: A31} and not ada.notes and not ada.told


def test_an_untouched_stub_is_known_by_its_program(folder):
    """Blanks and comments in the stub as it ships do not make an answer of it, which would hide another file."""
    ada = read(folder({"ada/problems/31_sdpa/stub.py": b"# Ada, on Monday\n\n" + SHIPPED, "ada/31.py": A31}))["ada"]
    assert pieces_of(ada) == {31: A31} and not ada.told


def test_an_untouched_stub_never_hides_work(folder):
    """A stub as the course ships it counts only where nothing else was handed in for the problem."""
    found = read(
        folder(
            {
                "ada/problems/31_sdpa/stub.py": SHIPPED,
                "ada/notebooks/31_sdpa.ipynb": notebook("%%grade 31\n" + A31.decode()),
                "bob/problems/31_sdpa/stub.py": SHIPPED,
            }
        )
    )
    assert pieces_of(found["ada"]) == {31: A31} and pieces_of(found["bob"]) == {31: SHIPPED}


@pytest.mark.parametrize(
    "name, content",
    [
        ("work.zip", b"PK\x03\x04"),
        ("homework.ipynb", b"no json"),
        ("homework.py", b"#" * (2 << 20)),
        ("31.ipynb", b"no json"),
    ],
)
def test_what_cannot_be_read_is_not_taken_for_nothing(folder, name, content):
    """A damaged archive or notebook may hold the answer to each problem of which there is none else: each says that it
    could not be read, beside an untouched stub too."""
    found = read(
        folder({f"ada/{name}": content, "ada/problems/31_sdpa/stub.py": SHIPPED, "ada/33.py": A33}),
        asked=[PROBLEMS[31], PROBLEMS[33]],
    )
    assert (
        found["ada"].pieces[31].trouble.startswith(f"{name} ")
        and found["ada"].pieces[33].content == A33
        and all(piece.trouble for number, piece in found["ada"].pieces.items() if number != 33)
    )
    alone = read(folder({f"ada/{name}": content}, "alone"))["ada"]
    assert (alone.trouble or alone.pieces[31].trouble).startswith(f"{name} ")


def test_what_cannot_be_read_never_hides_work(folder):
    """Where one file for a problem cannot be read and another can, the other counts and a note tells of the first."""
    ada = read(folder({"ada/problems/31_sdpa/stub.py": b"", "ada/31.py": A31}))["ada"]
    assert (
        pieces_of(ada) == {31: A31}
        and "problems/31_sdpa/stub.py is empty: hand in the file with your answer" in ada.notes
    )


def test_names_against_content(folder):
    """Folder, then name, then content; a name that the content contradicts, such as a date, does not count; several
    problems in one file are each found."""
    both = A31 + A33
    found = read(
        folder(
            {
                "ada/33_causal_mask/stub.py": A31,
                "bob/2024-03-31.py": A33,
                "carl/all.py": both,
                "dan/31.py": both,
                "eve/attention.py": b"def sdpa(q, k, v:\n",
                "fay/attention.py": b'"""\ndef sdpa(): in a docstring\n"""\n',
                "gus/stub.py": b"x = 1\n",
            }
        )
    )
    assert {student: sorted(one.pieces) for student, one in found.items()} == {
        "ada": [33],
        "bob": [33],
        "carl": [31, 33],
        "dan": [31],
        "eve": [31],
        "fay": [],
        "gus": [],
    }
    assert (
        found["fay"].trouble
        == "there is no answer in it: hand in stub.py, or a zip of your problems folder (there is only attention.py)"
    )
    alone = read(folder({"gus/stub.py": b"x = 1\n"}, "one"), [PROBLEMS[31]])["gus"]
    assert pieces_of(alone) == {31: b"x = 1\n"}  # with one problem to hand in there is nothing to guess
    asked = read(folder({"gus/stub.py": b"def spda(q, k, v):\n    return v\n"}, "asked"), asked=[PROBLEMS[31]])["gus"]
    assert [*asked.pieces] == [31]  # nor where one is graded: the verdict tells the wrong name


@pytest.mark.parametrize("place", ["2024-10-31", "week 31", "31"])
def test_a_date_is_no_problem(folder, place):
    """A folder with no more than a number, such as a date's or a week's, does not hide an answer to another problem;
    where the file defines no name, the number tells."""
    found = read(
        folder(
            {
                f"ada/{place}/stub.py": A33,
                f"bob/{place}/stub.py": A31,
                f"carl/{place}/stub.py": b"x = 1\n",
                "dan/31_sdpa/stub.py": A33,
            }
        )
    )
    assert {student: [*one.pieces] for student, one in found.items()} == {
        "ada": [33],
        "bob": [31],
        "carl": [31],
        "dan": [31],
    }


def test_what_belongs_to_no_problem_is_a_note(folder):
    """Other files do no harm."""
    ada = read(folder({"ada/31.py": A31, "ada/plots.py": b"x = 1\n", "ada/report.pdf": b"%PDF"}))["ada"]
    assert pieces_of(ada) == {31: A31} and not ada.trouble and ada.notes == ("belongs to no problem: plots.py",)


def test_a_module_beside_the_answer_is_not_read(folder):
    """One file is graded: what it imports from another that was handed in is told to the student, and is no note on
    what belongs to no problem."""
    stub = b"from .helpers import softmax\nimport jax, parts.scores\n" + A31
    ada = read(
        folder(
            {
                "ada/31_sdpa/stub.py": stub,
                "ada/31_sdpa/helpers.py": b"softmax = 1\n",
                "ada/parts/scores.py": b"x = 1\n",
                "ada/jax/x.py": b"x = 1\n",
                "ada/other.py": b"x = 1\n",
            }
        )
    )["ada"]
    told = [
        f"{place} is not read: put what 31_sdpa/stub.py needs of it into that one file"
        for place in ("31_sdpa/helpers.py", "parts/scores.py")
    ]
    left = "belongs to no problem: jax/x.py, other.py"
    assert ada.told == {31: tuple(told), NO_PROBLEM: (left,)} and ada.notes == (*(f"31: {line}" for line in told), left)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
def test_utf_16_is_read(folder, codec):
    """Text as editors of Windows save it is read, wherever the problem is told, and the student is told to save it as
    UTF-8."""
    text = ("\ufeff" * (codec != "utf-16") + A31.decode()).encode(codec)
    found = read(folder({"ada/31.py": text, "bob/my answer.py": text, "eve/31.py": text + b"\xd8"}))
    for student, name in (("ada", "31.py"), ("bob", "my answer.py")):
        assert pieces_of(found[student]) == {31: A31}
        assert found[student].told == {31: (f"{name} is text in UTF-16, and was read so: save it as UTF-8",)}
    assert found["eve"].pieces[31].trouble.startswith("31.py is no text, or in an encoding that cannot be told: ")


NARROW = "31.py is no text in UTF-8, and was read as Windows-1252 (Latin-1): save it as UTF-8"


@pytest.mark.parametrize(
    "content, read_as, told",
    [
        (A31 + "# für Jürgen – 5 €\n".encode("cp1252"), A31 + "# für Jürgen – 5 €\n".encode(), NARROW),
        (A31 + b"# \x81\n", A31 + "# \x81\n".encode(), NARROW),
        (A31.decode().encode("utf-16-le"), A31, "31.py is text in UTF-16, and was read so: save it as UTF-8"),
        (A31.decode().encode("utf-16-be"), A31, "31.py is text in UTF-16, and was read so: save it as UTF-8"),
        (b"# coding: latin-1\n# \xfc\n" + A31, b"# coding: latin-1\n# \xfc\n" + A31, None),
    ],
)
def test_python_in_another_encoding_is_read(folder, content, read_as, told):
    """Python that was not saved as UTF-8 is read as what it is Python in, and the student is told; what names its own
    encoding is as it came."""
    ada = read(folder({"ada/31.py": content}))["ada"]
    assert pieces_of(ada) == {31: read_as} and ada.told == ({31: (told,)} if told else {})


@pytest.mark.parametrize(
    "name, content",
    [
        ("31.py", A31 + b"f\xfcr 5\n"),
        ("31.py", A31 + b"\0"),
        ("31.py", bytes(range(256))),
        ("31.py", b"# coding: klingon\n" + A31),
        ("31.py", b"# coding: ascii\n# \xfc\n" + A31),
        ("31.py", b"# coding: utf-8\n# \xfc\n(" + A31),
        ("work.ipynb", notebook("%%grade 31\n# coding: klingon\n" + A31.decode())),
        ("work.ipynb", notebook("%%grade 31\n" + A31.decode() + "# \0")),
    ],
)
def test_what_python_cannot_read_is_no_answer(folder, name, content):
    """What nobody can read is told as that, and never handed on to be graded as a wrong answer."""
    ada = read(folder({f"ada/{name}": content}))["ada"]
    assert ada.pieces[31].trouble == (
        f"{name} is no text, or in an encoding that cannot be told: save it as UTF-8, or hand in the file with your "
        "code"
    )


@pytest.mark.parametrize(
    "content, told",
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a picture (PNG)"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture (JPEG)"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a picture (WebP)"),
        (b"\0\0\0\x18ftypheic", "a picture (HEIC)"),
        (zipped({"31.py": A31}), "a zip archive"),
        (zipped({"[Content_Types].xml": b"<", "word/document.xml": b"<"}), "a Word document"),
        (tarred({"31.py": A31}), "a gzip archive"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", "a web page (HTML)"),
        (b"{\\rtf1\\ansi", "a document (RTF)"),
    ],
)
def test_what_is_something_else_than_its_name(folder, content, told):
    """A PDF, a picture, an archive or a page that is called as a stub or a notebook could not be read; what it is, and
    the name that was handed in, are told."""
    found = read(folder({"ada/31.py": content, "bob/31.ipynb": content, "eve/31.py": content, "eve/31_old.py": A31}))
    assert found["ada"].pieces[31].trouble == f"31.py is {told}, and no Python: hand in the file with your code"
    assert found["bob"].pieces[31].trouble.startswith(f"31.ipynb is {told}, and no notebook: ")
    assert (
        found["eve"].pieces[31].content == A31
        and f"31.py is {told}, and no Python: hand in the file with your code" in found["eve"].notes
    )
    assert read(folder({"ada/work.py": content}, "else"))["ada"].trouble.startswith(f"work.py is {told}, ")


@pytest.mark.parametrize(
    "start", [b"%", b"II = 1\n", b"BZ = 1\n", b"<", b"html = 1\n", b"", b"{}\n", b"PK = 1\n", b"# <html>\n"]
)
def test_what_begins_like_something_else(folder, start):
    """Python that begins with some of the same letters is Python."""
    assert pieces_of(read(folder({"ada/31.py": start + A31}))["ada"]) == {31: start + A31}


# Notebooks.


def test_a_notebook_by_another_name(folder):
    """A notebook that is called `.py` is read as the notebook it is, and the student is told."""
    ada, bob = (
        read(folder({"x/31.py": notebook(*made)}, str(at)))["x"]
        for at, made in enumerate((["%%grade 31\n" + A31.decode(), "1 / 0"], ["1 / 0"]))
    )
    assert pieces_of(ada) == {31: A31} and ada.told == {
        31: ("31.py is a notebook by another name, and was read as one: call it .ipynb",)
    }
    assert bob.pieces[31].trouble.startswith("31.py has no answer to 31")


def test_the_cell_of_the_course_is_the_stub(folder):
    """The last touched cell that begins with `%%grade 31` is the stub, comments above it included; nbformat 3 and 4, a
    source as text or as lines."""
    body = A31.decode()
    cells_ = [
        "import os",
        "%%grade 31\n" + SHIPPED.decode(),
        "# mine\n\n%%grade 31\n" + body,
        "%%grade 33\n" + A33.decode(),
        "%%grade 31\n" + SHIPPED.decode(),
        "sdpa(1, 2, 3)",
    ]
    for version in (3, 4):
        ada = read(folder({"ada/work.ipynb": notebook(*cells_, version=version)}, str(version)))["ada"]
        assert pieces_of(ada) == {31: ("# mine\n\n" + body).encode(), 33: A33}
    lines = read(folder({"ada/work.ipynb": notebook(["%%grade 31\n", *body.splitlines(True)])}, "lines"))["ada"]
    assert pieces_of(lines) == {31: A31}


NEXT = (
    "in work.ipynb, the cell that begins with `%%grade 31` is as it came, so what the other cells define counts: "
    "write your answer into that cell"
)
UNTOUCHED = "%%grade 31\n" + SHIPPED.decode()


@pytest.mark.parametrize(
    "cells_",
    [
        [UNTOUCHED, A31.decode()],
        [A31.decode(), UNTOUCHED],
        ["# first\n" + UNTOUCHED, "print(1)", A31.decode(), "sdpa(1, 2, 3)"],
    ],
)
def test_the_answer_in_the_next_cell(folder, cells_):
    """Where the cell of the course was left as it came, the cell that defines the answer counts, with what that cell
    would have imported; the student is told."""
    ada = read(folder({"ada/work.ipynb": notebook(*(cell.replace("(q, k", "(q: Array, k") for cell in cells_))}))["ada"]
    assert ada.pieces[31].content.decode() == "from jaxtyping import Array, Float\n\n" + A31.decode().replace(
        "(q, k", "(q: Array, k"
    ) and ada.told == {31: (NEXT,)}


def test_two_cells_of_the_course(folder):
    """Of two that differ the last counts, and the student is told; the same twice is no choice."""
    one, other = "%%grade 31\n" + A31.decode(), "%%grade 31\n" + B31.decode()
    ada, bob = (
        read(folder({f"{who}/work.ipynb": notebook(*made)}, who))[who]
        for who, made in (("ada", (one, other)), ("bob", (one, one)))
    )
    assert pieces_of(ada) == {31: B31} and ada.told == {
        31: ("in work.ipynb, of 2 cells that begin with `%%grade 31` the last one counts",)
    }
    assert pieces_of(bob) == {31: A31} and not bob.told


@pytest.mark.parametrize("text", ["%%grade 31\n" + A31.decode(), A31.decode(), f"```python\n{A31.decode()}```"])
@pytest.mark.parametrize("name", ["31.ipynb", "work.ipynb"])
def test_an_answer_in_a_markdown_cell(folder, text, name):
    """A cell that was made Markdown by mistake is read, and told; what a sentence quotes is no answer, and a cell of
    code counts before it."""
    ada, bob, carl = (
        read(folder({f"x/{name}": mixed(*cells_)}, str(at)))["x"]
        for at, cells_ in enumerate(
            (
                [("markdown", text), ("code", UNTOUCHED)],
                [("markdown", f"Write it so:\n\n{text}\n\nand run it.")],
                [("code", C31.decode()), ("markdown", text)],
            )
        )
    )
    assert [content.strip() for content in pieces_of(ada).values()] == [A31.strip()]
    assert ada.told == {
        31: (
            f"in {name}, the answer stands in a cell that is not Code, and was read as if it were: change the cell's "
            f"type to Code",
        )
    }
    assert not any(piece.content for piece in bob.pieces.values()) and pieces_of(carl) == {31: C31} and not carl.told


def mixed(*cells_) -> bytes:
    return json.dumps(
        {"nbformat": 4, "cells": [{"cell_type": kind, "source": source} for kind, source in cells_]}
    ).encode()


TRIAL = "import matplotlib.pyplot as plt\nplt.plot(sdpa(1, 2, 3))\n"
BY_JUPYTER = f"""#!/usr/bin/env python
# coding: utf-8

# # The problem

# In[1]:


get_ipython().run_line_magic('matplotlib', 'inline')
{TRIAL}
# In[2]:


get_ipython().run_cell_magic('grade', '31', {A31.decode()!r})


# In[ ]:


this is (broken
"""
BY_COLAB = f'''# -*- coding: utf-8 -*-
"""homework.ipynb

Automatically generated by Colab.

Original file is located at
    https://colab.research.google.com/drive/1
"""

!pip install flax
# Commented out IPython magic to ensure Python compatibility.
# %matplotlib inline
{TRIAL}
# Commented out IPython magic to ensure Python compatibility.
# %%grade 31
# def sdpa(q, k, v):
#     return v

"""# My notes"""
'''
PLAIN = f"# In[1]:\n\n\n{A31.decode()}\n\n# In[2]:\n\n\n{TRIAL}"
BY_JUPYTEXT = f"# %%\n{TRIAL}\n# %%\n# %%grade 31\n# def sdpa(q, k, v):\n#     return v\n"
IN_PERCENT = (
    f"# %%\n{TRIAL}\n# %% tags=['a']\n# %%grade 31\n{A31.decode()}\n# %% [markdown]\n# def of it\n\n# %%\n{TRIAL}"
)
IN_LIGHT = f"{TRIAL}\n# ## Your turn\n# + tags=['a']\n# %%grade 31\n{A31.decode()}\n# -\n\n# Some hints\n\n{TRIAL}"
WITHOUT_MARKS = f"{TRIAL}\n# Your turn\n\n# %%grade 31\n{A31.decode()}\n# %grade 31\n\n# Some hints\n\n{TRIAL}"
AS_TEXT = f"%load_ext grader\n\n{TRIAL}\n%%grade 31\n{A31.decode()}\n\n%grade 31\n\n{TRIAL}"


@pytest.mark.parametrize(
    "text",
    [
        BY_JUPYTER,
        BY_COLAB,
        BY_COLAB.replace("\n", "\r\n"),
        PLAIN,
        BY_JUPYTEXT,
        IN_PERCENT,
        IN_LIGHT,
        WITHOUT_MARKS,
        AS_TEXT,
    ],
)
@pytest.mark.parametrize("name", ["31.py", "homework.py"])
def test_a_notebook_that_was_exported_as_python(folder, text, name):
    """What Jupyter, Colab and jupytext write of a notebook is read as the notebook, without its trials, and the student
    is told."""
    ada = read(folder({f"ada/{name}": text.encode()}))["ada"]
    assert [content.strip() for content in pieces_of(ada).values()] == [A31.strip()]
    assert ada.told == {
        31: (
            f"{name} is a notebook that was exported as Python, and was read as one: hand in stub.py or the notebook "
            f"itself",
        )
    }


def test_remarks_below_the_magic_of_an_export_are_no_answer(folder):
    """A comment that mentions code, an attempt that was commented out, and a plus at the left edge of a function leave
    the code below them the answer."""
    answer = (
        "# import order matters\n# def sdpa(q, k, v):\n#     return q\ndef sdpa(q, k, v):\n# + the values\n    return v"
    )
    ada = read(folder({"ada/31.py": f"# %%\n{TRIAL}\n# %%\n# %%grade 31\n{answer}\n".encode()}))["ada"]
    assert [content.decode().strip() for content in pieces_of(ada).values()] == [answer]


@pytest.mark.parametrize("text", [UNTOUCHED, BY_JUPYTER.replace(repr(A31.decode()), repr(SHIPPED.decode()))])
def test_an_untouched_notebook_is_no_answer(folder, text):
    """A cell, or an export, that holds the stub as it ships stays what it is: not written."""
    ada = read(
        folder(
            {
                "ada/work" + (".ipynb" if text is UNTOUCHED else ".py"): notebook(text)
                if text is UNTOUCHED
                else text.encode()
            }
        )
    )["ada"]
    assert [content.decode().strip() for content in pieces_of(ada).values()] == [SHIPPED.decode().strip()]


def test_the_courses_own_notebooks_are_no_answers(folder):
    """Neither a lesson's cells nor its prose are taken for an answer."""
    where = folder({f"ada/{path.name}": path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")})
    ada = read(where)["ada"]
    assert {*ada.pieces} == {*PROBLEMS}
    for number, content in pieces_of(ada).items():
        assert pieces.same_text(content, PROBLEMS[number].pristine.read_bytes()) and not ada.told


def test_an_own_notebook(folder):
    """Without such a cell the stub is what the answer needs: imports, helpers, constants; not the plots, the trials and
    what only IPython reads."""
    sources = [
        "%matplotlib inline\nimport jax, jax.numpy as jnp\nimport matplotlib.pyplot as plt\n!pip install flax",
        "print('hello')\nSCALE = 0.5  # mine\nunused = open('/nowhere')",
        "%%time\ndef helper(x):\n    return x * SCALE",
        "%%bash\nrm -rf work",
        "@jax.jit\ndef sdpa(q, k, v):\n    return jnp.dot(helper(q), v)",
        "plt.plot([1])\nsdpa(1, 2, 3)",
        "this is (broken",
    ]
    ada = read(folder({"ada/work.ipynb": notebook(*sources)}))["ada"]
    assert (
        ada.pieces[31].content.decode()
        == """import jax, jax.numpy as jnp

SCALE = 0.5  # mine

def helper(x):
    return x * SCALE

@jax.jit
def sdpa(q, k, v):
    return jnp.dot(helper(q), v)
"""
    )


def test_a_notebooks_answer_is_told_things_outside_of_its_definition(folder):
    """A rule for the gradient, an entry in a table and the registration of a class belong to the answer; calls on what
    was imported, and on plots, do not."""
    kept = [
        "import jax, numpy as np\nimport matplotlib.pyplot as plt",
        "class Cache: pass",
        "jax.tree_util.register_pytree_node(Cache, flat, whole)",
        "def flat(c): return (), None\ndef whole(_, c): return Cache()",
        "TABLE = []\nTABLE.append(1)",
        "@jax.custom_vjp\ndef sdpa(q, k, v): return v, Cache, TABLE",
        "def forward(*a): return a\ndef backward(*a): return a",
        "sdpa.defvjp(forward, backward)",
    ]
    left = [
        "figure, axis = plt.subplots()",
        "axis.plot([1])",
        "np.testing.assert_allclose(sdpa(1, 2, 3), 1)",
        "jax.config.update('jax_enable_x64', True)",
    ]
    text = read(folder({"ada/work.ipynb": notebook(*kept, *left)}))["ada"].pieces[31].content.decode()
    assert all(part in text for part in kept[1:])
    assert "import jax, numpy as np" in text and "plt" not in text and not any(part in text for part in left)


def test_a_cell_of_empty_lines_is_read_at_once(folder):
    """The time to find IPython's own lines grows with their number, not with its square."""
    ada = read(
        folder(
            {
                "ada/work.ipynb": notebook(
                    "x y\n" + "\n" * 120_000 + "def sdpa(q, k, v): return v", "%%grade " + "9" * 5000
                )
            }
        )
    )["ada"]
    assert b"def sdpa" in ada.pieces[31].content


def test_a_broken_cell_is_handed_on(folder):
    """A cell with the answer that is no Python goes on as it is, so that the verdict can tell the line."""
    ada = read(folder({"ada/31.ipynb": notebook("import jax", "def sdpa(q, k, v:\n    return v")}))["ada"]
    assert b"def sdpa(q, k, v:" in ada.pieces[31].content


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"no json", "31.ipynb is no notebook that can be read: save it again from Jupyter, or hand in stub.py"),
        (b"[" * 100_000, "31.ipynb is no notebook that can be read: save it again from Jupyter, or hand in stub.py"),
        (b'{"cells": 5}', "31.ipynb is no notebook that can be read: save it again from Jupyter, or hand in stub.py"),
        (
            b'{"cells": [{"cell_type": "code", "source": [5]}]}',
            "31.ipynb is no notebook that can be read: save it again from Jupyter, or hand in stub.py",
        ),
        (
            notebook("x = 1"),
            "31.ipynb has no answer to 31: write it in the cell that begins with `%%grade 31`, or hand in stub.py",
        ),
        (
            notebook("x = 1\n" * 50_000),
            "31.ipynb holds too much code to find the answer in: write it in a cell that begins with `%%grade` and "
            "the number, or hand in stub.py",
        ),
        (
            notebook("%%grade 31\n" + "x = 1\n" * 200_000),
            "31.ipynb is larger than 1 MB: hand in your answer alone, without data and outputs",
        ),
    ],
)
def test_notebooks_that_cannot_be_read(folder, content, sentence):
    """Each has its sentence."""
    assert read(folder({"ada/31.ipynb": content}))["ada"].pieces[31].trouble == sentence


# What is hostile, broken or too much: the sentence that the student reads. Another student is always read beside.


def nested(depth, inner=b""):
    for level in range(depth):
        inner = zipped({f"level{level}.zip": inner} if level else {"31.py": A31})
    return inner


def lying(field, value) -> bytes:
    """A zip whose table of contents says something else of its only member."""
    data = bytearray(zipped({"31.py": A31 * 100}))
    at = data.rfind(b"PK\x01\x02")
    data[at + field : at + field + 4] = struct.pack("<I", value)
    return bytes(data)


def locked() -> bytes:
    data = bytearray(zipped({"31.py": A31}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + at] |= 1
    return bytes(data)


def overlapping(times=1500) -> bytes:
    """Many entries that share one member's bytes, as in a bomb without nesting."""
    data = zipped({"31.py": b"\0" * (1 << 20)})
    start = data.find(b"PK\x01\x02")
    entry, end = data[start : data.find(b"PK\x05\x06")], data[data.find(b"PK\x05\x06") :]
    return (
        data[:start] + entry * times + end[:8] + struct.pack("<HHII", times, times, len(entry) * times, start) + b"\0\0"
    )


def mode(name, kind) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    return info


BROKEN = "is damaged and cannot be unpacked: pack it again, and open it once yourself before you hand it in"
LEAVES = "leads out of its archive: pack your files under their own names, without `..` and without a drive"
LINK = "is a link, and links are not followed: hand in the file itself"
SPECIAL = "is no plain file: hand in a plain file"
BURSTS = "unpacks to far more than it should: hand in only your stubs"
CROWDED = "holds more than 10,000 files: hand in only your stubs"
LOCKED = "is locked with a password: hand in a zip without one"
PACKED = "is packed in a way that is not read here: hand in a plain .zip"
LARGE = "is larger than 1 MB: hand in your answer alone, without data and outputs"
EMPTY = "31.py is empty: hand in the file with your answer"
NOTHING = "there is no answer in it: hand in stub.py, or a zip of your problems folder"

HOSTILE = {
    "absolute": ("eve.zip", lambda: zipped({"/etc/31.py": A31}), f"etc/31.py {LEAVES}"),
    "climbs": ("eve.zip", lambda: zipped({"../../ada/31.py": A31}), f"../../ada/31.py {LEAVES}"),
    "climbs with backslashes": ("eve.zip", lambda: zipped({"..\\..\\ada\\31.py": A31}), f"../../ada/31.py {LEAVES}"),
    "drive": ("eve.zip", lambda: zipped({"C:\\31.py": A31}), f"C:/31.py {LEAVES}"),
    "climbs in a tar": ("eve.tar.gz", lambda: tarred({"../31.py": A31}), f"../31.py {LEAVES}"),
    "link in a zip": ("eve.zip", lambda: zipped({mode("31.py", stat.S_IFLNK): b"/etc/passwd"}), f"31.py {LINK}"),
    "device in a zip": ("eve.zip", lambda: zipped({mode("31.py", stat.S_IFCHR): b""}), f"31.py {SPECIAL}"),
    "link in a tar": (
        "eve.tar.gz",
        lambda: tarred({special("31.py", tarfile.SYMTYPE, "/etc/passwd"): b""}),
        f"31.py {LINK}",
    ),
    "hard link in a tar": (
        "eve.tar",
        lambda: tarred({special("31.py", tarfile.LNKTYPE, "../ada/31.py"): b""}, "w"),
        f"31.py {LINK}",
    ),
    "fifo in a tar": ("eve.tgz", lambda: tarred({special("31.py", tarfile.FIFOTYPE): b""}), f"31.py {SPECIAL}"),
    "device in a tar": ("eve.tgz", lambda: tarred({special("31.py", tarfile.CHRTYPE): b""}), f"31.py {SPECIAL}"),
    "bomb": ("eve.zip", lambda: overlapping(), f"eve.zip {BURSTS}"),
    "large member": ("eve.zip", lambda: zipped({"31.py": b"#" * (2 << 20)}), f"31.py {LARGE}"),
    "lies of its size": ("eve.zip", lambda: lying(24, 10), f"31.py {BROKEN}"),
    "lies of its checksum": ("eve.zip", lambda: lying(16, 10), f"31.py {BROKEN}"),
    "lies of its place": ("eve.zip", lambda: lying(42, 1 << 30), f"31.py {BROKEN}"),
    "bomb in a tar": (
        "eve.tar.gz",
        lambda: gzip.compress(tarred({"big": b"\0" * (300 << 20)}, "w"), 1),
        f"eve.tar.gz {BURSTS}",
    ),
    "a tar's header that asks for 8 GB": (
        "eve.tar",
        lambda: tarred({special("x", tarfile.XHDTYPE): b"x" * 600}, "w").replace(b"00000001130", b"77777777777"),
        f"eve.tar {BROKEN}",
    ),
    "many in a zip": ("eve.zip", lambda: zipped({f"{i}.txt": b"" for i in range(10_001)}), f"eve.zip {CROWDED}"),
    "many in a tar": ("eve.tar.gz", lambda: tarred({f"{i}.txt": b"" for i in range(10_002)}), f"eve.tar.gz {CROWDED}"),
    "deep in a zip": (
        "eve.zip",
        lambda: zipped({"a/" * 1000 + "31.py": A31}),
        "/".join("a" * 20)
        + " lies in folders nested more than 20 deep: hand in your stubs without the folders around them",
    ),
    "three archives deep": (
        "eve.zip",
        lambda: nested(3),
        "level2.zip/level1.zip is an archive in an archive in an archive: hand in one zip of your files",
    ),
    "too many archives": (
        "eve.zip",
        lambda: zipped({f"{i:02}.zip": zipped({"x.txt": b""}) for i in range(21)}),
        "20.zip is one archive too many: hand in one zip of your files",
    ),
    "password": ("eve.zip", lambda: locked(), f"31.py {LOCKED}"),
    "odd packing": ("eve.zip", lambda: zipped({"31.py": A31}, compression=zipfile.ZIP_LZMA), f"31.py {PACKED}"),
    "no zip at all": (
        "eve.zip",
        lambda: b"\n<html>not found</html>",
        "eve.zip is a web page (HTML), whatever it is called: hand in a plain .zip of your files",
    ),
    "a RAR archive": (
        "eve.zip",
        lambda: b"Rar!\x1a\7\0",
        "eve.zip is a RAR archive, whatever it is called: hand in a plain .zip of your files",
    ),
    "no archive at all": ("eve.zip", lambda: b"hello", f"eve.zip {BROKEN}"),
    "broken off": ("eve.zip", lambda: zipped({"31.py": A31 * 50})[:-30], f"eve.zip {BROKEN}"),
    "tar broken off": ("eve.tar.gz", lambda: tarred({"31.py": os.urandom(20_000)})[:-3000], f"eve.tar.gz {BROKEN}"),
    "nothing in it": ("eve.zip", lambda: zipped({}), EMPTY_HANDED),
    "no bytes": ("eve.zip", lambda: b"", f"eve.zip {BROKEN}"),
    "rar": ("eve.rar", lambda: b"Rar!", f"eve.rar {PACKED}"),
    "seven": ("eve.tar.xz", lambda: b"7z", f"eve.tar.xz {PACKED}"),
    "empty file": ("eve/31.py", lambda: b" \n", EMPTY),
    "large file": ("eve/31.py", lambda: b"#" * ((1 << 20) + 1), f"31.py {LARGE}"),
    "large notebook": (
        "eve/31.ipynb",
        lambda: b"#" * ((20 << 20) + 1),
        "31.ipynb is larger than 20 MB: hand in your answer alone, without data and outputs",
    ),
    "another kind": ("eve/answer.docx", lambda: b"PK", f"{NOTHING} (there is only answer.docx)"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_and_broken(folder, what):
    """Each has a plain sentence that says what is wrong and what to hand in, and the student beside it is read as
    ever."""
    name, made, sentence = HOSTILE[what]
    found = read(folder({name: made(), "ada/31.py": A31}))
    assert pieces_of(found["ada"]) == {31: A31} and not found["ada"].notes
    eve = found["eve"]
    assert (eve.trouble or eve.pieces[31].trouble) == sentence
    assert all(not piece.content for piece in eve.pieces.values())


def test_a_tall_tower_of_folders(folder, tmp_path):
    """Folders nested a thousand deep are not gone down to the end."""
    where = folder({"ada/31.py": A31, "eve/x.txt": b""})
    here = os.open(where / "eve", os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = read(where)
    subprocess.run(["rm", "-rf", where], check=True)  # what pytest tidies up with goes too deep for Python 3.11
    assert (
        found["eve"].trouble.endswith(
            "a/a lies in folders nested more than 20 deep: hand in your stubs without the folders around them"
        )
        and found["ada"].pieces
    )


def test_a_crowd_of_files(folder, monkeypatch):
    """A folder of more files than anyone hands in is left at the limit."""
    monkeypatch.setattr(files, "MANY", 50)
    where = folder({"ada/31.py": A31, **{f"eve/{i}/x.txt": b"" for i in range(60)}})
    assert read(where)["eve"].trouble == f"eve {CROWDED}" and pieces_of(read(where)["ada"]) == {31: A31}


def test_links_pipes_and_devices_in_folders(folder, tmp_path):
    """Links lead nowhere, to another student's work neither; a pipe is not waited for; what is no file says so."""
    where = folder({"ada/31.py": A31, "eve/x.txt": b""})
    (where / "eve/31.py").symlink_to(where / "ada/31.py")
    (where / "eve/33_causal_mask").symlink_to(tmp_path)
    os.mkfifo(where / "eve/32_multi_head_attention.py")
    (where / "gus").symlink_to(where / "ada")
    (where / "hal.zip").symlink_to("/etc/passwd")
    os.mkfifo(where / "ian.zip")
    os.mkfifo(where / "jan_31.py")
    found = read(where)
    assert (
        found["eve"].pieces[31].trouble == f"31.py {LINK}"
        and found["eve"].pieces[32].trouble == f"32_multi_head_attention.py {SPECIAL}"
    )
    assert set(found["eve"].pieces) == {31, 32} and f"33_causal_mask {LINK}" in found["eve"].notes
    assert {
        student: found[student].trouble or found[student].pieces[31].trouble for student in ("gus", "hal", "ian", "jan")
    } == {"gus": f"gus {LINK}", "hal": f"hal.zip {LINK}", "ian": f"ian.zip {SPECIAL}", "jan": f"jan_31.py {SPECIAL}"}


def test_unreadable(folder, monkeypatch):
    """A file and a folder that may not be read say so, and nothing else stops."""
    where = folder({"ada/31.py": A31, "eve/31.py": A31, "gus/x/31.py": A31})
    system_open, system_scan = os.open, os.scandir

    def may_open(path, *rest, **options):
        if "eve" in str(path):
            raise PermissionError(13, "Permission denied")
        return system_open(path, *rest, **options)

    def may_scan(path):
        if str(path).endswith("gus/x"):
            raise PermissionError(13, "Permission denied")
        return system_scan(path)

    monkeypatch.setattr(files.os, "open", may_open)
    monkeypatch.setattr(files.os, "scandir", may_scan)
    found = read(where)
    assert (
        found["eve"].pieces[31].trouble == "31.py cannot be read: Permission denied"
        and found["gus"].trouble == "x cannot be read: Permission denied"
    )
    assert pieces_of(found["ada"]) == {31: A31}


def test_two_members_of_one_name(folder):
    """Of two members of one name, or of names that differ in small and large letters, one counts and a note says so."""
    found = read(
        folder({"ada.zip": zipped([("31.py", A31), ("31.py", B31)]), "bob.zip": zipped({"31.py": A31, "31.PY": B31})})
    )
    assert all(
        len(one.notes) == 1 and "counts, not" in one.notes[0] and one.pieces[31].content in (A31, B31)
        for one in found.values()
    )


# Who.


def test_two_of_one_name_stay_two(folder):
    """A folder `ada`, `ada.zip`, `ADA` and a loose file of ada are each kept, told on each, and none overwrites another
    on any system."""
    where = folder(
        {
            "ada/31.py": A31,
            "ada.zip": zipped({"31.py": B31}),
            "ada.tar.gz": tarred({"33.py": A33}),
            "ada_31.py": A31,
            "ADA/31.py": A31,
        }
    )
    found = read(where)
    assert {student for student in found if not student.startswith("ada-")} == {
        "ADA",
        "ada.zip",
        "ada.tar.gz",
        "loose_files_of_ada",
    }
    assert len({student.casefold() for student in found}) == 5 and all(
        "handed in more than once, as " in one.notes[0] for one in found.values()
    )
    assert found == read(where)


@pytest.fixture
def week(folder, tmp_path):
    """What of a week's folder is whose in the gradebook, week after week: `week({"ada.zip": bytes})` is
    `{key: (contents, notes)}`."""
    numbers = itertools.count()

    def noted(content: dict[str, bytes]) -> dict[str, tuple]:
        where = folder(content, f"week{next(numbers)}")
        class_ = arrivals(where, ALL)
        with Gradebook(tmp_path / NAME) as book:
            _note(class_, book, where, ALL, Tally())
        return {one.student: (pieces_of(one), one.notes) for one in class_}

    return noted


TWICE = "handed in more than once, as {}: each is graded on its own; take away those that do not count"


def test_who_has_a_key_keeps_it(week):
    """Neither the work nor the points by hand of who was there first change hands when another of the same name comes
    in beside, on either side of it in order."""
    zip_, folder_, big = {"ada.zip": zipped({"31.py": A31, "33.py": A33})}, {"ada/31.py": B31}, {"ADA/31.py": B31}
    first = week(zip_ | {"Bob/31.py": A31, "bob/31.py": B31, "carl_33.py": A33})
    both = week(
        zip_
        | folder_
        | big
        | {
            "Bob/31.py": A31,
            "bob/31.py": B31,
            "BOB/33.py": A33,
            "carl_31.py": A31,
            "carl_33.py": A33,
            "carl.zip": zipped({"31.py": B31}),
        }
    )
    assert first["ada"][0] == both["ada"][0] == {31: A31, 33: A33}
    assert all(first[key][0] == both[key][0] for key in first if key.casefold().startswith("bob"))
    assert both["carl"][0] == {31: A31, 33: A33} and both["carl.zip"][0] == {31: B31}
    assert len(both) == len({key.casefold() for key in both}) == 8 and both["ada"][1] == (
        TWICE.format("ADA and ada and ada.zip"),
    )
    alone = week(folder_)
    assert set(alone) < set(both) and "ada" not in alone, "who was graded apart stays apart, also alone"
    assert set(week(zip_ | folder_ | {"ada.tar.gz": tarred({"31.py": A31})})) == {"ada", *alone, "ada.tar.gz"}


def test_another_form_is_the_same_student(week):
    """Who hands in a folder after a zip, and nobody else of that name is there, goes on with the same key, and a note
    tells it. A download's number needs none."""
    canvas = {"submissions.zip": zipped({"eve_5_600_31.py": A31})}
    assert week({"ada.zip": zipped({"31.py": A31})} | canvas) == {"ada": ({31: A31}, ()), "eve_5": ({31: A31}, ())}
    note = "handed in as ada.zip before: the last answer to each problem counts; rename it if it is another student's"
    for _ in range(2):  # the note stays as long as the work of both counts
        assert week({"ada/33.py": A33, "eve_5_700_33.py": A33}) == {
            "ada": ({33: A33}, (note,)),
            "eve_5": ({33: A33}, ()),
        }
    both = week({"ada/33.py": A33, "ada.zip": zipped({"31.py": A31})})
    assert {key: pieces for key, (pieces, _) in both.items()} == {"ada": {33: A33}, "ada.zip": {31: A31}}
    assert {*week({"Ada/33.py": A33})} == {"ada"}


@pytest.mark.parametrize("apart", [True, False])
def test_two_assignments_of_moodle_are_told(folder, tmp_path, apart):
    """Moodle's number belongs to one assignment: where a name comes with two, in one run or one after the other, a note
    says what to do."""
    one, other = (
        {
            f"CS-HW-{at}.zip": zipped(
                {
                    f"Ada Lovelace_{at}_assignsubmission_file_31.py": A31,
                    f"Eve_{at + 5}_assignsubmission_file_31.py": A31,
                }
            )
        }
        for at in (101, 205)
    )
    with Gradebook(tmp_path / NAME) as book:
        for content in (one, other) if apart else (one | other,):
            where = folder(content, "class" + "".join(content))
            class_ = arrivals(where, ALL)
            _note(class_, book, where, ALL, Tally())
    [note] = class_.notes
    assert note.startswith(
        "one name, and more than one number of Moodle's: Ada Lovelace (101, 205), Eve (106, 210). "
    ) and note.endswith("give each assignment a results folder of its own")


def test_nobody_hands_in_for_another(folder):
    """A student's zip with names of Canvas's in it is that student's; an id under another name is another student, for
    the roster to settle."""
    found = read(
        folder({"ada.zip": zipped({"31.py": A31}), "mallory.zip": zipped({"lovelaceada_12345_99999_31.py": B31})})
    )
    assert set(found) == {"ada", "mallory"} and pieces_of(found["mallory"]) == {31: B31}
    found = read(
        folder(
            {
                "lovelaceada_12345_600_31.py": A31,
                "a_12345_777_99999_31.py": B31,
                "mallory_6_700_lovelaceada_12345_99999_31.py": B31,
            },
            "canvas",
        )
    )
    assert pieces_of(found["lovelaceada_12345"]) == {31: A31} and set(found) == {
        "lovelaceada_12345",
        "a_12345",
        "mallory_6",
    }


def test_two_numbers_in_a_name_of_canvas_replace_no_other_file(folder):
    """Who is called as another with that one's number is kept apart, since a file's name may begin with numbers too;
    where nobody else is meant, such a file is its owner's."""
    mallorys = {"ada_12_666_70000_31.py": B31, "ada_12_666_70001_33.py": A33}
    found = read(folder({"ada_12_50001_31.py": A31, **mallorys}))
    assert {student: pieces_of(one) for student, one in found.items()} == {
        "ada_12": {31: A31},
        "ada_12_666": {31: B31, 33: A33},
    }
    assert found["ada_12"].ids == {"canvas_id": "12"} and found["ada_12_666"].ids == {} and not found["ada_12"].notes
    assert (
        found["ada_12_666"].notes[0]
        == "whose ada_12_666_70000_31.py is can be read in two ways, and somebody else has files under one of them: "
        "it is kept apart"
    )
    alone = read(
        folder(
            {"ada_12_50001_2024_10_05_31.py": A31, "eve_13_50002_31_sdpa.py": B31, "eve_13_50003_33.py": A33}, "alone"
        )
    )
    assert {student: (one.ids["canvas_id"], pieces_of(one)) for student, one in alone.items()} == {
        "ada_12": ("12", {31: A31}),
        "eve_13": ("13", {31: B31, 33: A33}),
    }
    nameless = read(folder({"4711_50001_310_31.py": A31, "4711_50002_33.py": A33}, "nameless"))
    assert {student: pieces_of(one) for student, one in nameless.items()} == {"4711": {31: A31, 33: A33}}


def test_names_that_command(folder):
    """Names that command a terminal, are no UTF-8, or that no system takes as a file's, give keys that are safe, and
    stay apart."""
    where = folder(
        {
            "eve\x1b[31m\n/31.py": A31,
            "con/31.py": A31,
            "-rf/31.py": A31,
            ("x" * 200) + "/31.py": A31,
            "ευα/31.py": A31,
            "<b>/31.py": A31,
        }
    )
    os.makedirs(os.fsencode(where) + b"/\xff\xfe")
    Path(os.fsdecode(os.fsencode(where) + b"/\xff\xfe/31.py")).write_bytes(A31)
    found = read(where)
    assert len(found) == 7 and all(pieces_of(one) == {31: A31} for one in found.values())
    for student, one in found.items():
        assert (
            safe(student) == student
            and len(os.fsencode(student)) < 200
            and student.isprintable()
            and one.name.isprintable()
        )
    assert "ευα" in found and "con" not in found


@given(st.text(min_size=1), st.text(min_size=1))
def test_keys_are_safe_names(one, other):
    """Any text gives a key that is a plain file name on every system, the same each time; two texts that differ in more
    than blanks and accents' spelling give two."""
    key = safe(one)
    assert (
        key == safe(one) == safe(key)
        and 0 < len(key.encode()) < 140
        and key.isprintable()
        and not set(key) & set('/\\:*?"<>| ')
        and key.strip(".-")
        and key[0] not in ".-"
    )
    squeezed = [" ".join(text.replace("_", " ").split()) for text in (one, other)]
    assert (
        key != safe(other)
        or one == other
        or not all(text.isascii() for text in squeezed)
        or squeezed[0] == squeezed[1]
        or key == safe(safe(other))
    )


def test_what_names_say():
    """A student chooses only the end of a download's names, so the leftmost reading is the one."""
    assert named("stub.py") is named("ada_31.py") is named("ada_31_2.py") is named("31_sdpa") is None
    ada = named("lovelaceada_LATE_12345_678901_x_1_2345_stub-2.py")
    assert (ada.student, ada.late, ada.rest, ada.order) == (
        "lovelaceada_12345",
        True,
        "x_1_2345_stub-2.py",
        (678901, 2),
    )
    eve = named("Eve_5_assignsubmission_file_Ada_6_assignsubmission_file_stub.py")
    assert (eve.student, eve.rest) == ("Eve_5", "Ada_6_assignsubmission_file_stub.py")


# The instructor's errors.


@pytest.mark.parametrize(
    "content, sentence",
    [
        ({}, "there is no folder WHERE: name the folder of submissions"),
        (
            {".DS_Store": b""},
            "WHERE is empty: put one folder or one zip for each student into it, or the download of Canvas or Moodle",
        ),
        (
            {"roster.csv": b""},
            "there is no submission in WHERE, only roster.csv: put one folder or one zip for each student into it",
        ),
        (
            {"grader/student/cli.py": b"", "problems/31_sdpa/stub.py": A31},
            "WHERE is the course itself: name the folder with the students' submissions",
        ),
        (
            {"problems/31_sdpa/stub.py": A31, "README.md": b""},
            "WHERE holds one student's files (problems): put them into a folder named after the student, and name the "
            "folder around it",
        ),
        (
            {"31_sdpa/stub.py": A31},
            "WHERE holds one student's files (31_sdpa): put them into a folder named after the student, and name the "
            "folder around it",
        ),
        (
            {"stub.py": A31},
            "WHERE holds one student's files (stub.py): put them into a folder named after the student, and name the "
            "folder around it",
        ),
        ({"submissions/ada_5_600_31.py": A31}, "the submissions lie one folder deeper: name WHERE/submissions"),
        (
            {"hw/ada/problems/31_sdpa/stub.py": A31, "hw/bob/problems/31_sdpa/stub.py": A31},
            "the submissions lie one folder deeper: name WHERE/hw",
        ),
    ],
)
def test_the_wrong_folder(folder, content, sentence):
    """What is no folder of submissions is told, with what would be right."""
    where = folder(content)
    with pytest.raises(UsageError) as told:
        arrivals(where, ALL)
    assert str(told.value) == sentence.replace("WHERE", str(where))


CANVAS = {"ada_5_600_31.py": A31, "bob_6_601_31.py": A31}


def within(*names: str, content=CANVAS) -> dict[str, bytes]:
    return {f"{name}/{path}": data for name in names for path, data in content.items()}


@pytest.mark.parametrize(
    "content, sentence",
    [
        (
            within("hw31", "hw33"),
            "the submissions lie one folder deeper: move what is in hw31, hw33 into one folder, and name that",
        ),
        (
            within("A/ada", "A/bob", "B/eve", "B/fay", content={"problems/31_sdpa/stub.py": A31}),
            "the submissions lie one folder deeper: move what is in A, B into one folder, and name that",
        ),
        (
            within("submissions") | {"submissions.zip": zipped(CANVAS)},
            "submissions and submissions.zip in WHERE are one download, unpacked and packed: take one of them away",
        ),
    ],
)
def test_classes_side_by_side(folder, content, sentence):
    """Several classes in a folder, or one twice, are not taken for as many students."""
    test_the_wrong_folder(folder, content, sentence)


def test_a_class_among_students_is_a_note(folder):
    """What may be a class's or one student's is graded as a student's and told: what lies in a folder is the student's
    choice, and stops nothing."""
    where = folder({"ada/31.py": A31, **within("mallory")})
    class_ = arrivals(where, ALL)
    assert [one.student for one in class_] == ["ada", "mallory"]
    assert class_.notes == (
        f"mallory looks like a class, and is graded as one student's: if it is one, move what is in it up into {where}",
    )
    sections = arrivals(folder(within("A/ada", "A/bob", "B/eve", "B/fay", content={"31.py": A31}), "sections"), ALL)
    assert [one.student for one in sections] == ["A", "B"]
    assert sections.notes == (
        "in A, B several folders answer the same problem, and only one of them counts: if they are students', move "
        "what is in A, B into one folder, and name that",
    )


@pytest.mark.parametrize(
    "content",
    [
        within(
            "attention-mallory", content=CANVAS | {".git/HEAD": b"", "x/problems/31.py": A31, "y/problems/31.py": A31}
        ),
        within("ada", content={"31_sdpa/stub.py": A31, "33_causal_mask/stub.py": A33}),
        within("ada", content={"week 1/31.py": A31, "week 2/33.py": A33}),
        within("ada", "bob", content={"problems/31_sdpa/stub.py": A31, "notebooks/31_sdpa.ipynb": notebook("x = 1")}),
        within("ada-31", "bob-31", content={"lovelaceada_5_600_31.py": A31}),
        within("ada", content={"lovelaceada_5_600_31.py": A31, "problems/31_sdpa/stub.py": A31}),
    ],
)
def test_one_students_folder_is_no_class(folder, content):
    """A clone, folders of problems or weeks, a whole course, a file with a download's name: none of it is taken for a
    class."""
    class_ = arrivals(folder(content), ALL)
    assert {one.student for one in class_} == {path.split("/")[0] for path in content} and not class_.notes


def test_a_file_in_the_place_of_the_folder(folder):
    """So is a file."""
    where = folder(
        {
            "submissions.csv": b"",
            "submissions.zip": b"PK",
            "ada.zip": zipped({"problems/31_sdpa/stub.py": A31}),
            "none.zip": zipped({".DS_Store": b""}),
        }
    )
    for name, sentence in {
        "submissions.csv": "WHERE is a file: name the folder of submissions that it lies in, or the download as a zip",
        "submissions.zip": "WHERE is damaged and cannot be unpacked: unpack it yourself, and name the folder",
        "none.zip": "there is no submission in WHERE",
        "ada.zip": "WHERE holds one student's files (problems): name the folder that it lies in",
    }.items():
        with pytest.raises(UsageError) as told:
            arrivals(where / name, ALL)
        assert str(told.value) == sentence.replace("WHERE", str(where / name))


FOLDERS = {
    "ada/31_sdpa/stub.py": A31,
    "bob.zip": zipped({"31.py": A31}),
    "carl_31.py": A31,
    "carl_33.py": A33,
    "dan/.git/HEAD": b"",
    "dan/31.py": A31,
    "dan/env/33.py": A33,
    "eve/31.py": b"",
}
BY_CANVAS = {
    "ada_5_600_31.py": A31,
    "bob_6_601_work.zip": zipped({"inner.zip": zipped({"31.py": A31})}),
    "eve_LATE_7_602_31.py": A31,
}
BY_MOODLE = {
    "Ada L_1_assignsubmission_file_/31.py": A31,
    "Bob_2_assignsubmission_file_/work.zip": zipped({"inner.zip": zipped({"31.py": A31})}),
    "Eve_3_assignsubmission_file_/31.py": b"",
}


@pytest.mark.parametrize("content", [FOLDERS, BY_CANVAS, BY_MOODLE])
@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("around", ["", "hw31/"])
def test_packing_changes_nothing(folder, content, pack, around):
    """A class is read the same unpacked, as one archive that is the argument, and, of a download, as an archive in a
    folder: who, what counts, and what is told."""
    packed = pack({f"{around}{path}": data for path, data in content.items()})
    name = "submissions.zip" if pack is zipped else "submissions.tar.gz"
    where = folder({name: packed}, "packed")
    unpacked, argument = read(folder(content)), read(where / name)

    def told(found):
        return {
            student: (
                one.name,
                one.ids,
                pieces_of(one),
                bool(one.trouble),
                [*one.told],
                [note for note in one.notes if "31" not in note],
            )
            for student, one in found.items()
        }

    assert told(argument) == told(unpacked) and any(
        content for one in argument.values() for content in pieces_of(one).values()
    )
    if content is not FOLDERS:
        assert told(read(where)) == told(unpacked)


def test_a_nameless_file_hides_nobody(folder):
    """Among others a file without a name is told of as a submission of its own."""
    found = read(folder({"stub.py": A31, "ada/31.py": A31}))
    assert found["stub.py"].trouble == "stub.py does not say whose it is: name it after the student, such as ada_31.py"
    assert pieces_of(found["ada"]) == {31: A31}


# Whatever the bytes.


def chopped(data: bytes, at: int, cut: int, put: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + put + data[at + cut :]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["zip", "tar", "tar.gz"]),
    at=st.integers(0, 4000),
    cut=st.integers(0, 40),
    put=st.binary(max_size=40),
)
def test_no_bytes_break_it(kind, at, cut, put):
    """Whatever is done to an archive's bytes, it is read or refused with a sentence, and nothing that it names leaves
    it."""
    members = {
        "problems/31_sdpa/stub.py": A31,
        "x/work.ipynb": notebook("def sdpa(): pass"),
        "inner.zip": zipped({"33.py": A33}),
    }
    data = chopped(zipped(members) if kind == "zip" else tarred(members, "w"), at, cut, put)
    data = gzip.compress(data) if kind == "tar.gz" else data
    work = pieces.Work(pieces.Course(ALL))
    try:
        work.take(archive.in_archive(io.BytesIO(data), f"eve.{kind}"), 1)
    except files.Refused as refusal:
        assert ": " in str(refusal)
    found = {problem.number: work.piece(problem) for problem in ALL}
    assert all(".." not in file.parts and file.place.isprintable() for file in work.files if not file.trouble)
    assert all(bool(piece.content) != bool(piece.trouble) for piece in found.values() if piece)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=400)
    | st.text(max_size=200).map(str.encode)
    | st.lists(st.text(max_size=60)).map(lambda texts: notebook(*texts))
)
def test_no_content_breaks_it(content):
    """Whatever a notebook or a file of Python holds, it gives cells, names and an answer without an error."""
    found = cells.notebook(content) or cells.Notebook([], [])
    for problem in ALL[:3]:
        cells.graded(found.code, problem)
        assert isinstance(cells.defining([*found.code, "def sdpa(): pass"], problem), str)
    assert cells.defines(content, ALL) <= set(PROBLEMS)


def test_a_class_of_many(folder):
    """Nothing of a submission is kept once it was read: a large class takes the memory of one student."""
    class_ = arrivals(folder({f"s{i}/31.py": A31 + b"#" * 1000 for i in range(50)}), ALL)
    assert sum(len(one.pieces[31].content) for one in class_) == 50 * (len(A31) + 1000)
    assert not any(A31 in str(value).encode() for value in vars(class_).values())


def test_what_nobody_thought_of_costs_no_other_student_anything(folder, monkeypatch):
    """A file that the reader itself fails on is that student's trouble, with a sentence."""

    def fails(self, problem, asked=pieces.Work.piece):
        if any(b"eve" in file.read(100) for file in self.files):
            raise IndexError
        return asked(self, problem)

    monkeypatch.setattr(pieces.Work, "piece", fails)
    found = read(folder({"ada/31.py": A31, "eve/31.py": b"eve = 1\n"}))
    assert found["eve"].trouble == "eve cannot be read (IndexError): hand in stub.py alone" and pieces_of(
        found["ada"]
    ) == {31: A31}


def test_a_file_of_another_kind_by_the_name_of_an_answer(folder):
    """`31.pdf` could not be read, so that nobody imports a 0 for it; notes about a problem are no answer."""
    ada = read(
        folder({"ada/31.pdf": b"%PDF", "ada/33.py": A33, "ada/32_notes.pdf": b"%PDF", "ada/34_padding_mask.docx": b"x"})
    )["ada"]
    assert {number: piece.trouble for number, piece in ada.pieces.items()} == {
        31: "31.pdf is a PDF file, and no Python: hand in the file with your code",
        33: "",
        34: "34_padding_mask.docx is a DOCX file, and no Python: hand in the file with your code",
    }
