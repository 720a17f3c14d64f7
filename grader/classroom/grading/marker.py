"""Grades one piece of work after the other, each in a room of its own: what arrived goes in, a Verdict comes out."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

from grader.classroom.grading.exam import Exam
from grader.classroom.walls.forkserver import ForkServer
from grader.classroom.walls.room import Room, order_for
from grader.classroom.walls.walls import Survey
from grader.course.problem import Problem
from grader.course.verdict import Verdict
from grader.judge.grade import Run, ask, verdict_on, without_running
from grader.process.child import Limits, Process
from grader.process.stub import Stub, stub_of

# what every file is called where it is graded: its place is nobody's business
CALLED = Path("stub.py")
LIMITS = Limits(sent=64 << 20)


class Marker:
    """Several threads may use one."""

    def __init__(self, server: ForkServer, survey: Survey, limits: Limits = LIMITS):
        self.server, self.survey, self.limits = server, survey, limits

    def mark(self, exam: Exam, content: bytes, place: str = "") -> Verdict:
        """The verdict on a stub, which was handed in as `place`: what is told without running it is told by that name.

        Raises CourseError when the course or the machine, not the stub, is at fault.
        """
        stub = stub_of(exam.problem, Path(place) if place else CALLED, content)
        if stub.trouble:
            return without_running(exam.problem, stub)
        return self._run(exam, replace(stub, path=CALLED))

    def _run(self, exam: Exam, stub: Stub) -> Verdict:
        run = Run(
            exam.problem,
            stub,
            self._in_a_room("work", exam.problem, self.limits),
            exam.calls,
            exam.asked,
            self.survey.walls.cache,
            writes=False,
            another=functools.partial(self._in_a_room, "work", exam.problem),
            prover=functools.partial(self._in_a_room, "prove", exam.problem, self.limits) if exam.proves else None,
        )
        try:
            ask(run)
            return verdict_on(run, exam.key)
        finally:
            run.worker.kill()

    def _in_a_room(self, what: str, problem: Problem, limits: Limits) -> Process:
        room = Room(self.survey.walls)
        try:
            return Process(self.server.fork(room, order_for(room, what, problem.needs_flax, problem.devices)), limits)
        except BaseException:
            room.close()
            raise
