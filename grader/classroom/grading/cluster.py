"""A Dask cluster that does the grading: the same jobs, sent away. What a worker needs of an exam travels as data;
solutions and seed stay here.

Dask does the rest: what a worker had that dies, jobs and exams, is given to another one. Each worker has the course in
the same version, with bubblewrap and the environment. It is trusted like this machine: submissions are in a room there
too.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import logging
import threading
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import asdict, replace

from grader.classroom.book.entries import Circumstances, Record, Wanted
from grader.classroom.grading.exam import Exam, course_version, packed, unpacked
from grader.classroom.grading.hands import Hands, Job
from grader.course.problem import CourseError, course_root, discover
from grader.course.select import UsageError

ANSWERS, JOINS = 20, 60  # seconds for a scheduler to answer, and for a first worker to be there
# where a machine is at fault; who loses its worker is tried again by Dask itself
RETRIES = 2
DECIDING = ("jax", "flax", "numpy")  # besides the course


class Cluster:
    """The workers of a scheduler. What it does is what `Hands` do here.

    Raises:
        UsageError: nobody answers at `address`, no worker is there, or one has another version.
    """

    def __init__(self, address: str, exams: dict[int, Exam], seed: int, *, waived: Collection[str] = ()):
        from distributed import Client

        for name in ("distributed", "distributed.client"):  # what matters of what they say is told here
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.address, self.seed, self.waived, self.missing = address, seed, tuple(waived), {}
        self._cores = 1
        try:
            self.client = Client(address, timeout=ANSWERS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {address}: start one with `dask scheduler`, and workers with `dask "
                f"worker {address}`"
            ) from error
        try:
            self._look_at_the_workers()
            # A task, unlike data that is scattered, can be done again where a worker dies that had its result.
            self.exams = {
                number: self.client.submit(bytes, packed(exam), key=f"exam-{exam.digest}", pure=True)
                for number, exam in exams.items()
            }
        except BaseException:
            self.client.close()
            raise

    def _look_at_the_workers(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=JOINS)
        except TimeoutError as error:
            raise UsageError(
                f"the scheduler at {self.address} has no worker: start some with `dask worker {self.address}`, in "
                f"this course's folder and environment"
            ) from error
        for worker, found in self.client.run(versions, on_error="return").items():
            if isinstance(found, BaseException):
                raise UsageError(
                    f"the worker {worker} cannot load the course ({found}): start it in the course's folder and "
                    f"environment"
                )
            _compare(found, versions(), f"the worker {worker}")

    @property
    def cores(self) -> int:
        if self._is_there():
            with contextlib.suppress(OSError):
                self._cores = max(1, sum(self.client.nthreads().values()))
        return self._cores

    def _is_there(self) -> bool:
        """Without its scheduler a client takes jobs and says nothing of them any more."""
        return self.client.status == "running"

    def submit(self, job: Job) -> Future:
        here: Future = Future()
        number = job.wanted.problem
        try:
            if not self._is_there():
                raise ConnectionError("its scheduler is gone")
            # Not pure: what a cluster was asked earlier is no answer.
            there = self.client.submit(
                grade_there,
                number,
                self.exams[number],
                job.content,
                versions(),
                self.waived,
                pure=False,
                retries=RETRIES,
            )
            there.add_done_callback(functools.partial(self._take, job, here))
        except Exception as error:
            here.set_exception(self._lost(error))
        return here

    def _take(self, job: Job, here: Future, there) -> None:
        """Hands on what came of a job. This runs in a thread of Dask's."""
        if not here.set_running_or_notify_cancel():
            return
        try:
            told = json.loads(there.result())
            under = Circumstances(**told["under"])
            self.missing |= told["missing"]
            here.set_result(
                Record(
                    job.wanted,
                    told["verdict"],
                    job.content,
                    job.place,
                    replace(under, seed=self.seed, waived=tuple(under.waived), trusted=tuple(under.trusted)),
                    told["stopped"],
                )
            )
        except (UsageError, CourseError) as error:
            here.set_exception(error)
        except BaseException as error:  # the scheduler is gone, or so many workers that Dask gave the job up
            here.set_exception(self._lost(error))

    def _lost(self, error: BaseException) -> CourseError:
        return CourseError(
            f"the cluster at {self.address} did not do it: {' '.join(str(error).split()) or type(error).__name__}"
        )

    def close(self) -> None:
        self.client.close()


# On a worker of the cluster.


def versions() -> dict[str, str]:
    """What a verdict depends on besides the exam."""
    return dict(course=course_version()) | {name: importlib.metadata.version(name) for name in DECIDING}


def grade_there(number: int, exam: bytes, content: bytes, asked: dict[str, str], waived: tuple[str, ...]) -> str:
    """The verdict on one content, as JSON.

    Raises:
        UsageError: this worker has another version than who asks, or lacks a limit.
    """
    _compare(versions(), asked, "a worker of the cluster")
    try:
        hands = _hands(waived)
    except UsageError as error:
        raise UsageError(f"a worker of the cluster says: {error}") from error
    record = hands.grade(Job(Wanted("", number, ""), content, ""), _exam(number, exam))
    return json.dumps(
        dict(verdict=record.verdict, under=asdict(record.under), missing=hands.missing, stopped=record.stopped)
    )


def _compare(found: dict[str, str], wanted: dict[str, str], who: str) -> None:
    for name, version in wanted.items():
        if found[name] != version:
            what = "the course" if name == "course" else name
            raise UsageError(
                f"{who} has version {found[name]} of {what}, not {version}: update it there, and start the worker again"
            )


def _once(make):
    """Made by one of a worker's threads, for all of them. It raises in each where it fails."""
    made, lock = functools.lru_cache(64)(make), threading.Lock()

    @functools.wraps(make)
    def get(*words):
        with lock:
            return made(*words)

    return get


@_once
def _hands(waived: tuple[str, ...]) -> Hands:
    return Hands(course_root(), {}, 0, waived=waived, cores=1)


@_once
def _exam(number: int, content: bytes) -> Exam:
    return unpacked(next(problem for problem in discover(course_root()) if problem.number == number), content)
