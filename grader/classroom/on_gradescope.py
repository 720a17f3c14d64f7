"""What Gradescope's container does with a submission: it is read and graded as in a class run, and `results.json` says
what came of it.

The container is bare: of the limits that a submission needs it may give few. Those that it cannot give are waived, and
named to instructors alone. The exams and the results belong to root and no submission runs as root, so they are out of
reach even where no other wall stands. The results are written once all that a submission started has ended. Where the
course or the grader is at fault there are none: Gradescope then tells the instructor, and nobody gets a 0.

What could not be read has no score, which by Gradescope's documentation a test may lack where the whole has one. The
whole may not lack it: so where nothing could be read there are no results either, which Gradescope shows as the
autograder's failure, without a score.

No test is hidden: by Gradescope's documentation of `visibility` a hidden one may keep the total from the student. What
only instructors should know is printed, which Gradescope shows to them alone unless `stdout_visibility` says otherwise.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from grader.classroom.arrivals.arrivals import submitted
from grader.classroom.arrivals.submission import NO_PROBLEM, Submission
from grader.classroom.book.entries import Record, Wanted, digest_of
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.late import Came, Policy
from grader.classroom.book.marks import Mark, Marks, marks
from grader.classroom.book.metadata import Metadata, metadata
from grader.classroom.book.rules import Grading
from grader.classroom.book.unread import unread
from grader.classroom.gradescope import ABOUT, LATE
from grader.classroom.grading.exam import Exam, unpacked
from grader.classroom.grading.hands import Hands, Job
from grader.classroom.grading.marker import LIMITS
from grader.classroom.pages.escape import plain
from grader.classroom.pages.feedback_markdown import said
from grader.classroom.pages.wording import evidence, how, told
from grader.classroom.results import properties_of_all
from grader.classroom.walls.walls import LIMITS as WALLS
from grader.course.problem import CourseError, Problem, discover
from grader.course.select import UsageError
from grader.course.verdict import Status
from grader.process import store
from grader.process.child import ROOT
from grader.report import machine, words

SECONDS = 480  # for everything: Gradescope ends an autograder after 600, and gives a 0
METADATA = "submission_metadata.json"
# of these for each piece that is still to come: more than a right answer takes there
RESERVE = 20
ALL_WELL = "Every limit was in place, and there is nothing to look at."
UNREADABLE = "the exam of {number} is missing or damaged: build the autograder again, and upload it"
BLANK = (
    "Nothing was graded, since nothing could be read: {why} So that this is no 0, there is no score, and Gradescope "
    "says that the autograder failed. "
    "Tell the student, who does not see this, or give the points by hand."
)
WITHOUT = "The score is without what could not be read ({which}) and has no points yet."
UNDATED = (
    "late work cannot be told here: submission_metadata.json has no date that could be read, so that nothing "
    "was taken off"
)


class NothingRead(Exception):
    """Something arrived, and nothing of it could be read."""


def main(autograder: Path) -> int:
    """Grades what lies in `submission/`, and gives 0 where `results/results.json` says what came of it."""
    results = autograder / "results/results.json"
    results.unlink(missing_ok=True)
    try:
        _lock(autograder)
        report, notes = graded(autograder)
    except NothingRead as error:
        print(error)
        return 2
    except (CourseError, UsageError, OSError) as error:
        print(f"Nothing was graded, by no student's fault: {error}")
        return 2
    if not store.write(results, json.dumps(report, indent=1, ensure_ascii=False).encode("utf-8", "replace")):
        print(f"Nothing was graded, by no student's fault: {results} cannot be written")
        return 2
    print("\n".join(notes) or ALL_WELL)
    return 0


def _lock(autograder: Path) -> None:
    """What is none of a submission's business is root's alone."""
    for place in (autograder, ROOT):
        place.chmod(0o755)  # whoever might write there could put something else in their places
    for place in (
        ROOT / "exams",
        ROOT / LATE,
        autograder / "results",
        autograder / "submission",
        autograder / METADATA,
    ):
        if place.exists():
            place.chmod(0o700 if place.is_dir() else 0o600)


def graded(autograder: Path) -> tuple[dict, list[str]]:
    """The results, as Gradescope wants them, and what instructors alone should know.

    Raises:
        NothingRead: there are none, since nothing could be read.
        CourseError, OSError: there are none, by no student's fault.
    """
    problems = discover(ROOT)
    about = json.loads((ROOT / ABOUT).read_text(encoding="utf-8"))
    told = metadata(autograder / METADATA)
    policy = told.extended(Policy.unpacked((ROOT / LATE).read_text(encoding="utf-8")))
    grading = Grading(
        {int(number): points for number, points in about["points"].items()}, about["partial"], about["maximum"], policy
    )
    submission = replace(submitted(autograder / "submission", problems), ids=told.ids)
    with tempfile.TemporaryDirectory() as folder, Gradebook(Path(folder) / NAME) as book:
        book.arrived([submission])
        missing = _grade(submission, problems, about["course"], autograder, book)
        book.note(_came(submission, told))
        [row] = marks(book, grading, properties_of_all(problems))
    for mark in row.by_problem.values():
        if mark.unjudged:
            raise CourseError(f"the grader failed on the answer to {mark.problem}: {mark.unjudged}")
    if all(mark.undecided for mark in row.by_problem.values()):
        raise NothingRead(
            BLANK.format(
                why=words.sentence(row.student.trouble or next(mark.trouble for mark in row.by_problem.values()))
            )
        )
    titles = {problem.number: problem.title for problem in problems}
    results = results_of(
        row, grading, titles, missing, [str(autograder), str(ROOT), str(Path.home()), tempfile.gettempdir()]
    )
    notes = [f"graded without the limit {name!r}: {WALLS[name]}; but here {seen}" for name, seen in missing.items()]
    notes += [UNDATED] if policy.per_day and not told.created else []
    notes += (
        [WITHOUT.format(which=", ".join(unread)) + " Have it handed in again, or give its points by hand."]
        if (unread := _unread(row))
        else []
    )
    return results, [*notes, *dict.fromkeys((*row.flags, *row.student.notes))]


def _unread(row: Marks) -> list[str]:
    """The problems that count and have no points yet."""
    return [str(mark.problem) for mark in row.by_problem.values() if mark.undecided and mark.weight]


def _came(submission: Submission, told: Metadata) -> dict[Wanted, Came]:
    """When each piece came, where Gradescope says so."""
    which = [Wanted(submission.student, piece.problem, digest_of(piece)) for piece in submission.pieces.values()]
    return {one: came for one in which if (came := told.came(one.problem, one.digest))}


def _grade(
    submission: Submission, problems: list[Problem], course: str, autograder: Path, book: Gradebook
) -> dict[str, str]:
    """Writes down the verdict on each piece, and gives the limits that were missing."""
    by_number = {problem.number: problem for problem in problems}
    jobs = []
    for piece in submission.pieces.values():
        wanted = Wanted(submission.student, piece.problem, digest_of(piece))
        if piece.trouble:
            book.record(
                Record(wanted, machine.data(unread(by_number[piece.problem], piece)), piece.content, piece.place)
            )
        else:
            jobs.append(Job(wanted, piece.content, piece.place))
    if not jobs:
        return {}
    exams = {job.wanted.problem: _exam(by_number[job.wanted.problem]) for job in jobs}
    hands = Hands(
        ROOT,
        exams,
        0,
        waived=WALLS,
        hidden=[ROOT / "exams", ROOT / LATE, autograder / "results", autograder / "submission"],
        cores=1,
    )
    end = time.monotonic() + SECONDS
    try:
        for left, job in zip(range(len(jobs) - 1, -1, -1), jobs):
            exam = exams[job.wanted.problem]
            # a prover has it once more
            share = (end - time.monotonic() - left * RESERVE) / (2 if exam.proves else 1)
            hands.marker.limits = replace(LIMITS, total=min(LIMITS.total, max(share, 1)))
            record = hands.grade(job, exam)
            book.record(replace(record, under=replace(record.under, course=course)))
    finally:
        hands.close()
    return hands.missing


def _exam(problem: Problem) -> Exam:
    try:
        return unpacked(problem, (ROOT / "exams" / str(problem.number)).read_bytes())
    except Exception as error:
        raise CourseError(UNREADABLE.format(number=problem.number)) from error


def results_of(
    row: Marks, grading: Grading, titles: Mapping[int, str], missing: Mapping[str, str], folders: list[str]
) -> dict:
    """The marks in Gradescope's form."""
    tests = [_test(mark, titles[mark.problem], folders) for mark in row.by_problem.values()]
    without = (
        WITHOUT.format(which=", ".join(unread)) + " Hand it in again, or ask whoever runs the course."
        if (unread := _unread(row))
        else ""
    )
    about = [row.student.trouble] if row.student.trouble else row.student.told.get(NO_PROBLEM, ())
    output = _html([*(plain(words.sentence(line)) for line in about), plain(without), how(grading)])
    return dict(
        score=row.total,
        output=output,
        output_format="html",
        stdout_visibility="hidden",
        tests=tests,
        extra_data=dict(missing=dict(missing), flags=list(row.flags), notes=list(row.student.notes)),
    )


def _test(mark: Mark, title: str, folders: list[str]) -> dict:
    """One problem, as a test of Gradescope's; one that is undecided has neither a score nor a status."""
    verdict = told(mark, folders) if mark.grade else None
    passed = bool(verdict and verdict.status == Status.PASSED)
    scored = (
        {}
        if mark.undecided
        else dict(score=mark.points, max_score=mark.weight, status="passed" if passed else "failed")
    )
    under = {name: value for name, value in asdict(mark.grade.under).items() if name != "seed"} if mark.grade else {}
    return dict(
        name=title,
        number=str(mark.problem),
        **scored,
        output=_html([*said(mark, verdict), plain(evidence(mark)) if mark.grade else ""]),
        output_format="html",
        visibility="visible",
        extra_data=dict(
            status=mark.grade.status.value,
            mistakes=list(mark.grade.mistakes),
            place=mark.grade.place,
            sha256=mark.grade.digest,
            **under,
        )
        if mark.grade
        else {},
    )


def _html(paragraphs: list[str]) -> str:
    """Markdown as plain HTML: Gradescope takes styles and pictures away."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").render("\n\n".join(filter(None, paragraphs)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
