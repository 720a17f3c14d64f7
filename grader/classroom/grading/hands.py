"""Who does the grading: threads of this process, each of which keeps one worker busy. A cluster does the same elsewhere
(see `cluster.py`)."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from grader.classroom.book.entries import Circumstances, Record, Wanted
from grader.classroom.grading.compiled import compiled
from grader.classroom.grading.exam import Exam, course_version
from grader.classroom.grading.marker import CALLED, Marker
from grader.classroom.pages.feedback import tried
from grader.classroom.walls import cgroup
from grader.classroom.walls.forkserver import ForkServer
from grader.classroom.walls.walls import demand, survey
from grader.course.problem import CourseError
from grader.course.verdict import Verdict
from grader.judge.grade import unjudged
from grader.process.child import cores_here
from grader.report import machine


@dataclass(frozen=True)
class Job:
    """A content to grade. Many students may have handed in the same one; each has a job."""

    wanted: Wanted
    content: bytes
    place: str


class Hands:
    """The cores of this machine. Made when there is something to grade; `waived` names the limits that it may do
    without.

    Raises UsageError where this machine lacks another limit.
    """

    def __init__(
        self,
        root: Path,
        exams: dict[int, Exam],
        seed: int,
        *,
        waived: Collection[str] = (),
        hidden: Sequence[Path] = (),
        cores: int | None = None,
    ):
        cgroup.sweep()
        self.cores = cores or cores_here()
        self.exams = exams
        self.server = ForkServer(flax=not exams or any(exam.problem.needs_flax for exam in exams.values()))
        try:
            found = survey(self.server, [root / "solutions", root / ".grader", *hidden], compiled(root))
            demand(found, waived)
            self.missing = found.missing
            self.marker = Marker(self.server, found)
            self.under = Circumstances(
                seed=seed,
                course=course_version(),
                jax=_version("jax"),
                grader=_version("attention-track"),
                python=platform.python_version(),
                waived=tuple(sorted(found.missing)),
            )
            self.pool = ThreadPoolExecutor(self.cores)
        except BaseException:
            self.server.close()
            raise

    def submit(self, job: Job) -> Future:
        return self.pool.submit(self.grade, job, self.exams[job.wanted.problem])

    def grade(self, job: Job, exam: Exam) -> Record:
        """The verdict on a job, as the gradebook keeps it. Whatever goes wrong while one file is judged is that file's
        verdict, and costs nobody else anything."""
        start = time.perf_counter()
        try:
            verdict = self.marker.mark(exam, job.content, job.place)
            told = _told(verdict)
        except (CourseError, OSError):  # the course or the machine
            raise
        except Exception as error:
            verdict = unjudged(exam.problem, CALLED, error)
            told = _told(verdict)
        return Record(
            job.wanted,
            told,
            job.content,
            job.place,
            replace(self.under, key=exam.digest, seconds=round(time.perf_counter() - start, 3)),
            verdict.stopped,
        )

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.server.close()


def each_done(
    hands, jobs: Iterable[Job], alone: Callable[[int], None] = lambda count: None
) -> Iterator[tuple[Job, Record | CourseError]]:
    """Hands out the jobs, few at a time so that no more than these are in memory, and gives what came of each, in the
    order in which they are done.

    What was stopped by the clock is done once more at the end, one job after the other and beside no other, and only
    that counts; `alone` is told how many there are.
    """
    stopped: list[Job] = []
    for job, came in _done(hands, jobs, 2 * hands.cores):
        if isinstance(came, Record) and came.stopped:
            stopped.append(job)
        else:
            yield job, came
    if stopped:
        alone(len(stopped))
        yield from _done(hands, stopped, 1)


def _done(hands, jobs: Iterable[Job], at_once: int) -> Iterator[tuple[Job, Record | CourseError]]:
    under_way: dict[Future, Job] = {}
    waiting = iter(jobs)
    try:
        while True:
            while len(under_way) < at_once and (job := next(waiting, None)):
                under_way[hands.submit(job)] = job
            if not under_way:
                return
            for future in wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED).done:
                job = under_way.pop(future)
                try:
                    yield job, future.result()
                except CourseError as error:
                    yield job, error
                except Exception as error:  # the machine's, where one file is under way: the others go on
                    yield job, CourseError(f"the grader failed on it: {type(error).__name__}: {str(error)[:200]}")
    finally:
        for future in under_way:
            future.cancel()


def _told(verdict: Verdict) -> dict:
    """A verdict to keep, once everything is made of it that will be shown: what cannot be shown fails here, where it is
    that file's."""
    told = json.loads(json.dumps(machine.data(verdict), allow_nan=False))
    tried(machine.restored(told))
    return told


def _version(package: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
