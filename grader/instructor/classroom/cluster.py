"""A Dask cluster that does the grading: the same jobs, sent away. What a worker needs of an exam travels as data; solutions and seed stay here.

Dask does the rest: a worker that dies loses nothing, since its jobs, and the exam that they need, are given to another one.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Collection
from concurrent.futures import Future

from grader.choose import UsageError
from grader.instructor.classroom.exam import Exam, course_version, packed, unpacked
from grader.instructor.classroom.gradebook import Circumstances, Record
from grader.instructor.classroom.hands import Hands, Job
from grader.problem import course_root, discover

RETRIES = 10                                    # how often a job may lose its worker


class Cluster:
    """The workers of a scheduler. What it does is what `Hands` do here.

    Raises UsageError where nobody answers at `address`, or no worker is there.
    """

    def __init__(self, address: str, exams: dict[int, Exam], seed: int, *, waived: Collection[str] = ()):
        from distributed import Client

        try:
            self.client = Client(address, timeout=20, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(f"no Dask scheduler answers at {address}: start one with `dask scheduler`, and workers with `dask worker {address}`") from error
        try:
            with contextlib.suppress(TimeoutError):
                self.client.wait_for_workers(1, timeout=60)
            if not self.client.nthreads():
                raise UsageError(f"the scheduler at {address} has no worker: start some with `dask worker {address}`, in this course's environment")
            self.seed, self.waived, self.missing = seed, tuple(waived), {}
            self.exams = {number: self.client.submit(bytes, packed(exam), key=f"exam-{exam.digest}", pure=True) for number, exam in exams.items()}
        except BaseException:
            self.client.close()
            raise

    @property
    def cores(self) -> int:
        return max(1, sum(self.client.nthreads().values()))

    def submit(self, job: Job) -> Future:
        # What was asked of a cluster earlier is no answer: each job is a task of its own.
        there = self.client.submit(grade_there, job.wanted.problem, self.exams[job.wanted.problem], job.content, course_version(), self.waived, pure=False, retries=RETRIES)
        here: Future = Future()
        there.add_done_callback(functools.partial(self._take, job, here))
        return here

    def _take(self, job: Job, here: Future, there) -> None:
        if here.cancelled():
            return
        try:
            told = json.loads(there.result())
            under = told["under"] | dict(seed=self.seed, waived=tuple(told["under"]["waived"]), trusted=tuple(told["under"]["trusted"]))
            self.missing |= told["missing"]
            here.set_result(Record(job.wanted, told["verdict"], job.content, job.place, Circumstances(**under)))
        except BaseException as error:
            here.set_exception(error)

    def close(self) -> None:
        self.client.close()


def grade_there(number: int, exam: bytes, content: bytes, version: str, waived: tuple[str, ...]) -> str:
    """On a worker of the cluster: the verdict on one content, as JSON."""
    from dataclasses import asdict

    from grader.instructor.classroom.gradebook import Wanted

    if version != course_version():
        raise UsageError(f"a worker of the cluster has version {course_version()} of the course, not {version}: update the course there, and start the worker again")
    hands = _hands(waived)
    hands.learn(number, exam)
    record = hands.grade(Job(Wanted("", number, ""), content, ""))
    return json.dumps(dict(verdict=record.verdict, under=asdict(record.under), missing=hands.missing))


@functools.cache
def _hands(waived: tuple[str, ...]) -> _Learning:
    return _Learning(course_root(), {}, 0, waived=waived, cores=1)


class _Learning(Hands):
    """Hands that get their exams one by one."""

    def learn(self, number: int, exam: bytes) -> None:
        if number not in self.marker.exams:
            problem = next(problem for problem in discover(course_root()) if problem.number == number)
            self.marker.exams[number] = unpacked(problem, exam)
