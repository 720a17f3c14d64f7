"""Answers that are suspiciously alike, found by copydetect's fingerprints (winnowing, as MOSS has it). The
texts are cut into tokens and never run.

Right answers to one problem are alike by nature, and short ones more than long ones. So it is told of a pair only
- what both have beyond the shipped stub and the lesson, with names of variables, strings, comments and blanks left out
  of account,
- and beyond what many have: a passage that stands in more texts than `common` says is common knowledge. Texts that
  agree letter for letter count as one there, so that a copy that went around is not taken for common knowledge;
- where that is long enough to say something: LEAST tokens' letters, some six lines. A three-line answer is hardly ever
  told of.

A share is how much of what a student has beyond course and common knowledge stands in the other's text too. It is a
reason to look, not a finding.

Of copydetect the fingerprint and the comparison of two are used, with every passage as a fingerprint: its winnowing
selects by Python's hash of strings, which differs from run to run. Its own parameter for boilerplate also drops
passages that a text has twice, so the stub is taken out here.
"""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from grader.classroom.arrivals.submission import Submission
from grader.course.problem import Problem
from grader.course.select import need
from grader.process.wire import plain

PASSAGE = 25  # letters of tokens that are one passage
LEAST = 120  # letters of tokens in passages that only few share
# the answers of the bank in different styles stay below it, an answer with its names changed has 1
SHARE = 0.6
LONGEST = 32 << 10  # bytes of a text; one that is longer is no answer to any problem


@dataclass(frozen=True)
class Side:
    """A text: who handed it in letter for letter, which share of it also stands in the other, and on which lines (from
    1)."""

    students: tuple[str, ...]
    text: str
    share: float
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Alike:
    """Answers to one problem that are alike: two texts, or one that several handed in letter for letter.

    `length` is how many letters of tokens they share that few others have.
    """

    problem: int
    sides: tuple[Side, ...]
    length: int

    @property
    def same(self) -> bool:
        return len(self.sides) == 1

    @property
    def students(self) -> tuple[str, ...]:
        """All who handed in the one text, or the first of each of two."""
        return self.sides[0].students if self.same else tuple(side.students[0] for side in self.sides)

    @property
    def share(self) -> float:
        return max(side.share for side in self.sides)


@dataclass(frozen=True)
class _Text:
    """A text that one student handed in, or several did letter for letter, with its fingerprints that are not of the
    course."""

    students: list[str]
    text: str
    fingerprint: object
    own: float  # letters of tokens that are not of the course


def similar(submissions: Iterable[Submission], problems: list[Problem], least_share: float = SHARE) -> list[Alike]:
    """What is alike at each problem, the most alike first. Several who handed in the same text are told of together,
    and their text once.

    Raises:
        UsageError: copydetect is not installed.
    """
    need("class", "copydetect")
    handed_in: dict[int, dict[str, str]] = {problem.number: {} for problem in problems}
    for submission in submissions:
        for number, piece in submission.pieces.items():
            if number in handed_in and 0 < len(piece.content) <= LONGEST:
                handed_in[number][submission.student] = _normal(piece.content.decode("utf-8", "replace"))
    return [one for problem in problems for one in _of_problem(problem, handed_in[problem.number], least_share)]


