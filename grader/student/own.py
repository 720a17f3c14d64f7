"""What a lesson takes of the student's own: the answer to an earlier problem, where it is written and runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

from grader.course.problem import course_root, discover
from grader.course.verdict import Status
from grader.process.stub import Stub, open_stub, shown_path


def own(number: int, name: str, tried: Callable = lambda answer: None):
    """The student's `name` of a problem, or None: its stub is as it came, or it fails, which is told in a sentence.

    Args:
        number: the problem's.
        name: one of the names that the problem asks for.
        tried: is called with it, to use it as the lesson will; what it gives is not looked at.
    """
    problem = next((problem for problem in discover(course_root()) if problem.number == number), None)
    stub = open_stub(problem) if problem else None
    if stub is None or stub.trouble and stub.trouble.status is Status.NOT_WRITTEN:
        return None
    try:
        answer = _run(stub, f"own_{number}")[name]
        tried(answer)
    except (Exception, SystemExit) as error:
        first = next(iter(str(error).strip().splitlines()), "")
        told = stub.trouble.summary if stub.trouble else f"{type(error).__name__}{': ' if first else ''}{first}"
        print(f"{shown_path(problem, stub.path)} does not run here: {told}")
        return None
    return answer


def _run(stub: Stub, called: str) -> dict:
    """The names of a file, run as a module."""
    module = sys.modules[called] = ModuleType(called)  # where a dataclass of the file looks for its types
    module.__file__ = str(stub.path)
    exec(compile(stub.content, stub.path, "exec", dont_inherit=True), vars(module))
    return vars(module)
