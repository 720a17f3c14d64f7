"""How points came about: rows whose sum is the share, whatever passed and failed, and a total that follows from
them."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from grader.classroom.arrivals.submission import Student
from grader.classroom.book.entries import Circumstances, Grade
from grader.classroom.book.exports import grades_csv
from grader.classroom.book.late import Lateness
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import MOST, Credit, credit
from grader.classroom.book.reckoning import CAPPED, HEAD, MISSING, UNCOUNTED, reckoning, total
from grader.classroom.book.rules import Grading
from grader.classroom.orders import Tally
from grader.classroom.pages import wording
from grader.classroom.pages.machine import class_report
from grader.classroom.pages.overview import report
from grader.course.verdict import EntryVerdict
from tests import made_up
from tests.made_up import CASES, FAILED, NOT_WRITTEN, PASSED

CHECKS = [(f.check.kind, f.check.case) for f in made_up.findings("sdpa")]


def of(verdict, weight: float = 1.0) -> Mark:
    grade = Grade("ada", 31, "", "", 1, 1, verdict.status, (), Circumstances(), b"")
    return Mark(31, weight, grade, credit(verdict, made_up.PROPERTIES[31]))


@pytest.mark.parametrize("seed", range(30))
def test_the_rows_add_up(seed):
    """What the rows earn is what the sum says, and the points follow from it: of one name and of several, whatever
    failed."""
    rng = random.Random(seed)
    entries = [
        EntryVerdict(f"f{n}", FAILED, made_up.findings(f"f{n}", rng.sample(CHECKS, rng.randrange(1, 8))))
        for n in range(rng.randrange(1, 4))
    ]
    entries += [EntryVerdict("g", PASSED, made_up.findings("g"))] * rng.randrange(2) + [
        EntryVerdict("h", NOT_WRITTEN)
    ] * rng.randrange(2)
    mark = of(made_up.verdict(31, FAILED, *entries), 2.0)
    found = reckoning(mark)
    *rows, last = found.rows
    assert all(len(row) == len(HEAD) for row in found.rows)
    assert sum(float(row[4]) for row in rows) == pytest.approx(float(last[4]), abs=0.0006 * len(rows)) and sum(
        float(row[3]) for row in rows
    ) == pytest.approx(1, abs=0.01)
    assert float(last[4]) == pytest.approx(mark.credit.share, abs=0.0056)
    assert found.sentences[-1].endswith(f" × 2 = {mark.points:.2f}".rstrip("0").rstrip(".") + ".")


def test_more_checks_for_fewer_points_is_explained():
    """Nine checks may earn less than seven: what passed and does not count is told apart from what counts, and why."""
    right_forward = of(
        made_up.verdict(
            31,
            FAILED,
            EntryVerdict(
                "sdpa", FAILED, made_up.findings("sdpa", [(kind, case) for kind in ("vmap", "grad") for case in CASES])
            ),
        )
    )
    small_and_wrong = of(made_up.wrong(31))
    assert UNCOUNTED in reckoning(small_and_wrong).sentences and UNCOUNTED not in reckoning(right_forward).sentences
    assert [row[1:3] for row in reckoning(small_and_wrong).rows] == [
        ("6 of 14", "4"),
        ("1 of 1", "0"),
        ("2 of 2", "0"),
        ("9 of 17", "4"),
    ]


def test_how_missing_parts_are_shared_out_is_told():
    """A worth such as 0.857 follows from a sentence beside the sum: which parts of ten are not asked for, and what the
    others have of the rest; with several names, what each of them is worth."""

    def without(name: str, *kinds: str) -> EntryVerdict:
        found = made_up.findings(name, [("eager", CASES[1])])
        return EntryVerdict(name, FAILED, tuple(f for f in found if f.check.kind not in kinds))

    def told(*entries: EntryVerdict) -> list[str]:
        return [line for line in reckoning(of(made_up.verdict(31, FAILED, *entries))).sentences if " = " in line][:-1]

    assert told(without("f")) == []
    assert told(without("f", "proof")) == [
        "Of the 10 parts those for claims about the program are not asked for, and are shared out: values 6 / 7 = "
        "0.857, what is asked of the whole 1 / 7 = 0.143."
    ]
    assert told(without("f", "proof", "traces", "leaks")) == [
        "Of the 10 parts those for claims about the program and what is asked of the whole are not asked for, and are "
        "shared out: values 6 / 6 = 1."
    ]
    assert told(without("f", "proof"), without("g"), without("h", "proof")) == [
        "Each of the 3 names is worth 1 / 3 = 0.333.",
        "Of the 10 parts of `f` and `h` those for claims about the program are not asked for, and are shared out: "
        "values 6 / 7 / 3 = 0.286, what is asked of the whole 1 / 7 / 3 = 0.048.",
    ]
    worth = [row[3] for row in reckoning(of(made_up.verdict(31, FAILED, without("f", "proof")))).rows]
    assert worth == ["0.857", "0.143", "1"]


def test_the_cap_is_told():
    """What did not pass has 0.99 at most, and where that costs something it is said."""
    many = [EntryVerdict(f"f{n}", PASSED, made_up.findings(f"f{n}")) for n in range(30)]
    almost = of(
        made_up.verdict(31, FAILED, *many, EntryVerdict("g", FAILED, made_up.findings("g", [("leaks", CASES[-1])])))
    )
    assert almost.credit.share == MOST and CAPPED in reckoning(almost).sentences


@pytest.mark.parametrize("verdict", [made_up.passed(), made_up.untouched(), made_up.no_python(), made_up.at_fault()])
def test_nothing_to_add_up(verdict):
    """A pass, and what was not judged, need no table."""
    assert reckoning(of(verdict)) is None


def test_the_total():
    """The points of the problems, their sum, and how it is scaled; nothing where the one problem's points are the
    total, and no 0 for what is blank."""
    marks = {31: of(made_up.passed(), 1.0), 33: Mark(33, 3.0)}
    assert total({33: marks[33]}, Grading({33: 3.0})) == "–: nothing that counts was handed in, so there is no total."
    assert total(marks, Grading({31: 1.0, 33: 3.0})) == f"1 + – = 1 of 4 points, and 1 × 100 / 4 = 25.{MISSING}"
    assert total(marks, Grading({31: 1.0, 33: 3.0}, maximum=4)) == f"1 + – = 1 of 4 points.{MISSING}"
    unread = {31: marks[31], 33: Mark(33, 3.0, unread=True)}
    assert total(unread, Grading({31: 1.0, 33: 3.0})) == "1 + –: there is no total until each of them has points."
    assert total({31: marks[31]}, Grading({31: 1.0}, maximum=1)) == "" == total({}, Grading({31: 0.0}))


def equations(told: str) -> list[tuple[str, str]]:
    """Both sides of each equation in what is told, with 0 for what adds nothing."""
    return re.findall(r"((?:[\d.]+|–)(?: [×/+] (?:[\d.]+|–))+) = ([\d.]*\d)", told)


@pytest.mark.parametrize("share, weight, cost", [(0.21, 1, 0.2), (0.37, 2.5, 0.15), (0.99, 7, 0.125), (1, 3, 0.3333)])
@pytest.mark.parametrize("maximum", [100, 3, "sum"])
def test_each_line_follows_from_the_one_before(share, weight, cost, maximum):
    """What late work costs is told in as many digits as it takes, so that whoever computes each line from the one
    before gets the points and the total of grades.csv and of the JSON."""
    maximum = weight + 1 if maximum == "sum" else maximum
    late = Lateness(2, cost, "late by 2 days")
    one = replace(of(made_up.wrong(31), weight), credit=Credit(share, share), late=late)
    grading, other = Grading({31: weight, 33: 1.0}, maximum=maximum), replace(of(made_up.passed(33)), problem=33)
    by_problem = {31: one, 33: other}
    points = grading.total({number: mark.points for number, mark in by_problem.items()})
    row = Marks(Student("ada", "Ada", {}, "", ()), by_problem, points)
    told, summed = wording.late(one), total(by_problem, grading)
    for left, right in equations(told) + equations(summed):
        assert float(right) == round(eval(left.replace("×", "*")), len(right.partition(".")[2]) or 0)
    _, *cells, _ = grades_csv([row], grading).splitlines()[1].split(",")
    data = class_report([row], grading, report([row], {}), Tally())["students"][0]
    by_points, in_all = equations(told)[-1][1], equations(summed)[-1][1]
    assert cells[-3:] == [by_points, "1", in_all]
    assert [*(f"{mark['points']:g}" for mark in data["problems"]), f"{data['total']:g}"] == cells[-3:]
    assert wording.total(row) == in_all and equations(summed)[0][0].startswith(by_points)
