"""Grades one piece of work after the other, each in a room of its own: what arrived goes in, a Verdict comes out."""

from __future__ import annotations

from pathlib import Path

from grader.classroom.grading.exam import Exam
from grader.classroom.walls.forkserver import ForkServer
from grader.classroom.walls.room import Room, order_for
from grader.classroom.walls.walls import Survey
from grader.course.problem import Problem
from grader.course.verdict import Verdict
from grader.judge.grade import ask, hear, without_running
from grader.process.child import Limits, Process
from grader.process.stub import Stub, stub_of

CALLED = Path("stub.py")                        # what every file is called where it is graded: its place is nobody's business
LIMITS = Limits(sent=64 << 20)


class Marker:
    """Several threads may use one."""

    def __init__(self, server: ForkServer, survey: Survey, limits: Limits = LIMITS):
        self.server, self.survey, self.limits = server, survey, limits

    def mark(self, exam: Exam, content: bytes) -> Verdict:
        """The verdict on a stub.

        Raises CourseError when the course or the machine, not the stub, is at fault.
        """
        stub = stub_of(exam.problem, CALLED, content)
        if stub.trouble:
            return without_running(exam.problem, stub)
        return self._run(exam, stub)

    def _run(self, exam: Exam, stub: Stub) -> Verdict:
        def begin(worker: Process, calls: list, singly: bool = False) -> Process:
            ask(worker, exam.problem, stub, calls, cache=self.survey.walls.cache, writes=False, carry=exam.proves, singly=singly)
            return worker

        def once_more(ids, left, singly):
            return begin(self._in_a_room("work", exam.problem, left), [call for call in exam.asked if call.id in ids], singly)

        worker = self._in_a_room("work", exam.problem, self.limits)
        try:
            begin(worker, exam.asked)
            return hear(worker, exam.problem, stub, exam.calls, exam.key, once_more=once_more,
                        prover=(lambda: self._in_a_room("prove", exam.problem, self.limits)) if exam.proves else None)
        finally:
            worker.kill()

    def _in_a_room(self, what: str, problem: Problem, limits: Limits) -> Process:
        room = Room(self.survey.walls)
        try:
            return Process(self.server.fork(room, order_for(room, what, flax=problem.needs_flax)), limits)
        except BaseException:
            room.close()
            raise