def common(students: int) -> int:
    """In how many texts of a class a passage may stand before it is common knowledge: a twentieth, three at least and
    ten at most."""
    return min(10, max(3, students // 20))


def _of_problem(problem: Problem, by_student: dict[str, str], least_share: float) -> list[Alike]:
    texts = list(_texts(by_student, set().union(*(_fingerprint(text).hashes for text in _of_the_course(problem)))))
    known = Counter(passage for text in texts for passage in text.fingerprint.hashes)
    limit = common(len(by_student))
    for text in texts:
        _keep(text.fingerprint, {passage for passage in text.fingerprint.hashes if known[passage] <= limit})
    found = [
        Alike(problem.number, (Side(tuple(text.students), text.text, 1.0, _lines(text.text, None)),), int(text.own))
        for text in texts
        if text.own >= LEAST and len(text.students) > 1
    ]
    found += filter(None, (_compared(problem.number, one, other, least_share) for one, other in _candidates(texts)))
    return sorted(found, key=lambda alike: (-alike.share, -alike.length, alike.students))


def _texts(by_student: dict[str, str], course: set[int]) -> Iterator[_Text]:
    students: dict[str, list[str]] = {}
    for student, text in sorted(by_student.items()):
        students.setdefault(text, []).append(student)
    for text, who in students.items():
        fingerprint = _fingerprint(text)
        _keep(fingerprint, fingerprint.hashes - course)
        yield _Text(who, text, fingerprint, float(fingerprint.token_coverage))


def _of_the_course(problem: Problem) -> list[str]:
    """What every student has from the course: the stub, the sample attempt, the cells of the lesson."""
    found = [
        path.read_text(encoding="utf-8") for path in (problem.pristine, problem.folder / "attempt.py") if path.exists()
    ]
    lesson = problem.lesson.read_text(encoding="utf-8") if problem.lesson.exists() else ""
    return [_normal(text) for text in (*found, *re.findall(r"^```python\n(.*?)^```", lesson, re.MULTILINE | re.DOTALL))]


def _normal(text: str) -> str:
    """The text as copydetect's tokens count its letters: lines end in one way, and there are no blank ones around
    it."""
    return (
        re.sub(r"\r\n?", "\n", plain(text.replace("\r\n", "\n").replace("\r", "\n"))).removeprefix("\ufeff").strip("\n")
        + "\n"
    )


def _fingerprint(text: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that it imports and are not needed here
        from copydetect import CodeFingerprint

    return CodeFingerprint("stub.py", PASSAGE, 1, fp=io.StringIO(text), language="python")


def _keep(fingerprint, passages: set[int]) -> None:
    """Leaves a fingerprint only some of its passages."""
    from copydetect.utils import get_token_coverage

    fingerprint.hashes = passages
    fingerprint.hash_idx = {passage: fingerprint.hash_idx[passage] for passage in passages}
    fingerprint.token_coverage = get_token_coverage(fingerprint.hash_idx, PASSAGE, len(fingerprint.filtered_code))


def _candidates(texts: list[_Text]) -> Iterator[tuple[_Text, _Text]]:
    """The pairs that share enough passages to be worth comparing: of half a million only these are looked at."""
    by_passage: dict[int, list[int]] = {}
    for at, text in enumerate(texts):
        if text.fingerprint.token_coverage >= LEAST:
            for passage in text.fingerprint.hashes:
                by_passage.setdefault(passage, []).append(at)
    shared = Counter(pair for having in by_passage.values() for pair in combinations(having, 2))
    return ((texts[one], texts[other]) for (one, other), times in shared.items() if times * PASSAGE >= LEAST)


def _compared(problem: int, one: _Text, other: _Text, least_share: float) -> Alike | None:
    from copydetect import compare_files

    _, _, slices = compare_files(one.fingerprint, other.fingerprint)
    lengths = [_length(mine.fingerprint, theirs.fingerprint) for mine, theirs in ((one, other), (other, one))]
    shares = [length / float(text.fingerprint.token_coverage) for length, text in zip(lengths, (one, other))]
    if min(lengths) < LEAST or max(shares) < least_share:
        return None
    sides = (
        Side(tuple(text.students), text.text, share, _lines(text.text, where))
        for text, share, where in zip((one, other), shares, slices)
    )
    return Alike(problem, tuple(sides), min(lengths))


def _length(mine, theirs) -> int:
    """How many letters of a text's tokens stand in passages that the other has too."""
    from copydetect.utils import get_token_coverage

    return int(
        get_token_coverage(
            {passage: mine.hash_idx[passage] for passage in mine.hashes & theirs.hashes},
            PASSAGE,
            len(mine.filtered_code),
        )
    )


def _lines(text: str, slices) -> tuple[int, ...]:
    """The lines on which slices of the text stand; all that are not blank for None."""
    if slices is None:
        return tuple(number for number, line in enumerate(text.split("\n"), start=1) if line.strip())
    told: set[int] = set()
    for start, end in zip(*(map(int, ends) for ends in slices)):
        first = text.count("\n", 0, start) + 1
        told.update(range(first, first + text[start:end].rstrip().count("\n") + 1))
    return tuple(sorted(told))
