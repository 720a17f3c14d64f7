"""Programs compiled before the first submission is graded, from the course's own answers: most students' programs are
among them.

Workers read them and write nothing there, so no student's work ever reaches another one's process. What is kept does
not depend on the inputs' values.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path

from grader.classroom.grading.exam import Exam
from grader.course import problem as course
from grader.judge.grade import Run, ask, start_worker, verdict_on
from grader.process import store
from grader.process.stub import stub_of

STAND_IN = (
    "from pathlib import Path\nfrom grader.authors.stand_in import "
    "names\nglobals().update(names(Path({root!r}), {number}, {mistake!r}))\n"
)


def compiled(root: Path) -> Path | None:
    """Where they are kept."""
    return store.folder(root, "xla", "class")


def compile_ahead(
    root: Path, exam: Exam, submissions: int, progress: Callable[[str], None] = lambda text: None
) -> None:
    """Compiles what the course's right answers ask for, and what its mistakes ask for: each where more submissions come
    than there are of them."""
    folder = compiled(root)
    if folder is None or exam.problem.solutions is None:
        return
    for what, texts in (("right", [*_right(exam)]), ("wrong", [*_wrong(root, exam)])):
        done = folder / f".{what}-{_shape_of(exam, texts)}"
        if submissions <= len(texts) or done.exists():
            continue
        worker = start_worker(exam.problem)
        try:
            for index, text in enumerate(texts, start=1):
                progress(f"compiling what {what} answers to {exam.problem.number} need ({index} of {len(texts)})")
                if worker.process.poll() is not None:
                    worker = start_worker(exam.problem)
                run = Run(
                    exam.problem,
                    stub_of(exam.problem, Path("stub.py"), text),
                    worker,
                    exam.calls,
                    exam.calls,
                    folder,
                    last=False,
                    mistakes=False,
                )
                ask(run)
                verdict_on(run, exam.key)
        finally:
            worker.kill()
        done.touch()


def _right(exam: Exam) -> Iterator[bytes]:
    yield (exam.problem.solutions / "reference.py").read_bytes()
    for path in sorted((exam.problem.solutions / "right").glob("*.py")):
        yield path.read_bytes()


def _wrong(root: Path, exam: Exam) -> Iterator[bytes]:
    bank = store.digest(course.read(exam.problem.solutions / "mistakes.py"))
    for name in dict.fromkeys(known.name for known in exam.key.mistakes()):
        yield (
            STAND_IN.format(root=str(root), number=exam.problem.number, mistake=name).encode() + f"# {bank}\n".encode()
        )


def _shape_of(exam: Exam, texts: list[bytes]) -> str:
    """Names what is compiled. The inputs' values do not matter, so that the next round finds it."""
    calls = [(call.check, call.variant, call.program_key) for call in exam.calls]
    return store.digest(repr([importlib.metadata.version("jax"), calls, texts]).encode())
